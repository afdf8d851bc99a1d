//! The API for mini program and owner: sessions, submissions, text checks, reviews.

mod decisions;
mod feed;
mod moderators;
mod paging;
mod request;
mod sessions;
mod submissions;
mod text_checks;
mod view;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::routing::{get, post};
use greenlight::api::base_path;
use greenlight::api::respond::{method_not_allowed, not_found};
use greenlight::bucket::Bucket;
use greenlight::domain::author::Rates;
use greenlight::domain::base_url::BaseUrl;
use greenlight::domain::clock::Clock;
use greenlight::moderation::ask::{AUTHOR_WAITS, Checker};
use greenlight::secrets::Secrets;
use greenlight::settings::{Lookup, optional_url};
use greenlight::start::{Start, StartError};
use http::header::CONTENT_TYPE;
use tower::ServiceExt;

/// How our paths begin, whatever stands before them.
pub const HEADS: [&str; 9] = [
    "/v1/openapi.json",
    "/v1/tellings",
    "/v1/sessions",
    "/v1/submissions",
    "/v1/channels",
    "/v1/checks/text",
    "/v1/reviews",
    "/v1/bans",
    "/v1/moderators",
];

/// Every call of all functions, as OpenAPI 3.1. The tests hold each answer against it.
pub const OPENAPI: &str = include_str!("../openapi.json");

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct SubmitContent {
    /// Table and WeChat.
    pub checker: Checker,
    /// The bucket.
    pub bucket: Bucket,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// Where moderators reach serve-console, if there is one.
    pub console_url: Option<BaseUrl>,
    /// How much an author may do.
    pub rates: Rates,
    /// How long an author waits for WeChat.
    pub author_waits: Duration,
}

impl SubmitContent {
    /// Reads the settings, reads the secret, and opens the connections to the table and to WeChat.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let checker = start.checker()?;
        let bucket = start.bucket()?;
        let wechat = checker.access.wechat();
        let (secrets, table, ()) = tokio::join!(start.secrets(), checker.table.connect(1), wechat.connect());
        table?;
        let (secrets, clock) = (secrets?, start.clock());
        let console_url = optional_url(lookup, "GREENLIGHT_CONSOLE_URL")?;
        Ok(Self { checker, bucket, secrets, clock, console_url, rates: Rates::default(), author_waits: AUTHOR_WAITS })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/v1/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], OPENAPI)))
            .route("/v1/sessions", post(sessions::open))
            .route("/v1/submissions", post(submissions::create).get(submissions::list))
            .route("/v1/submissions/{id}", get(submissions::read).delete(submissions::withdraw))
            .route("/v1/submissions/{id}/decisions", post(decisions::decide))
            .route("/v1/channels/{channel}/submissions", get(feed::list))
            .route("/v1/checks/text", post(text_checks::check))
            .route("/v1/reviews", get(decisions::reviews))
            .route("/v1/bans", post(decisions::ban))
            .route("/v1/moderators/links", post(moderators::make_link))
            .route("/v1/moderators/revocations", post(moderators::revoke))
            .route("/v1/tellings/retries", post(decisions::tell_again))
            .fallback(async |request: Request| not_found::<axum::body::Body>(request.headers()))
            .method_not_allowed_fallback(async |request: Request| {
                method_not_allowed::<axum::body::Body>(request.headers())
            })
            .with_state(Arc::new(self));
        Router::new().fallback_service(routes.map_request(|mut request: Request| {
            base_path::cut_before_first(request.uri_mut(), &HEADS);
            request
        }))
    }
}
