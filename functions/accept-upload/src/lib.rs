//! Pictures and sound in: uploads made safe and immutable.

mod by_url;
mod image_checks;
pub mod make_safe;
pub mod multipart;
pub mod picture;
mod uploads;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::post;
use greenlight::api::base_path;
use greenlight::api::respond::{method_not_allowed, not_found};
use greenlight::bucket::Bucket;
use greenlight::domain::author::Rates;
use greenlight::domain::clock::Clock;
use greenlight::domain::media::MAX_MEDIUM_BYTES;
use greenlight::moderation::ask::AUTHOR_WAITS;
use greenlight::moderation::wechat_access::WeChatAccess;
use greenlight::outbound::Fetcher;
use greenlight::secrets::Secrets;
use greenlight::settings::{InvokeMode, Lookup, optional_url};
use greenlight::start::{Start, StartError};
use greenlight::table::Table;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// How our paths begin, whatever stands before them.
pub const HEADS: [&str; 2] = ["/v1/checks/image", "/v1/uploads"];

/// What goes in and out in base64 within 6 MB. (AWS Lambda: quotas, request and response payload.)
const BUFFERED_BYTES: u64 = 4 * 1024 * 1024;

/// What all decodings at a time may take, in MiB. On Lambda there is one at a time; one machine has many.
const DECODING_MIB: usize = 512;

/// How long fetching what a URL names may take: the function has 30 seconds, and up to 15 of them may go into putting it.
const FETCHES_WITHIN: Duration = Duration::from_secs(10);

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct AcceptUpload {
    /// Tokens and quotas.
    pub access: WeChatAccess,
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
    /// The largest medium that serve-media can give back.
    pub largest: u64,
    /// How long an author waits for WeChat.
    pub author_waits: Duration,
    /// What fetches media by URL.
    pub fetcher: Fetcher,
    /// What decoding pictures may take at a time, in MiB.
    pub memory: Arc<Semaphore>,
}

impl AcceptUpload {
    /// Reads the settings, reads the secret, and opens the connection to the table.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let (table, bucket) = (start.table()?, start.bucket()?);
        let access = start.wechat_access(&table)?;
        let bucket = bucket.with_forms_at(optional_url(lookup, "GREENLIGHT_FORMS_URL")?);
        let largest = match InvokeMode::from_lookup(lookup)? {
            InvokeMode::ResponseStream => MAX_MEDIUM_BYTES,
            InvokeMode::Buffered => BUFFERED_BYTES,
        };
        let fetcher = start.fetcher(FETCHES_WITHIN)?;
        let memory = Arc::new(Semaphore::new(DECODING_MIB));
        let (secrets, connected) = tokio::join!(start.secrets(), table.connect(1));
        connected?;
        let (secrets, clock, rates) = (secrets?, start.clock(), Rates::default());
        let author_waits = AUTHOR_WAITS;
        Ok(Self { access, table, bucket, secrets, clock, rates, largest, author_waits, fetcher, memory })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/v1/checks/image", post(image_checks::check))
            .route("/v1/uploads", post(uploads::upload))
            .route("/v1/uploads/{upload_id}", post(uploads::complete))
            .fallback(async |request: Request| not_found::<Body>(request.headers()))
            .method_not_allowed_fallback(async |request: Request| method_not_allowed::<Body>(request.headers()))
            .with_state(Arc::new(self));
        Router::new().fallback_service(routes.map_request(|mut request: Request| {
            base_path::cut_before_first(request.uri_mut(), &HEADS);
            request
        }))
    }
}
