//! `cargo run`: the whole bundle on one machine.

use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Parser;
use greenlight::domain::clock::Clock;
use greenlight::domain::ids::AppId;
use greenlight::error::chain;
use greenlight::outbound::Outbound;
use greenlight_local::banner;
use greenlight_local::engines::undelayed;
use greenlight_local::flags::{self, Flags, LocalApp};
use greenlight_local::functions::Functions;
use greenlight_local::schedule;
use greenlight_local::simulator::{SimulatedApp, Simulator};
use greenlight_local::stack::{BUCKET, SECRET, Stack};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

const REAL_WECHAT: &str = "https://api.weixin.qq.com";

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        // --help and --version.
        Err(told) if !told.use_stderr() => {
            let _ = told.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            fail(&flags::one_line(&error));
            return ExitCode::from(2);
        }
    };
    // Our own targets only: the engines and the SDK below log whole requests when they are let.
    let mut filter = greenlight::log::filter(LevelFilter::INFO);
    for directive in ["greenlight_local=info", "s3s=off", "s3s_fs=off", "dynoxide=off"] {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run(flags) => ended,
            () = told_to_end() => Ok(()),
        }
    });
    // What is under way is not waited for; whatever was accepted stands in the table.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "a program's own error line")]
fn fail(error: &dyn Display) -> ExitCode {
    eprintln!("greenlight-local: {error}");
    ExitCode::FAILURE
}

/// Ctrl-C; and what a supervisor or a closed terminal sends, so that the temporary folder goes with the run.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut terminate), Ok(mut hang_up)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                _ = hang_up.recv() => {}
            }
            return;
        }
    }
    // An error means that no signal can be heard at all; then the run ends as the system ends it.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

async fn run(flags: Flags) -> Result<(), Box<dyn Error>> {
    let _held = flags.hold_data()?;
    let app = flags.app()?;
    let address = SocketAddr::new(flags.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), flags.port);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| format!("cannot listen on {address}: {error} (--port names another)"))?;
    let address = listener.local_addr()?;
    let reached_at = match address.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        _ => address,
    };
    let url = format!("http://{reached_at}");
    let stack = Stack::start(flags.data.as_deref()).await?;
    stack.secrets.set(SECRET, &app.document);
    let simulator = if flags.simulates() { Some(simulate(&app, &url).await?) } else { None };
    let wechat = match (&simulator, &flags.wechat_url) {
        (Some(simulator), _) => simulator.url(),
        (None, Some(wechat)) => wechat.clone(),
        (None, None) => REAL_WECHAT.to_owned(),
    };
    let mut settings = stack.settings();
    settings.insert("GREENLIGHT_WECHAT_URL", wechat.clone());
    settings.insert("GREENLIGHT_PUBLIC_URL", flags.public_url.clone().unwrap_or_else(|| url.clone()));
    let setting = |_: &'static str, name: &str| settings.get(name).cloned();
    let functions = Functions::start(&setting, &Clock::system()).await.map_err(|error| {
        let line = chain(&error);
        line.replace("GREENLIGHT_PUBLIC_URL", "--public-url").replace("GREENLIGHT_WECHAT_URL", "--wechat-url")
    })?;
    for (flag, given) in [("--decision-url", &flags.decision_url), ("--relay-url", &flags.relay_url)] {
        if given.is_some() {
            tracing::warn!("{flag} is kept in the secret; nothing is sent there yet");
        }
    }
    if let (Some(simulator), Some(folder)) = (&simulator, &flags.data) {
        let file = folder.join("simulator.json");
        simulator.save_to(&file).map_err(|error| format!("--data: {}: {error}", file.display()))?;
    }
    let mut output = std::io::stdout().lock();
    // Nobody may be reading; the run is of use all the same.
    let _ = write!(output, "{}", banner::text(&flags, &app, &url, &wechat)).and_then(|()| output.flush());
    drop(output);
    let objects = stack.objects.join(BUCKET);
    tokio::select! {
        served = axum::serve(undelayed(listener), functions.router()).into_future() => served?,
        () = schedule::run(&functions, &objects) => {}
    }
    Ok(())
}

async fn simulate(app: &LocalApp, url: &str) -> Result<Simulator, Box<dyn Error>> {
    let client = Outbound::new(None)?.aws_client()?;
    let simulated = SimulatedApp {
        app_id: AppId::parse(&app.app_id)?,
        app_secret: app.app_secret.clone(),
        push_token: app.push_token.clone(),
        push_aes_key: app.push_aes_key.clone(),
        push_url: format!("{url}/push/{}", app.app_id),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(Simulator::start(listener, vec![simulated], client, Clock::system()).await?)
}
