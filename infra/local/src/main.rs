//! `cargo run`: the whole bundle on one machine.

use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use greenlight::domain::clock::Clock;
use greenlight::domain::ids::{AppId, ModeratorName};
use greenlight::domain::moderator::{Moderator, Role, path_of_link};
use greenlight::error::chain;
use greenlight::moderation::let_in::make_link;
use greenlight::outbound::Outbound;
use greenlight_local::backup;
use greenlight_local::banner;
use greenlight_local::data_folder::DataFolder;
use greenlight_local::engines::undelayed;
use greenlight_local::flags::{self, Command, Flags, LocalApp};
use greenlight_local::functions::Functions;
use greenlight_local::page::Page;
use greenlight_local::schedule::Schedule;
use greenlight_local::simulator::{SimulatedApp, Simulator};
use greenlight_local::stack::{BUCKET, FORMS, SECRET, Stack};
use http::HeaderValue;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use url::Url;

const REAL_WECHAT: &str = "https://api.weixin.qq.com";
/// How long what is under way has to end once the run is told to.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let flags = match Flags::read(std::env::args_os()) {
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
    let done = match &flags.command {
        Some(Command::Backup { to }) => back_up(&flags, to.clone()),
        None => serve(flags),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&chain(error.as_ref())),
    }
}

#[expect(clippy::print_stderr, reason = "a program's own error line")]
fn fail(line: &str) -> ExitCode {
    eprintln!("greenlight-local: {line}");
    ExitCode::FAILURE
}

fn back_up(flags: &Flags, to: PathBuf) -> Result<(), Box<dyn Error>> {
    let data = flags.data.as_deref().ok_or("--data is needed: the folder to copy")?;
    let copied = backup::copy(data, &to)?;
    let megabytes = copied.bytes.div_ceil(1_000_000);
    // Nobody may be reading; the copy is there all the same.
    let _ =
        writeln!(std::io::stdout(), "copied to {}: {} uploads and media, {megabytes} MB", to.display(), copied.objects);
    Ok(())
}

fn serve(flags: Flags) -> Result<(), Box<dyn Error>> {
    // Our own targets only: the engines and the SDK below log whole requests when they are let.
    let own = [("greenlight_local", LevelFilter::INFO), ("s3s", LevelFilter::OFF), ("dynoxide", LevelFilter::OFF)];
    let filter = greenlight::log::filter(LevelFilter::INFO).with_targets(own);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(filter);
    tracing_subscriber::registry().with(lines).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let ends = Ends::listen()?;
        tokio::select! {
            ended = run(&flags, &ends) => ended,
            // Somebody does not want to wait for what is under way.
            () = ends.told(2) => Ok(()),
        }
    });
    runtime.shutdown_background();
    ended
}

/// How often it was told to end: by Ctrl-C, or by what a supervisor or a closed terminal sends.
struct Ends(watch::Receiver<u32>);

impl Ends {
    fn listen() -> io::Result<Self> {
        let (tell, told) = watch::channel(0);
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
                let (mut signals, tell) = (signal(kind)?, tell.clone());
                tokio::spawn(async move {
                    while signals.recv().await.is_some() {
                        tell.send_modify(|times| *times += 1);
                    }
                });
            }
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                tell.send_modify(|times| *times += 1);
            }
        });
        Ok(Self(told))
    }

    /// Returns when it has been told so often.
    async fn told(&self, times: u32) {
        if self.0.clone().wait_for(|told| *told >= times).await.is_err() {
            // No signal can be heard any more; then it ends as the system ends it.
            std::future::pending().await
        }
    }
}

async fn run(flags: &Flags, ends: &Ends) -> Result<(), Box<dyn Error>> {
    tokio::select! {
        started = Started::start(flags) => started?.serve(ends).await,
        () = ends.told(1) => Ok(()),
    }
}

/// Everything that a run consists of.
struct Started {
    listener: TcpListener,
    functions: Functions,
    page: Option<Page>,
    schedule: Schedule,
    /// Dropped after what uses it.
    stack: Stack,
    _simulator: Option<Simulator>,
    _data: Option<DataFolder>,
}

impl Started {
    async fn start(flags: &Flags) -> Result<Self, Box<dyn Error>> {
        let data = flags.data.as_deref().map(DataFolder::open).transpose()?;
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
        let stack = Stack::start(data.as_ref().map(DataFolder::path)).await?;
        stack.secrets.set(SECRET, &app.document);
        let simulator = if flags.simulates() { Some(simulate(&app, &url).await?) } else { None };
        let wechat = match (&simulator, &flags.wechat_url) {
            (Some(simulator), _) => simulator.url(),
            (None, Some(wechat)) => wechat.clone(),
            (None, None) => REAL_WECHAT.to_owned(),
        };
        let mut settings = stack.settings();
        settings.insert("GREENLIGHT_WECHAT_URL", wechat.clone());
        let public_url = flags.public_url.as_deref().unwrap_or(&url);
        settings.insert("GREENLIGHT_PUBLIC_URL", public_url.to_owned());
        settings.insert("GREENLIGHT_CONSOLE_URL", public_url.to_owned());
        settings.insert("GREENLIGHT_FORMS_URL", format!("{}{FORMS}", public_url.trim_end_matches('/')));
        settings.insert("GREENLIGHT_ALLOW_PRIVATE", flags.allow_private.to_string());
        settings.extend(flags.ca_file.clone().map(|file| ("GREENLIGHT_CA_FILE", file)));
        let periods = [
            ("GREENLIGHT_KEEP_RECORD_DAYS", &flags.keep_record_days),
            ("GREENLIGHT_KEEP_REJECTED_DAYS", &flags.keep_rejected_days),
            ("GREENLIGHT_KEEP_EVIDENCE_DAYS", &flags.keep_evidence_days),
            ("GREENLIGHT_KEEP_SEALED_DAYS", &flags.keep_sealed_days),
        ];
        settings.extend(periods.into_iter().filter_map(|(name, days)| Some((name, days.clone()?))));
        let setting = |function: &'static str, name: &str| match (function, name) {
            // Browsers tell it where it is reached; only links have to know.
            ("serve-console", "GREENLIGHT_CONSOLE_URL") => None,
            // Who starts the run names the servers that pushes go on to and decisions are told to: it may well be this machine.
            ("receive-push" | "sweep-overdue" | "publish-decisions", "GREENLIGHT_ALLOW_PRIVATE") => {
                Some(true.to_string())
            }
            _ => settings.get(name).cloned(),
        };
        let functions = Functions::start(&setting, &Clock::system()).await.map_err(|error| {
            let line = chain(&error);
            line.replace("GREENLIGHT_PUBLIC_URL", "--public-url")
                .replace("GREENLIGHT_FORMS_URL", "--public-url")
                .replace("GREENLIGHT_WECHAT_URL", "--wechat-url")
                .replace("GREENLIGHT_CA_FILE", "--ca-file")
                .replace("GREENLIGHT_KEEP_RECORD_DAYS", "--keep-record-days")
                .replace("GREENLIGHT_KEEP_REJECTED_DAYS", "--keep-rejected-days")
                .replace("GREENLIGHT_KEEP_EVIDENCE_DAYS", "--keep-evidence-days")
                .replace("GREENLIGHT_KEEP_SEALED_DAYS", "--keep-sealed-days")
        })?;
        if let (Some(simulator), Some(data)) = (&simulator, &data) {
            let file = data.path().join("simulator.json");
            simulator.save_to(&file).map_err(|error| format!("--data: {}: {error}", file.display()))?;
        }
        let page = match &simulator {
            // Whoever reaches it is the moderator too, so nobody may come from elsewhere: neither by the network nor through a
            // proxy, which may well name this machine as the host.
            Some(simulator) if address.ip().is_loopback() && flags.public_url.is_none() => Some(Page {
                app: AppId::parse(&app.app_id)?,
                server_key: HeaderValue::from_str(&format!("Bearer {}", app.server_key))?,
                public_url: Url::parse(public_url)?,
                simulator: Url::parse(&simulator.url())?,
                http: Outbound::new(None)?.aws_client()?,
            }),
            _ => None,
        };
        // Like a key that was made up for this run: where one was given, what is printed may be kept for long.
        let link =
            if flags.server_key.is_none() { Some(console_link(&functions, &app, public_url).await?) } else { None };
        let banner = banner::text(flags, &app, &url, &wechat, page.is_some(), link.as_deref());
        let mut output = std::io::stdout().lock();
        // Nobody may be reading; the run is of use all the same.
        let _ = write!(output, "{banner}").and_then(|()| output.flush());
        drop(output);
        let schedule = Schedule {
            functions: functions.clone(),
            bucket: stack.objects.join(BUCKET),
            upkeep: stack.upkeep.clone(),
            data: data.as_ref().map(|data| data.path().to_owned()),
        };
        Ok(Self { listener, functions, page, schedule, stack, _simulator: simulator, _data: data })
    }

    /// Serves until it is told to end; then nothing new is taken, and what is under way has its time.
    async fn serve(self, ends: &Ends) -> Result<(), Box<dyn Error>> {
        let Self { listener, functions, page, schedule, stack, _simulator, _data } = self;
        let (stop, stopped) = watch::channel(false);
        let mut told = stopped.clone();
        let router = stack.with_forms(functions.router());
        let router = match page {
            Some(page) => page.before(router)?,
            None => router,
        };
        // Who sends is told beside each request.
        let router = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(undelayed(listener), router).with_graceful_shutdown(async move {
            // The sender lives as long as this.
            let _ = told.wait_for(|stop| *stop).await;
        });
        let mut work = Box::pin(async move {
            let served = async { serving.await.map_err(Box::<dyn Error>::from) };
            let scheduled = async { schedule.run(stopped).await.map_err(Box::<dyn Error>::from) };
            tokio::try_join!(served, scheduled).map(drop)
        });
        tokio::select! {
            ended = &mut work => return ended,
            () = ends.told(1) => {}
        }
        let by = Instant::now() + ENDS_WITHIN;
        stop.send_replace(true);
        match timeout_at(by, work).await {
            Ok(ended) => ended?,
            Err(_) => tracing::warn!("what was still under way after {} s was broken off", ENDS_WITHIN.as_secs()),
        }
        drop(functions);
        // In order, so that the table is one file again. It is whole all the same if there is no time for that.
        let _ = timeout_at(by, stack.stop()).await;
        Ok(())
    }
}

/// A link that lets whoever runs this into the console.
async fn console_link(functions: &Functions, app: &LocalApp, public_url: &str) -> Result<String, Box<dyn Error>> {
    let name = ModeratorName::parse("operator")?;
    let moderator = Moderator { app: AppId::parse(&app.app_id)?, name, role: Role::Lead };
    let (link, _) = make_link(&functions.serve_console.table, &functions.serve_console.clock, &moderator, None).await?;
    Ok(format!("{}{}", public_url.trim_end_matches('/'), path_of_link(&link)))
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
