//! An account in an emulated cloud: the emulator, the command line tools, and a client that finds the printed names.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tempfile::TempDir;

/// Where the account is.
pub(crate) const REGION: &str = "us-east-1";

/// The emulator and what is around it; all of it ends with this.
pub(crate) struct Cloud {
    _emulator: Emulator,
    folder: TempDir,
    tools: PathBuf,
    port: u16,
    /// Reaches every name at the emulator, over TLS.
    pub(crate) http: reqwest::Client,
}

impl Drop for Cloud {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell_what_functions_logged();
        }
    }
}

/// Its process. The functions are its children, and end with their runtime API.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Every name leads to the emulator. A port in the URL stays.
struct Everywhere(SocketAddr);

impl Resolve for Everywhere {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(self.0));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

impl Cloud {
    /// Starts an emulator of its own.
    pub(crate) fn start() -> Self {
        let tools = setting("GREENLIGHT_CLOUD_TOOLS");
        let folder = TempDir::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let mut log = std::fs::File::create(folder.path().join("emulator.log")).unwrap();
        let certificate = folder.path().join("cert.pem");
        let emulator = Command::new(tools.join("python"))
            .arg(manifest("cloud/emulator.py"))
            .arg(folder.path())
            // The emulator hands its own environment on to the functions: what stands here is theirs as well.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path())
            .env("AWS_ENDPOINT_URL", format!("https://127.0.0.1:{port}"))
            .env("GREENLIGHT_CA_FILE", &certificate)
            .env("GATEWAY_PORT", port.to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_REGION", REGION)
            .env("LAMBDA_EXECUTOR", "local")
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut emulator = Emulator(emulator.expect("python in GREENLIGHT_CLOUD_TOOLS"));
        let lines = BufReader::new(emulator.0.stderr.take().unwrap()).lines();
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
                if line.contains("Running on") {
                    let _ = ready.send(());
                }
            }
        });
        let said = || std::fs::read_to_string(folder.path().join("emulator.log")).unwrap_or_default();
        assert!(is_ready.recv_timeout(Duration::from_secs(90)).is_ok(), "the emulator does not start:\n{}", said());
        let pem = std::fs::read(certificate).unwrap();
        let http = client(&pem, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        Self { _emulator: emulator, folder, tools, port, http }
    }

    /// After a failure: the last lines of each function's log, and of the emulator's own.
    fn tell_what_functions_logged(&self) {
        let last = |text: &str| {
            text.lines().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let groups = self.run(
            "aws",
            &["logs", "describe-log-groups", "--output", "text", "--query", "logGroups[].logGroupName"],
            "",
        );
        for group in String::from_utf8_lossy(&groups.stdout).split_whitespace() {
            let query = ["--output", "text", "--query", "events[].[message]"];
            let arguments: Vec<&str> =
                ["logs", "filter-log-events", "--log-group-name", group].into_iter().chain(query).collect();
            let events = self.run("aws", &arguments, "");
            eprintln!("==> {group}\n{}", last(&String::from_utf8_lossy(&events.stdout)));
        }
        let log = std::fs::read_to_string(self.folder.path().join("emulator.log")).unwrap_or_default();
        eprintln!("==> the emulator\n{}", last(&log));
    }

    /// A command with the account's credentials.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.tools.join(program));
        let certificate = self.folder.path().join("cert.pem");
        let names = manifest("cloud/names.mjs");
        command
            .current_dir(manifest(".."))
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.tools.display()))
            .env("HOME", self.folder.path())
            .env("AWS_ENDPOINT_URL", format!("https://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "000000000000")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_DEFAULT_REGION", REGION)
            .env("AWS_CA_BUNDLE", &certificate)
            .env("SAM_CLI_TELEMETRY", "0")
            .env("NODE_EXTRA_CA_CERTS", &certificate)
            .env("NODE_OPTIONS", format!("--import={}", names.display()))
            .env("EMULATOR_PORT", self.port.to_string())
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to its end, with a text on its standard input.
    pub(crate) fn run(&self, program: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What the AWS command line answers, as JSON.
    pub(crate) fn aws(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let output = self.run("aws", &all, "");
        assert!(output.status.success(), "aws {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        if output.stdout.is_empty() { Value::Null } else { serde_json::from_slice(&output.stdout).unwrap() }
    }

    /// `sam deploy` of the template, as the README has it but for its questions.
    pub(crate) fn deploy(&self, template: &Path, stack: &str, parameters: &[&str]) -> Output {
        let template = template.to_str().unwrap();
        let mut arguments = vec!["deploy", "--template", template, "--stack-name", stack, "--resolve-s3"];
        arguments.extend(["--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]);
        if !parameters.is_empty() {
            arguments.push("--parameter-overrides");
            arguments.extend(parameters);
        }
        self.run("sam", &arguments, "")
    }

    /// The settings by which our own library reaches the account's table.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        match name {
            "AWS_REGION" => Some(REGION.to_owned()),
            "AWS_ACCESS_KEY_ID" => Some("000000000000".to_owned()),
            "AWS_SECRET_ACCESS_KEY" => Some("test".to_owned()),
            "AWS_ENDPOINT_URL" => Some(format!("https://127.0.0.1:{}", self.port)),
            _ => None,
        }
    }

    /// What the emulator's certificate is.
    pub(crate) fn certificate(&self) -> Vec<u8> {
        std::fs::read(self.folder.path().join("cert.pem")).unwrap()
    }

    /// How large the largest event and answer of a function were, by its logical id, in bytes.
    pub(crate) fn largest(&self, function: &str, what: &str) -> usize {
        let sizes = std::fs::read_to_string(self.folder.path().join("sizes")).unwrap();
        let lines = sizes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let own = lines.filter(|line| line[0].contains(function) && line[1] == what);
        own.map(|line| line[2].parse().unwrap()).max().unwrap_or(0)
    }
}

/// A setting of this test, which has no `main.rs`; tests/run sets it.
#[expect(clippy::disallowed_methods, reason = "a setting of this test, which has no main.rs")]
fn setting(name: &str) -> PathBuf {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; tests/run sets it")).into()
}

/// The folder of template and scripts in the repository.
pub(crate) fn repository() -> PathBuf {
    manifest("../infra")
}

/// The same in an archive of a release.
pub(crate) fn release() -> PathBuf {
    setting("GREENLIGHT_RELEASE")
}

/// A path from the package's folder.
fn manifest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn client(pem: &[u8], address: SocketAddr) -> reqwest::Client {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let tls = tls.with_root_certificates(roots).with_no_client_auth();
    let builder = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    builder.dns_resolver(Arc::new(Everywhere(address))).timeout(Duration::from_secs(60)).build().unwrap()
}

/// Looks again and again until something is so that the cloud does in its own time; not for ever.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let mut pause = tokio::time::interval(Duration::from_millis(500));
    // Schedules run each minute; a few of them may be needed on a busy machine.
    let looking = async {
        while !is_so().await {
            pause.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(200), looking).await.is_ok(), "it never came about: {what}");
}
