//! A deployed stack with one mini program: what it printed, and what a user, an owner and an operator do with it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use greenlight::aws::AwsSettings;
use greenlight::domain::clock::Clock;
use greenlight::domain::ids::{AppId, SubmissionId};
use greenlight::domain::submission::Submission;
use greenlight::outbound::Outbound;
use greenlight::table::{Consistency, Saved, Table};
use greenlight_local::simulator::{SimulatedApp, Simulator};
use greenlight_tests::world::form;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cloud::{Cloud, REGION};

/// The stack.
pub(crate) struct Stack<'a> {
    pub(crate) cloud: &'a Cloud,
    folder: PathBuf,
    pub(crate) name: &'static str,
    pub(crate) app: AppId,
    pub(crate) outputs: BTreeMap<String, String>,
    wechat: Option<TcpListener>,
    parameters: Vec<String>,
}

/// An answer: status and body.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: bytes::Bytes,
}

impl Answer {
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.bytes));
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        let json = self.json();
        json[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {json}")).to_owned()
    }
}

impl<'a> Stack<'a> {
    /// Deploys the template of a folder with these parameters, and the simulator's address for WeChat's.
    pub(crate) async fn deploy(
        cloud: &'a Cloud,
        folder: PathBuf,
        name: &'static str,
        app: &str,
        parameters: &[&str],
    ) -> Self {
        let wechat = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut parameters: Vec<String> = parameters.iter().map(|&one| one.to_owned()).collect();
        parameters.push(format!("WeChatUrl=http://{}", wechat.local_addr().unwrap()));
        parameters.push("Architecture=x86_64".to_owned());
        let app = AppId::parse(app).unwrap();
        let mut stack = Self { cloud, folder, name, app, outputs: BTreeMap::new(), wechat: Some(wechat), parameters };
        stack.update(&[]);
        stack
    }

    /// Deploys it again, with these parameters besides.
    pub(crate) fn update(&mut self, parameters: &[&str]) {
        self.parameters.extend(parameters.iter().map(|&one| one.to_owned()));
        let all: Vec<&str> = self.parameters.iter().map(String::as_str).collect();
        let output = self.cloud.deploy(&self.folder.join("template.yaml"), self.name, &all);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "sam deploy of {}:\n{said}", self.name);
        let described = self.cloud.aws(&["cloudformation", "describe-stacks", "--stack-name", self.name]);
        let outputs = described["Stacks"][0]["Outputs"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.outputs = outputs.map(|one| (text(&one["OutputKey"]), text(&one["OutputValue"]))).collect();
    }

    /// The physical name of a function.
    pub(crate) fn function(&self, id: &str) -> String {
        let named = ["--stack-name", self.name, "--logical-resource-id", id];
        let one = self.cloud.aws(&[&["cloudformation", "describe-stack-resource"], named.as_slice()].concat());
        one["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap().to_owned()
    }

    /// Runs one of the scripts that stand beside the template. Its status, and what it printed.
    pub(crate) fn script(&self, script: &str, arguments: &[&str], input: &str) -> (bool, String) {
        let path = self.folder.join(script);
        let mut all = vec![path.to_str().unwrap(), "--stack", self.name, "--region", REGION];
        all.extend(arguments);
        let output = self.cloud.run("node", &all, input);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.success(), said)
    }

    /// The secret, as it stands.
    pub(crate) fn secret(&self) -> String {
        let secret = &self.outputs["Secret"];
        let value = self.cloud.aws(&["secretsmanager", "get-secret-value", "--secret-id", secret]);
        value["SecretString"].as_str().unwrap().to_owned()
    }

    /// A field of the app in the secret.
    pub(crate) fn app_field(&self, field: &str) -> String {
        let document: Value = serde_json::from_str(&self.secret()).unwrap();
        let value = &document["apps"][self.app.as_str()][field];
        value.as_str().or_else(|| value[0].as_str()).unwrap_or_else(|| panic!("no {field}")).to_owned()
    }

    /// WeChat, as the owner has set it up in its console with what `add-app` printed.
    pub(crate) async fn wechat(&mut self) -> Simulator {
        let app = SimulatedApp {
            app_id: self.app.clone(),
            app_secret: self.app_field("app_secret"),
            push_token: self.app_field("push_token"),
            push_aes_key: self.app_field("push_aes_key"),
            push_url: self.at("ReceivePushUrl", &format!("/push/{}", self.app)),
        };
        let (listener, http) = (self.wechat.take().expect("once"), self.cloud.http.clone());
        Simulator::start(listener, vec![app], http, Clock::system()).await.unwrap()
    }

    /// A path at one of the printed URLs.
    pub(crate) fn at(&self, output: &str, path: &str) -> String {
        format!("{}{path}", self.outputs[output].trim_end_matches('/'))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.header("accept-language", "en").send().await.unwrap();
        Answer { status: answer.status().as_u16(), bytes: answer.bytes().await.unwrap() }
    }

    pub(crate) async fn get(&self, url: &str, key: &str) -> Answer {
        let request = self.cloud.http.get(url);
        self.send(if key.is_empty() { request } else { request.bearer_auth(key) }).await
    }

    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        let request = self.cloud.http.request(Method::POST, self.at("SubmitContentUrl", path));
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.send(if key.is_empty() { request } else { request.bearer_auth(key) }).await
    }

    pub(crate) async fn log_in(&self, name: &str) -> String {
        let code = format!("{name}-{}", SubmissionId::random());
        self.post("/v1/sessions", "", &json!({"code": code})).await.expect(201).text("token")
    }

    pub(crate) async fn upload(&self, key: &str, file: &[u8]) -> Answer {
        let (content_type, body) = form(&[("file", Some("light.png"), file)]);
        let request = self.cloud.http.post(self.at("AcceptUploadUrl", "/v1/uploads")).bearer_auth(key);
        self.send(request.header("content-type", content_type).body(body)).await
    }

    /// Submits a text with a picture, to the channel `square`.
    pub(crate) async fn submit_picture(&self, key: &str, text: &str, file: &[u8]) -> Value {
        let upload = self.upload(key, file).await.expect(201).text("upload_id");
        let body = json!({"scene": "comment", "text": text, "channel": "square", "media": [{"upload_id": upload}]});
        self.post("/v1/submissions", key, &body).await.expect(201).json()
    }

    /// A submission as someone sees it.
    pub(crate) async fn read(&self, id: &str, key: &str) -> Answer {
        self.get(&self.at("SubmitContentUrl", &format!("/v1/submissions/{id}")), key).await
    }

    /// The table, by our own library.
    fn table(&self) -> Table {
        let aws = AwsSettings::from_lookup(&|name| self.cloud.setting(name)).unwrap();
        let http = Outbound::new(Some(&self.cloud.certificate())).unwrap().aws_client().unwrap();
        Table::new(aws.dynamodb(&http), self.outputs["Table"].clone())
    }

    /// Lets time pass for one submission: all its times are moved back.
    pub(crate) async fn age(&self, id: &str, minutes: i64) {
        let table = self.table();
        let id = SubmissionId::parse(id).unwrap();
        let stored = table.submission(&id, Consistency::Strong).await.unwrap().unwrap();
        let aged = aged(&stored, minutes * 60_000);
        let mut aged = Submission { version: stored.version, ..aged };
        assert!(matches!(table.commit(Some(&stored), &mut aged, &[]).await.unwrap(), Saved::Done));
    }
}

/// The same, with everything that is a time so much earlier.
fn aged(stored: &Submission, by: i64) -> Submission {
    use greenlight::domain::clock::Timestamp;
    use greenlight::domain::submission::PartState;
    let earlier = |at: &mut Timestamp| at.0 -= by;
    let mut aged = stored.clone();
    earlier(&mut aged.since);
    earlier(&mut aged.created_at);
    aged.due.iter_mut().for_each(earlier);
    for part in &mut aged.parts {
        part.attempts.iter_mut().for_each(|attempt| earlier(&mut attempt.asked_at));
        if let PartState::Queued { due } | PartState::Checking { due } = &mut part.state {
            earlier(due);
        }
    }
    aged
}
