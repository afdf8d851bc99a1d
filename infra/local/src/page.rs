//! The page at `/` that shows it all: an author's phone, a reader's, the moderator's queue, and the simulator's switches.
//!
//! It stands before the functions' own routes, on a run that simulates WeChat and that only this machine reaches. The
//! browser never has the server key: what the moderator does goes through here. Another site's page gets nowhere, for it
//! can neither send our header without being asked for leave, nor come by a name of its own that leads here.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use greenlight::domain::ids::AppId;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;
use url::{Host, Url};

use crate::simulator::{REVIEW_WORDS, RISKY_WORDS};

const INDEX: &str = include_str!("../page/index.html");
/// What the page consists of besides; one file is the client of every mini program, as it is.
const FILES: [(&str, &str, &str); 12] = [
    ("composer.js", SCRIPT, include_str!("../page/composer.js")),
    ("greenlight.js", SCRIPT, include_str!("../../../functions/submit-content/client/greenlight.js")),
    ("icon.svg", "image/svg+xml", include_str!("../page/icon.svg")),
    ("language.js", SCRIPT, include_str!("../page/language.js")),
    ("moods.js", SCRIPT, include_str!("../page/moods.js")),
    ("page.css", "text/css; charset=utf-8", include_str!("../page/page.css")),
    ("page.js", SCRIPT, include_str!("../page/page.js")),
    ("server.js", SCRIPT, include_str!("../page/server.js")),
    ("show.js", SCRIPT, include_str!("../page/show.js")),
    ("story.js", SCRIPT, include_str!("../page/story.js")),
    ("words.js", SCRIPT, include_str!("../page/words.js")),
    ("wx.js", SCRIPT, include_str!("../page/wx.js")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";
/// What the page sends with each request to the moderator's side and to the simulator.
const OURS: HeaderName = HeaderName::from_static("greenlight-page");
const OWNER: &str = "/page/owner";
const WECHAT: &str = "/page/wechat";
const CONTROL: &str = "/simulator";
/// The largest body that is passed on.
const LARGEST: usize = 1 << 20;

/// What the page shows, and what it needs for that.
#[derive(Clone, Debug)]
pub struct Page {
    /// The app that it is about.
    pub app: AppId,
    /// What the moderator calls with.
    pub server_key: HeaderValue,
    /// Where media are reached.
    pub public_url: Url,
    /// Where the simulator is.
    pub simulator: Url,
    /// What goes to the simulator.
    pub http: reqwest::Client,
}

#[derive(Debug)]
struct Shown {
    page: Page,
    policy: HeaderValue,
    functions: Router,
}

impl Page {
    /// The page, and everything else at `functions`.
    ///
    /// # Errors
    /// When the public URL cannot stand in a header.
    pub fn before(self, functions: Router) -> Result<Router, header::InvalidHeaderValue> {
        let origin = self.public_url.origin().ascii_serialization();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: {origin}; \
             form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
        );
        let shown = Shown { page: self, policy: HeaderValue::from_str(&policy)?, functions: functions.clone() };
        let page = Router::new()
            .route("/", get(async |State(shown): State<Arc<Shown>>| shown.file("text/html; charset=utf-8", INDEX)))
            .route("/page/run.json", get(async |State(shown): State<Arc<Shown>>| shown.run()))
            .route("/page/{file}", get(file))
            .route("/page/owner/{*path}", any(as_owner))
            .route("/page/wechat/{*path}", any(to_simulator))
            .with_state(Arc::new(shown));
        Ok(Router::new().fallback_service(tower::service_fn(move |request: Request| {
            let path = request.uri().path();
            let is_page = (path == "/" || path.starts_with("/page/")) && is_by_this_machines_name(request.headers());
            if is_page { page.clone().oneshot(request) } else { functions.clone().oneshot(request) }
        })))
    }
}

/// A name that leads here from elsewhere is not ours, whatever address it stands for.
fn is_by_this_machines_name(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let url = host.and_then(|host| Url::parse(&format!("http://{host}/")).ok());
    match url.as_ref().and_then(Url::host) {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

impl Shown {
    fn file(&self, media_type: &'static str, text: impl Into<Body>) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
            (header::CONTENT_SECURITY_POLICY, self.policy.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        (headers, text.into()).into_response()
    }

    fn run(&self) -> Response {
        let run: Value = json!({
            "app_id": self.page.app.as_str(), "version": env!("CARGO_PKG_VERSION"),
            "risky_words": RISKY_WORDS, "review_words": REVIEW_WORDS,
        });
        self.file("application/json", run.to_string())
    }
}

async fn file(State(shown): State<Arc<Shown>>, Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, media_type, text)) => shown.file(media_type, *text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What stands behind `prefix`, with the query.
fn behind(uri: &Uri, prefix: &str) -> Option<PathAndQuery> {
    uri.path_and_query()?.as_str().strip_prefix(prefix)?.parse().ok()
}

async fn as_owner(State(shown): State<Arc<Shown>>, mut request: Request) -> Response {
    let Some(path) = behind(request.uri(), OWNER).filter(|_| request.headers().contains_key(OURS)) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    *request.uri_mut() = Uri::from(path);
    // What axum has found in our path is not to be taken for what stands in theirs.
    request.extensions_mut().clear();
    request.headers_mut().insert(header::AUTHORIZATION, shown.page.server_key.clone());
    shown.functions.clone().oneshot(request).await.into_response()
}

async fn to_simulator(State(shown): State<Arc<Shown>>, request: Request) -> Response {
    let url = behind(request.uri(), WECHAT).and_then(|path| shown.page.simulator.join(path.as_str()).ok());
    // Its control alone, whatever dots the path had in it: not what it does in WeChat's place.
    let url = url.filter(|url| url.path() == CONTROL || url.path().starts_with(&format!("{CONTROL}/")));
    let Some(url) = url.filter(|_| request.headers().contains_key(OURS)) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    let answer = match shown.page.http.request(head.method, url).body(body).send().await {
        Ok(answer) => answer,
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    let (status, media_type) = (answer.status(), answer.headers().get(header::CONTENT_TYPE).cloned());
    let Ok(body) = answer.bytes().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let mut response = (status, body).into_response();
    if let Some(media_type) = media_type {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    response
}
