//! What a function meets: the embedded engines, a WeChat that answers at once, an owner's backend; and the other functions, by
//! which cases are made ready.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use bytes::Bytes;
use greenlight::aws::AwsSettings;
use greenlight::bucket::Bucket;
use greenlight::domain::clock::Clock;
use greenlight::outbound::Outbound;
use greenlight::table::Table;
use greenlight_local::functions::Functions;
use greenlight_local::stack::{BUCKET, Stack, TABLE};
use jpeg_encoder::{ColorType, Encoder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

/// The mini program.
pub const APP: &str = "wx0000000000000000";
/// The same mini program's server key.
pub const SERVER_KEY: &str = "sk-bench-0123456789abcdef";
/// The secret whose app is told of decisions.
pub const TOLD: &str = "greenlight-told";
/// Where the functions say that they are.
pub const PUBLIC_URL: &str = "https://greenlight.example";
/// What pushes are signed with.
pub const PUSH_TOKEN: &str = "AAAAA";
/// What pushes are sealed with.
pub const PUSH_AES_KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
/// How long ago [`World::past`] is.
const PAST: Duration = Duration::from_secs(10 * 60);

/// All of it.
#[derive(Debug)]
pub struct World {
    /// The engines.
    pub stack: Stack,
    /// WeChat.
    pub wechat: crate::wechat::WeChat,
    /// The owner's backend.
    pub backend: String,
    /// The functions, in this process.
    pub functions: Functions,
    /// The same ten minutes ago.
    pub past: Functions,
    /// The same with an app that is told of decisions.
    pub told: Functions,
    /// The table.
    pub table: Table,
    /// The bucket.
    pub bucket: Bucket,
    /// The table's engine.
    pub dynamodb: aws_sdk_dynamodb::Client,
    settings: HashMap<String, String>,
    made: AtomicU32,
}

/// What a router answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Bytes,
}

impl Answered {
    /// The body as JSON, where the status is `expected`.
    ///
    /// # Errors
    /// When it is another.
    pub fn json(&self, expected: u16) -> Result<Value, Box<dyn Error>> {
        if self.status.as_u16() != expected {
            return Err(
                format!("{} instead of {expected}: {}", self.status, String::from_utf8_lossy(&self.body)).into()
            );
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// What a router answers.
///
/// # Errors
/// When the request is none, or the answer breaks off.
pub async fn ask(
    router: Router,
    request: axum::http::request::Builder,
    body: Body,
) -> Result<Answered, Box<dyn Error>> {
    let answer = router.oneshot(request.body(body)?).await.unwrap_or_else(|never| match never {});
    let status = answer.status();
    Ok(Answered { status, body: axum::body::to_bytes(answer.into_body(), usize::MAX).await? })
}

/// A picture as JPEG: soft shapes with some grain.
#[must_use]
pub fn photo(width: u16, height: u16, is_progressive: bool) -> Vec<u8> {
    let mut state = 1_u32;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let [grain, ..] = state.to_be_bytes();
            let soft = (u32::from(x) / 16 + u32::from(y) / 9) % 200;
            let sample = |shift: u32| u8::try_from((soft + shift) % 240).unwrap_or(0).saturating_add(grain / 24);
            pixels.extend([sample(0), sample(60), sample(120)]);
        }
    }
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_progressive(is_progressive);
    // It fails for pictures without pixels alone.
    let _ = encoder.encode(&pixels, width, height, ColorType::Rgb);
    bytes
}

/// A picture of 16 by 16 pixels of one colour, and some more in which its number can be read: what is uploaded is encoded anew,
/// so that it must differ in what is seen.
#[must_use]
pub fn tiny_picture(colour: [u8; 3], number: u64) -> Vec<u8> {
    let mut pixels = colour.repeat(16 * 24);
    for (bit, pixel) in pixels.chunks_mut(3 * 64).skip(4).flat_map(|rows| rows.chunks_mut(3 * 8)).enumerate() {
        let light = if number >> bit & 1 == 1 { 255 } else { 0 };
        pixel.iter_mut().for_each(|sample| *sample = light);
    }
    let mut bytes = Vec::new();
    let _ = Encoder::new(&mut bytes, 90).encode(&pixels, 16, 24, ColorType::Rgb);
    bytes
}

/// A multipart form with that file in it, and its content type.
#[must_use]
pub fn form(file: &[u8]) -> (String, Vec<u8>) {
    const BOUNDARY: &str = "----bench7MA4YWxkTrZu0gW";
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\n\
         Content-Type: image/jpeg\r\n\r\n"
    );
    let body = [head.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

async fn backend() -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().fallback(async |_: Bytes| StatusCode::NO_CONTENT);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

fn secret(decision_url: Option<&str>) -> String {
    let mut app = json!({
        "platform": "wechat", "app_secret": "0123456789abcdef0123456789abcdef", "push_token": PUSH_TOKEN,
        "push_aes_key": PUSH_AES_KEY, "server_keys": [SERVER_KEY],
    });
    if let (Some(url), Some(app)) = (decision_url, app.as_object_mut()) {
        app.insert("decision_url".to_owned(), json!(url));
        app.insert("decision_key".to_owned(), json!("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"));
    }
    json!({"session_key": "0123456789abcdef0123456789abcdef", "apps": {APP: app}}).to_string()
}

impl World {
    /// Starts everything.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let stack = Stack::start_in_memory().await?;
        let (wechat, backend) = (crate::wechat::WeChat::start().await?, backend().await?);
        let mut settings: HashMap<String, String> =
            stack.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        settings.extend([
            ("GREENLIGHT_WECHAT_URL".to_owned(), wechat.url.clone()),
            ("GREENLIGHT_PUBLIC_URL".to_owned(), PUBLIC_URL.to_owned()),
            ("GREENLIGHT_ALLOW_PRIVATE".to_owned(), "true".to_owned()),
            ("GREENLIGHT_INVOKE_MODE".to_owned(), "buffered".to_owned()),
        ]);
        stack.secrets.set(&settings["GREENLIGHT_SECRET"], &secret(None));
        stack.secrets.set(TOLD, &secret(Some(&backend)));
        let now = Clock::system();
        let past = Clock::by_hand(now.now().minus(PAST));
        let setting = |_: &'static str, name: &str| settings.get(name).cloned();
        let of_told = |_: &'static str, name: &str| {
            if name == "GREENLIGHT_SECRET" { Some(TOLD.to_owned()) } else { settings.get(name).cloned() }
        };
        let functions = Functions::start(&setting, &now).await?;
        let (past, told) = (Functions::start(&setting, &past).await?, Functions::start(&of_told, &now).await?);
        let aws = AwsSettings::from_lookup(&|name| settings.get(name).cloned())?;
        let http = Outbound::new(None)?.aws_client()?;
        functions.refresh_token.run().await;
        let dynamodb = aws.dynamodb(&http);
        Ok(Self {
            table: Table::new(dynamodb.clone(), TABLE),
            bucket: Bucket::new(&aws, &http, BUCKET),
            dynamodb,
            stack,
            wechat,
            backend,
            functions,
            past,
            told,
            settings,
            made: AtomicU32::new(0),
        })
    }

    /// The settings that functions are started with.
    #[must_use]
    pub fn settings(&self) -> HashMap<String, String> {
        self.settings.clone()
    }

    /// Tells of decisions there from now on; a function that runs knows of it after five minutes.
    pub fn tell_at(&self, backend: &str) {
        self.stack.secrets.set(TOLD, &secret(Some(backend)));
    }

    /// A number that was not given before.
    pub fn number(&self) -> u32 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    /// A new author's session.
    ///
    /// # Errors
    /// When none is given.
    pub async fn session(&self) -> Result<String, Box<dyn Error>> {
        let openid = format!("o{:027}", self.number());
        let answer = self.post(&self.functions, "/v1/sessions", SERVER_KEY, &json!({"openid": openid})).await?;
        Ok(answer.json(201)?["token"].as_str().ok_or("no token")?.to_owned())
    }

    /// What the functions answer to JSON.
    ///
    /// # Errors
    /// As [`ask`].
    pub async fn post(
        &self,
        functions: &Functions,
        path: &str,
        key: &str,
        body: &Value,
    ) -> Result<Answered, Box<dyn Error>> {
        let request = Request::post(path).header("authorization", format!("Bearer {key}"));
        ask(functions.router(), request.header("content-type", "application/json"), Body::from(body.to_string())).await
    }

    /// The upload_id of a file.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn uploaded(&self, session: &str, file: &[u8]) -> Result<String, Box<dyn Error>> {
        let (content_type, body) = form(file);
        let request = Request::post("/v1/uploads").header("authorization", format!("Bearer {session}"));
        let request = request.header("content-type", content_type);
        let answer = ask(self.functions.router(), request, Body::from(body)).await?;
        Ok(answer.json(201)?["upload_id"].as_str().ok_or("no upload_id")?.to_owned())
    }

    /// A small picture whose bytes no other has.
    #[must_use]
    pub fn small_picture(&self) -> Vec<u8> {
        let number = self.number();
        let [_, red, green, blue] = number.to_be_bytes();
        tiny_picture([red, green, blue], number.into())
    }

    /// A submission of a picture whose check is under way: its id, the check, and where WeChat downloads the picture.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn checked(&self, session: &str, upload: &str) -> Result<(String, String, String), Box<dyn Error>> {
        let body = json!({"scene": "social_log", "media": [{"upload_id": upload}]});
        let submission = self.post(&self.functions, "/v1/submissions", session, &body).await?.json(201)?;
        let id = submission["id"].as_str().ok_or("no id")?.to_owned();
        let (trace_id, url) = self.wechat.check_of(&id).ok_or("no check")?;
        Ok((id, trace_id, url.trim_start_matches(PUBLIC_URL).to_owned()))
    }

    /// The same, downloaded by WeChat.
    ///
    /// # Errors
    /// When it is not taken or not given.
    pub async fn downloaded(&self) -> Result<(String, String), Box<dyn Error>> {
        let session = self.session().await?;
        let upload = self.uploaded(&session, &self.small_picture()).await?;
        let (id, trace_id, path) = self.checked(&session, &upload).await?;
        let got = ask(self.functions.router(), Request::get(path), Body::empty()).await?;
        if got.status.is_success() {
            Ok((id, trace_id))
        } else {
            Err(format!("WeChat is answered {}", got.status).into())
        }
    }
}
