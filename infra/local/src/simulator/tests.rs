//! The simulator over its wire: calls as Greenlight makes them, and a receiver that takes its pushes.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::routing::{get, post};
use bytes::Bytes;
use greenlight::domain::clock::{Clock, Timestamp};
use greenlight::domain::ids::AppId;
use greenlight::wechat::envelope::{AesKey, open};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

mod control;
mod outages;
mod pushes;
mod refusals;
mod tokens;
mod verdicts;

const SECRET: &str = "secret";
const PUSH_TOKEN: &str = "push-token";
/// Its last character has bits that mean nothing, as three of four real keys have.
const AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const RED: [u8; 3] = [230, 20, 20];
const YELLOW: [u8; 3] = [240, 220, 30];
const GREEN: [u8; 3] = [30, 200, 60];

/// A push as it came in.
#[derive(Clone, Debug)]
struct Received {
    query: BTreeMap<String, String>,
    content_type: String,
    body: String,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The encrypted message inside, opened.
    fn opened(&self, encrypted: &str, app: &AppId) -> String {
        String::from_utf8(open(&AesKey::parse(AES_KEY).unwrap(), encrypted, app).unwrap()).unwrap()
    }

    /// The event in a JSON push of safe or compatible mode.
    fn event(&self, app: &AppId) -> Value {
        serde_json::from_str(&self.opened(self.json()["Encrypt"].as_str().unwrap(), app)).unwrap()
    }
}

/// What stands outside: the media that WeChat downloads, and the URL it pushes to.
#[derive(Clone, Default)]
struct Outside {
    media: Arc<Mutex<BTreeMap<String, Bytes>>>,
    ranges: Arc<Mutex<Vec<String>>>,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<VecDeque<(u16, &'static str)>>>,
    /// By this clock each push takes a second.
    takes_a_second: Arc<Mutex<Option<Clock>>>,
}

impl Outside {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/push", post(receive))
            .route("/media/{name}", get(serve_medium))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

async fn receive(
    State(outside): State<Outside>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, &'static str) {
    let query = vocabulary::call::pairs(&query.unwrap()).into_iter().collect();
    let content_type = headers[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    outside.received.lock().unwrap().push(Received { query, content_type, body });
    if let Some(clock) = &*outside.takes_a_second.lock().unwrap() {
        clock.advance(Duration::from_secs(1));
    }
    let (status, answer) = outside.answers.lock().unwrap().pop_front().unwrap_or((200, "success"));
    (StatusCode::from_u16(status).unwrap(), answer)
}

async fn serve_medium(
    State(outside): State<Outside>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> http::Response<Body> {
    let Some(bytes) = outside.media.lock().unwrap().get(&name).cloned() else {
        return http::Response::builder().status(404).body(Body::empty()).unwrap();
    };
    let Some(range) = headers.get(header::RANGE) else { return http::Response::new(Body::from(bytes)) };
    let range = range.to_str().unwrap().to_owned();
    outside.ranges.lock().unwrap().push(range.clone());
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let (from, to) = (from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap().min(bytes.len() - 1));
    let response = http::Response::builder().status(206);
    let response = response.header(header::CONTENT_RANGE, format!("bytes {from}-{to}/{}", bytes.len()));
    response.body(Body::from(bytes.slice(from..=to))).unwrap()
}

/// A simulator with two apps, and what stands outside.
struct Bench {
    simulator: Simulator,
    outside: Outside,
    outside_url: String,
    clock: Clock,
    client: reqwest::Client,
    app: AppId,
    other: AppId,
}

impl Bench {
    async fn start() -> Self {
        let outside = Outside::default();
        let outside_url = outside.start().await;
        let clock = Clock::by_hand(Timestamp::parse_rfc3339("2026-03-01T04:00:30Z").unwrap());
        let client = greenlight::outbound::Outbound::new(None).unwrap().aws_client().unwrap();
        let (app, other) = (AppId::parse("wx0001").unwrap(), AppId::parse("wx0002").unwrap());
        let simulated = |app_id: &AppId| SimulatedApp {
            app_id: app_id.clone(),
            app_secret: SECRET.to_owned(),
            push_token: PUSH_TOKEN.to_owned(),
            push_aes_key: AES_KEY.to_owned(),
            push_url: format!("{outside_url}/push"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let apps = vec![simulated(&app), simulated(&other)];
        let simulator = Simulator::start(listener, apps, client.clone(), clock.clone()).await.unwrap();
        Self { simulator, outside, outside_url, clock, client, app, other }
    }

    fn behave(&self, behaviour: Behaviour) {
        // What takes real time in production takes none here.
        self.simulator.behave(&self.app, Behaviour { push_retry_delay_ms: 0, ..behaviour });
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    fn post(&self, path_and_query: &str, body: &Value) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path_and_query}", self.simulator.url())).body(body.to_string())
    }

    fn get(&self, path_and_query: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path_and_query}", self.simulator.url()))
    }

    async fn stable_token(&self, app: &AppId, force: bool) -> (String, u64) {
        let body = json!({
            "grant_type": "client_credential", "appid": app, "secret": SECRET, "force_refresh": force
        });
        let answer = self.send(self.post("/cgi-bin/stable_token", &body)).await;
        assert!(answer.get("errcode").is_none(), "{answer}");
        (answer["access_token"].as_str().unwrap().to_owned(), answer["expires_in"].as_u64().unwrap())
    }

    async fn token(&self) -> String {
        self.stable_token(&self.app, false).await.0
    }

    async fn login(&self, app: &AppId, code: &str) -> Value {
        let query = format!("appid={app}&secret={SECRET}&js_code={code}&grant_type=authorization_code");
        self.send(self.get(&format!("/sns/jscode2session?{query}"))).await
    }

    async fn alice(&self) -> String {
        // Each login has its own code, and all of them are Alice's.
        static LOGINS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let login = LOGINS.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        self.login(&self.app, &format!("alice-{login}")).await["openid"].as_str().unwrap().to_owned()
    }

    async fn check_text(&self, changed: Value) -> Value {
        let (token, openid) = (self.token().await, self.alice().await);
        let mut body = json!({ "content": "hello", "version": 2, "scene": 2, "openid": openid });
        change(&mut body, changed);
        self.send(self.post(&format!("/wxa/msg_sec_check?access_token={token}"), &body)).await
    }

    async fn check_media(&self, changed: Value) -> Value {
        let (token, openid) = (self.token().await, self.alice().await);
        let url = format!("{}/media/picture.png", self.outside_url);
        let mut body = json!({ "media_url": url, "media_type": 2, "version": 2, "scene": 2, "openid": openid });
        change(&mut body, changed);
        self.send(self.post(&format!("/wxa/media_check_async?access_token={token}"), &body)).await
    }

    /// Puts a medium where WeChat finds it, and says where.
    fn put_medium(&self, name: &str, bytes: impl Into<Bytes>) -> String {
        self.outside.media.lock().unwrap().insert(name.to_owned(), bytes.into());
        format!("{}/media/{name}", self.outside_url)
    }

    fn put_picture(&self, colour: [u8; 3]) -> String {
        self.put_medium("picture.png", png(64, 48, colour))
    }

    fn received(&self) -> Vec<Received> {
        self.outside.received.lock().unwrap().clone()
    }

    /// Checks a medium, and waits for what is pushed about it.
    async fn event_about(&self, changed: Value) -> Value {
        let answer = self.check_media(changed).await;
        assert_eq!(answer["errcode"], 0, "{answer}");
        self.simulator.idle().await;
        let event = self.received().last().unwrap().event(&self.app);
        assert_eq!(event["trace_id"], answer["trace_id"]);
        event
    }
}

/// Sets fields, and takes out those that are set to null.
fn change(body: &mut Value, changed: Value) {
    let Value::Object(changed) = changed else { return };
    for (name, value) in changed {
        if value.is_null() {
            body.as_object_mut().unwrap().remove(&name);
        } else {
            body[name] = value;
        }
    }
}

fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    picture(width, height, colour, image::ImageFormat::Png)
}

fn picture(width: u32, height: u32, colour: [u8; 3], format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb(colour)).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}
