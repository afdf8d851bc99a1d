//! A whole world in one process: engines, a table proxy, a simulated WeChat, and all functions behind one address.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use axum::extract::Request;
use bytes::Bytes;
use greenlight::apps::{App, Apps};
use greenlight::aws::AwsSettings;
use greenlight::domain::clock::{Clock, Timestamp};
use greenlight::domain::ids::{AppId, SubmissionId};
use greenlight::domain::submission::Submission;
use greenlight::outbound::Outbound;
use greenlight::start::StartError;
use greenlight::table::{Consistency, Table};
use greenlight_local::engines::undelayed;

use greenlight_local::functions::Functions;
use greenlight_local::simulator::{SimulatedApp, Simulator};
use greenlight_local::stack::{BUCKET, SECRET, Stack, TABLE};
use greenlight_local::table_stream::TableStream;
use http::StatusCode;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::contract;
use crate::table_proxy::TableProxy;
use crate::watched::Watched;

/// What [`World::start_with`] makes.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many apps there are: `wx0`, `wx1`, …
    pub apps: usize,
    /// How long an author waits for WeChat. So long that on a busy machine nobody gives up; where WeChat hangs, it is short.
    pub author_waits: Duration,
    /// Pushes in plaintext mode are taken.
    pub allow_plaintext_push: bool,
    /// The only channels, if there is a list.
    pub channels: Option<Vec<&'static str>>,
    /// Its files are few and small, and are kept in memory.
    pub small: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            apps: 1,
            author_waits: Duration::from_secs(60),
            allow_plaintext_push: false,
            channels: None,
            small: false,
        }
    }
}

/// The world.
pub struct World {
    /// The time, moved by hand. It begins with the machine's, for the bucket's engine checks forms by that.
    pub clock: Clock,
    /// The engines.
    pub stack: Stack,
    /// What stands before the table.
    pub proxy: TableProxy,
    /// What stands before bucket and secret.
    watched: Watched,
    /// WeChat.
    pub simulator: Simulator,
    /// The functions.
    pub functions: Functions,
    /// Where all of it is reached.
    pub url: String,
    /// What the tests call with.
    pub http: reqwest::Client,
    /// The secret document.
    pub document: Value,
    table: Table,
    server: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
        self.simulator.stop();
    }
}

/// An answer to a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body's bytes.
    pub bytes: Bytes,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    /// A text field of the body.
    pub fn text(&self, field: &str) -> String {
        self.json()[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {self}")).to_owned()
    }

    /// The same answer, if it has this status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self}");
        self
    }

    /// The ids of a list, in its order.
    pub fn ids(&self) -> Vec<String> {
        let list = self.json()["submissions"].as_array().unwrap_or_else(|| panic!("no list in {self}")).clone();
        list.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// The fields that a problem names as faulty.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.json()["faults"].as_array().cloned().unwrap_or_default();
        faults.iter().map(|fault| fault["field"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.status, String::from_utf8_lossy(&self.bytes))
    }
}

/// The app of that number.
pub fn app_id(number: usize) -> AppId {
    AppId::parse(&format!("wx{number}")).expect("an app id")
}

/// The owner's key of the app of that number.
pub fn server_key(number: usize) -> String {
    format!("sk-0123456789abcdef-{number}")
}

/// The push token of the app of that number.
pub fn push_token(number: usize) -> String {
    format!("push-token-{number}")
}

/// The EncodingAESKey of the app of that number: its last character carries bits that strict decoders refuse.
pub fn push_aes_key(number: usize) -> String {
    format!("{number}bcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
}

impl World {
    /// One app, and everything as it is by default.
    pub async fn start() -> Self {
        Self::start_with(Plan::default()).await
    }

    /// A world to plan.
    pub async fn start_with(plan: Plan) -> Self {
        let clock = Clock::by_hand(Clock::system().now());
        let stack = if plan.small { Stack::start_in_memory().await } else { Stack::start(None).await };
        let stack = stack.expect("the engines");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let http = Outbound::new(None).and_then(|outbound| outbound.aws_client()).expect("a client");
        let proxy = TableProxy::start(stack.dynamodb.url.clone(), http.clone()).await;
        let mut apps = serde_json::Map::new();
        let mut simulated = Vec::new();
        for number in 0..plan.apps {
            let mut app = json!({
                "platform": "wechat",
                "app_secret": format!("app-secret-{number}"),
                "push_token": push_token(number),
                "push_aes_key": push_aes_key(number),
                "server_keys": [server_key(number)],
                "allow_plaintext_push": plan.allow_plaintext_push,
            });
            if let Some(channels) = &plan.channels {
                app["channels"] = json!(channels);
            }
            apps.insert(app_id(number).to_string(), app);
            simulated.push(SimulatedApp {
                app_id: app_id(number),
                app_secret: format!("app-secret-{number}"),
                push_token: push_token(number),
                push_aes_key: push_aes_key(number),
                push_url: format!("{url}/push/{}", app_id(number)),
            });
        }
        let document = json!({"session_key": "session-key-0123456789abcdef", "apps": apps});
        stack.secrets.set(SECRET, &document.to_string());
        let wechat = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let simulator = Simulator::start(wechat, simulated, http.clone(), clock.clone()).await.expect("the simulator");
        let watched = Watched::before(&stack).await;
        let table = |name| proxy.url_for(name);
        let started = Self::functions((&stack, &watched), &table, &simulator.url(), &url, &clock, &[]).await;
        let mut functions = started.expect("the functions start");
        functions.submit_content.author_waits = plan.author_waits;
        let router = functions.router();
        let server = tokio::spawn(async move { axum::serve(undelayed(listener), router).await.expect("it serves") });
        let table = Table::new(dynamodb(&stack, &http), TABLE);
        Self { clock, stack, proxy, watched, simulator, functions, url, http, document, table, server }
    }

    async fn functions(
        (stack, watched): (&Stack, &Watched),
        table: &dyn Fn(&'static str) -> String,
        wechat: &str,
        url: &str,
        clock: &Clock,
        others: &[(&'static str, &str)],
    ) -> Result<Functions, StartError> {
        let mut settings: HashMap<&str, String> = stack.settings();
        settings.insert("GREENLIGHT_WECHAT_URL", wechat.to_owned());
        settings.insert("GREENLIGHT_PUBLIC_URL", url.to_owned());
        settings.insert("GREENLIGHT_CONSOLE_URL", url.to_owned());
        settings.extend(others.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let setting = |function: &'static str, name: &str| match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(table(function)),
            name if others.iter().any(|(own, _)| *own == name) => settings.get(name).cloned(),
            name => watched.endpoint(function, name).or_else(|| settings.get(name).cloned()),
        };
        Box::pin(Functions::start(&setting, clock)).await
    }

    /// All functions once more, as new processes: nothing of what the others hold in memory.
    pub async fn restarted(&self) -> Functions {
        self.restarted_with(&[]).await
    }

    /// The same, with some settings of their own.
    pub async fn restarted_with(&self, settings: &[(&'static str, &str)]) -> Functions {
        let (table, wechat) = (|name| self.proxy.url_for(name), self.simulator.url());
        let functions =
            Self::functions((&self.stack, &self.watched), &table, &wechat, &self.url, &self.clock, settings).await;
        functions.expect("the functions start")
    }

    /// What other functions than those behind the world's address answer.
    pub async fn ask(functions: &Functions, request: Request) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (head, body) =
            Box::pin(functions.router().oneshot(request)).await.unwrap_or_else(|never| match never {}).into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let answer = Answer { status: head.status, headers: head.headers, bytes };
        contract::hold(&method, &path, None, &answer);
        answer
    }

    /// The same, reaching the table and WeChat at addresses of their own.
    pub async fn started_at(&self, table: &str, wechat: &str) -> Result<Functions, StartError> {
        Self::functions((&self.stack, &self.watched), &|_| table.to_owned(), wechat, &self.url, &self.clock, &[]).await
    }

    /// The table's engine, for what no code of ours would write.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        dynamodb(&self.stack, &self.http)
    }

    /// The table's stream from here on, as publish-decisions gets it.
    pub fn table_stream(&self) -> TableStream {
        TableStream::start(self.stack.upkeep.clone(), TABLE).expect("the table's stream")
    }

    /// The table as a test reads it: past the proxy's tricks, and on nobody's bill.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Replaces how WeChat behaves towards the first app; what is not named is as it is by default.
    pub fn behave(&self, behaviour: Value) {
        self.simulator.behave(&app_id(0), serde_json::from_value(behaviour).expect("a behaviour"));
    }

    /// The app as the functions know it.
    pub fn app(&self, number: usize) -> App {
        let apps = Apps::parse(&self.document.to_string().as_str().into()).expect("the secret");
        apps.get(&app_id(number)).expect("the app").clone()
    }

    /// Replaces the secret, as an operator would.
    pub fn set_secret(&mut self, document: Value) {
        self.stack.secrets.set(SECRET, &document.to_string());
        self.document = document;
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Sends a request. What the functions answer has to be as their document says.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a request");
        let (method, url) = (request.method().clone(), request.url().clone());
        let asked = request.body().and_then(|body| body.as_bytes()).map(<[u8]>::to_vec);
        // Boxed, as what is large in here is: unoptimised, a test's futures stand in one another on two megabytes of stack.
        let response = Box::pin(self.http.execute(request)).await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let answer = Answer { status, headers, bytes: response.bytes().await.expect("a body") };
        if url.as_str().starts_with(&self.url) {
            contract::hold(&method, url.path(), asked.as_deref(), &answer);
        }
        answer
    }

    /// A request to a path, with a session token or a server key.
    pub fn request(&self, method: http::Method, path: &str, key: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url)).header("accept-language", "en");
        if key.is_empty() { request } else { request.bearer_auth(key) }
    }

    /// Posts JSON.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.request(http::Method::POST, path, key);
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    /// Gets; a whole URL or a path.
    pub async fn get(&self, path: &str, key: &str) -> Answer {
        let path = path.strip_prefix(self.url.as_str()).unwrap_or(path);
        self.send(self.request(http::Method::GET, path, key)).await
    }

    /// Deletes.
    pub async fn delete(&self, path: &str, key: &str) -> Answer {
        self.send(self.request(http::Method::DELETE, path, key)).await
    }

    /// Logs a user of the app of that number in; the name must have no `-`. Returns the session token.
    pub async fn log_in_to(&self, app: usize, name: &str) -> String {
        // A code is good once, so each login has its own.
        let code = format!("{name}-{}", SubmissionId::random());
        let answer = self.post("/v1/sessions", "", &json!({"code": code, "app_id": app_id(app)})).await;
        answer.expect(201).text("token")
    }

    /// Logs a user of the first app in.
    pub async fn log_in(&self, name: &str) -> String {
        self.log_in_to(0, name).await
    }

    /// The openid of a user of the app of that number.
    pub fn openid(app: usize, name: &str) -> String {
        Simulator::openid(&app_id(app), name)
    }

    /// Uploads a file in one request.
    pub async fn upload(&self, key: &str, file: &[u8]) -> Answer {
        self.upload_fields(key, &[("file", Some("light.png"), file)]).await
    }

    /// Uploads a form of these fields: name, file name, value.
    pub async fn upload_fields(&self, key: &str, fields: &[(&str, Option<&str>, &[u8])]) -> Answer {
        let (content_type, body) = form(fields);
        let request = self.request(http::Method::POST, "/v1/uploads", key);
        self.send(request.header("content-type", content_type).body(body)).await
    }

    /// Uploads a file and returns its `upload_id`.
    pub async fn uploaded(&self, key: &str, file: &[u8]) -> String {
        self.upload(key, file).await.expect(201).text("upload_id")
    }

    /// Submits.
    pub async fn submit(&self, key: &str, body: &Value) -> Answer {
        self.post("/v1/submissions", key, body).await
    }

    /// Submits a text as a comment.
    pub async fn submit_text(&self, key: &str, text: &str) -> Answer {
        self.submit(key, &json!({"scene": "comment", "text": text})).await
    }

    /// Uploads files and submits them in the channel `square`; returns the submission's id.
    pub async fn submit_media(&self, key: &str, files: &[Vec<u8>]) -> String {
        let mut media = Vec::new();
        for file in files {
            media.push(json!({"upload_id": self.uploaded(key, file).await}));
        }
        let body = json!({"scene": "forum", "channel": "square", "media": media});
        self.submit(key, &body).await.expect(201).text("id")
    }

    /// A submission as it stands in the table.
    pub async fn stored(&self, id: &str) -> Submission {
        let id = SubmissionId::parse(id).expect("an id");
        self.table.submission(&id, Consistency::Strong).await.expect("the table").expect("the submission")
    }

    /// The files of the bucket that hold a submission's bytes.
    pub fn objects_of(&self, id: &str) -> Vec<PathBuf> {
        let folder = self.stack.objects.join(BUCKET).join("media").join(id);
        let files = std::fs::read_dir(folder).into_iter().flatten();
        files.map(|file| file.expect("a file").path()).collect()
    }

    /// A submission's state.
    pub async fn state(&self, id: &str) -> &'static str {
        self.stored(id).await.state.as_str()
    }

    /// The ids of a list that everything goes well with.
    pub async fn listed(&self, path: &str, key: &str) -> Vec<String> {
        self.get(path, key).await.expect(200).ids()
    }

    /// What the channel `square` shows to whoever has this key.
    pub async fn feed(&self, key: &str) -> Vec<String> {
        self.listed("/v1/channels/square/submissions", key).await
    }

    /// A moderator's decision (`approve` or `reject`) about a submission as it stands.
    pub async fn decide(&self, id: &str, decision: &str) -> Answer {
        let version = self.stored(id).await.version;
        self.decide_on(id, decision, version).await
    }

    /// A moderator's decision about a submission as it stood when the moderator read it.
    pub async fn decide_on(&self, id: &str, decision: &str, version: u64) -> Answer {
        let body = json!({"decision": decision, "reason": "seen by a person", "moderator": "li", "version": version});
        self.post(&format!("/v1/submissions/{id}/decisions"), &server_key(0), &body).await
    }

    /// One run of the sweep, and then of all that WeChat does because of it.
    pub async fn sweep(&self) -> sweep_overdue::Sweep {
        let sweep = self.functions.sweep_overdue.run().await.expect("the due queue");
        self.simulator.idle().await;
        sweep
    }
}

fn dynamodb(stack: &Stack, http: &reqwest::Client) -> aws_sdk_dynamodb::Client {
    let settings = stack.settings();
    let aws = AwsSettings::from_lookup(&|name| settings.get(name).cloned()).expect("the stack's own settings");
    aws.dynamodb(http)
}

/// A multipart body of these fields: name, file name, value; and its content type.
pub fn form(fields: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "----greenlight-tests";
    let mut body = Vec::new();
    for (name, file_name, value) in fields {
        let file_name = file_name.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file_name}\r\n\r\n").as_bytes(),
        );
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}
