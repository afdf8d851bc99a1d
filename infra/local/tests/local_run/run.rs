//! A running `greenlight-local`, started and read as a shell would.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use greenlight::outbound::Outbound;
use serde_json::Value;

/// The binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_greenlight-local");
/// So long nothing takes even on a busy machine; what takes longer will not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A process, and what it writes.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    started: Instant,
}

/// How a process ended.
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// What it had written to stdout and nobody had read.
    pub(crate) output: String,
    pub(crate) errors: String,
    /// Since the call that waited for it.
    pub(crate) after: Duration,
}

impl Process {
    /// Starts the binary.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(BINARY);
        command.envs(environment.iter().copied());
        Self::of(command, arguments)
    }

    /// Starts what `command` begins. The port is a free one where `arguments` name none.
    pub(crate) fn of(mut command: Command, arguments: &[&str]) -> Self {
        if !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command.args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().expect("the binary");
        let (sender, lines) = channel();
        let output = child.stdout.take().expect("its output");
        // Both pipes are read to their ends, so that it never waits for a reader; the threads end with it.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut errors = child.stderr.take().expect("its errors");
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self { child, lines, errors: Some(errors), started }
    }

    /// Waits until the process is gone: then its pipe is closed.
    pub(crate) fn ended(mut self) -> Ended {
        let from = Instant::now();
        let mut output = String::new();
        loop {
            match self.lines.recv_timeout(PATIENCE.saturating_sub(from.elapsed())) {
                Ok(line) => output = output + &line + "\n",
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    panic!("it does not end; it wrote: {output}");
                }
            }
        }
        let status = self.child.wait().expect("its status");
        let after = from.elapsed();
        let errors = self.errors.take().expect("its errors").join().expect("the reader");
        Ended { status, output, errors, after }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid();
        let sent = Command::new("bash").args(["-c", &format!("kill -{name} {pid}")]).status().expect("bash");
        assert!(sent.success(), "kill -{name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A run whose banner was printed.
pub(crate) struct Run {
    pub(crate) process: Process,
    /// All that it printed first.
    pub(crate) banner: String,
    pub(crate) url: String,
    http: reqwest::Client,
}

/// An answer: its status and its JSON, null where it has none.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The same answer, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        self.json[field].as_str().unwrap_or_else(|| panic!("no `{field}` in {}", self.json)).to_owned()
    }
}

impl Run {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::of(Process::start(arguments))
    }

    /// The same, with more in its environment.
    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::of(Process::start_with(arguments, environment))
    }

    /// The run that this process is.
    pub(crate) fn of(process: Process) -> Self {
        let mut banner = String::new();
        while !banner.ends_with("Ctrl-C ends it.\n") {
            match process.lines.recv_timeout(PATIENCE.saturating_sub(process.started.elapsed())) {
                Ok(line) => banner = banner + &line + "\n",
                Err(_) => panic!("no banner: {banner}{}", process.ended().errors),
            }
        }
        let url = banner.lines().next().and_then(|line| line.strip_prefix("Greenlight is at "));
        let url = url.unwrap_or_else(|| panic!("no URL in {banner}")).to_owned();
        let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).expect("a client");
        Self { process, banner, url, http }
    }

    /// A fact of the banner's head.
    #[track_caller]
    pub(crate) fn fact(&self, name: &str) -> &str {
        let facts = self.banner.lines().skip(1).take_while(|line| line.starts_with("  "));
        let mut named = facts.filter_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(' '));
        named.next().unwrap_or_else(|| panic!("no `{name}` in {}", self.banner)).trim()
    }

    pub(crate) fn simulator(&self) -> String {
        let fact = self.fact("WeChat").strip_prefix("simulated, at ").expect("a simulator");
        fact.split(' ').next().expect("its URL").to_owned()
    }

    async fn send(&self, request: reqwest::RequestBuilder, key: &str) -> Answer {
        let request = if key.is_empty() { request } else { request.bearer_auth(key) };
        let response = request.timeout(PATIENCE).send().await.expect("an answer");
        let status = response.status().as_u16();
        let bytes = response.bytes().await.expect("a body").to_vec();
        Answer { status, json: serde_json::from_slice(&bytes).unwrap_or(Value::Null), bytes }
    }

    fn at(&self, path: &str) -> String {
        if path.starts_with("http://") { path.to_owned() } else { format!("{}{path}", self.url) }
    }

    /// Gets a path of this run, or a whole URL.
    /// What the tests call with, for requests that no other call here makes.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    pub(crate) async fn get(&self, path: &str, key: &str) -> Answer {
        self.send(self.http.get(self.at(path)), key).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.http.post(self.at(path)).header("content-type", "application/json");
        self.send(request.body(body.to_string()), key).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send(self.http.put(self.at(path)).body(body.to_string()), "").await
    }

    pub(crate) async fn log_in(&self, code: &str) -> String {
        self.post("/v1/sessions", "", &serde_json::json!({"code": code})).await.expect(201).text("token")
    }

    pub(crate) async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(self.http.delete(self.at(path)), key).await
    }

    /// Uploads a picture; its `upload_id`.
    pub(crate) async fn upload(&self, key: &str, picture: &[u8]) -> String {
        self.try_upload(key, picture).await.expect(201).text("upload_id")
    }

    pub(crate) async fn try_upload(&self, key: &str, picture: &[u8]) -> Answer {
        let mut form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\n".to_vec();
        form.extend_from_slice(picture);
        form.extend_from_slice(b"\r\n--b--\r\n");
        self.send(self.form("/v1/uploads", form), key).await
    }

    fn form(&self, path: &str, form: Vec<u8>) -> reqwest::RequestBuilder {
        self.http.post(self.at(path)).header("content-type", "multipart/form-data; boundary=b").body(form)
    }

    /// Posts a form whose boundary is `b`.
    pub(crate) async fn post_form(&self, path: &str, form: Vec<u8>) -> Answer {
        self.send(self.form(path, form), "").await
    }

    /// Uploads a picture and submits it; the submission's id.
    pub(crate) async fn submit_picture(&self, key: &str, scene: &str, picture: &[u8]) -> String {
        let upload = self.upload(key, picture).await;
        let body = serde_json::json!({"scene": scene, "channel": "square", "media": [{"upload_id": upload}]});
        self.post("/v1/submissions", key, &body).await.expect(201).text("id")
    }

    pub(crate) async fn submission(&self, id: &str, key: &str) -> Answer {
        self.get(&format!("/v1/submissions/{id}"), key).await
    }

    /// Asks for `path` until the answer is as it should be.
    pub(crate) async fn until(&self, path: &str, key: &str, is: impl Fn(&Answer) -> bool) -> Answer {
        let from = Instant::now();
        loop {
            let answer = self.get(path, key).await;
            if is(&answer) {
                return answer;
            }
            assert!(from.elapsed() < PATIENCE, "{path} stays {}", String::from_utf8_lossy(&answer.bytes));
        }
    }
}

/// A picture of one colour, as PNG; its size makes it differ from others of the same colour.
pub(crate) fn picture(colour: [u8; 3], size: u32) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let light = image::RgbImage::from_pixel(size, size, image::Rgb(colour));
    light.write_to(&mut file, image::ImageFormat::Png).expect("a picture in memory");
    // Such as accept-upload makes of it, so that what is uploaded is what is stored.
    let source = accept_upload::picture::Source::Png;
    accept_upload::picture::encode_anew(source, &file.into_inner()).expect("a picture").bytes.to_vec()
}

/// What the simulator lets pass.
pub(crate) const GREEN: [u8; 3] = [40, 180, 60];
