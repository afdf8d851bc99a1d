//! Pictures and sound in: uploads made safe and immutable.

pub mod make_safe;
mod multipart;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use greenlight::author::Rates;
use greenlight::bucket::{Bucket, MAX_MEDIUM_BYTES};
use greenlight::clock::Clock;
use greenlight::problem::{Language, Problem};
use greenlight::secrets::Secrets;
use greenlight::settings::{Door, Lookup};
use greenlight::start::{Start, StartError};
use greenlight::table::Table;
use http::HeaderMap;

/// What goes through a buffered door in base64 within 6 MB. (AWS Lambda: quotas, request and response payload.)
const BUFFERED_BYTES: u64 = 4 * 1024 * 1024;

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct AcceptUpload {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub bucket: Bucket,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// How much an author may do.
    pub rates: Rates,
    /// The largest medium that serve-media's door can give back.
    pub largest: u64,
}

impl AcceptUpload {
    /// Reads the settings, reads the secret, and opens the connection to the table.
    ///
    /// # Errors
    /// When a setting, the secret or the table cannot be used.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let table = start.table()?;
        let largest = match Door::from_lookup(lookup)? {
            Door::Stream => MAX_MEDIUM_BYTES,
            Door::Buffered => BUFFERED_BYTES,
        };
        let (secrets, connected) = tokio::join!(start.secrets(), table.connect());
        connected?;
        Ok(Self {
            table,
            bucket: start.bucket()?,
            secrets: secrets?,
            clock: start.clock(),
            rates: Rates::default(),
            largest,
        })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let unknown = |request: Request| async move { answer(request.headers(), Err(Problem::not_found())) };
        let wrong_method =
            |request: Request| async move { answer(request.headers(), Err(Problem::method_not_allowed())) };
        Router::new()
            .route("/v1/uploads", post(uploads::upload))
            .route("/v1/uploads/{upload_id}", post(uploads::complete))
            .fallback(unknown)
            .method_not_allowed_fallback(wrong_method)
            .with_state(Arc::new(self))
    }
}

/// What a handler answers, before it is an answer of the router's.
type Reply = Result<http::Response<String>, Problem>;

/// The answer, in the language that the request asks for.
fn answer(headers: &HeaderMap, reply: Reply) -> Response {
    reply.unwrap_or_else(|problem| problem.into_http(Language::of(headers))).map(Body::from)
}
