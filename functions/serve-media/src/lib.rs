//! What WeChat downloads, and what readers see: each medium to whom it is for, and nothing else.

mod proof;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use greenlight::api::base_path;
use greenlight::api::problem::Problem;
use greenlight::api::range::{Range, one_range};
use greenlight::api::respond::{method_not_allowed, not_found, respond};
use greenlight::bucket::{Bucket, BucketError, media_key};
use greenlight::domain::clock::Clock;
use greenlight::domain::media_path::{self, MediaPath};
use greenlight::domain::submission::{Medium, Submission};
use greenlight::error::{Cause, chain};
use greenlight::moderation::fetch::{Reading, note_fetched};
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::table::{Consistency, Table};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tower::ServiceExt;

/// How our paths begin, whatever stands before them.
pub const HEAD: &str = "/media/";

/// How long anyone may keep an approved medium before its state is read again, in a `Cache-Control`.
const PUBLIC: &str = "public, max-age=300";
const NO_STORE: &str = "no-store";

/// Who reads a medium, by the path that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Everyone,
    Author,
    /// WeChat, for the check that is this attempt.
    WeChat {
        attempt: usize,
    },
}

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct ServeMedia {
    /// The table.
    pub table: Table,
    /// The bucket.
    pub bucket: Bucket,
    /// The clock.
    pub clock: Clock,
}

impl ServeMedia {
    /// Reads the settings, and opens the connection to the table. The secrets of the URLs stand in the table, so there is
    /// no secret to read.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let table = start.table()?;
        table.connect(1).await?;
        Ok(Self { table, bucket: start.bucket()?, clock: start.clock() })
    }

    /// The routes.
    pub fn router(self) -> Router {
        let routes = Router::new()
            .route("/media/{*path}", get(serve).head(serve))
            .fallback(async |request: Request| not_found::<Body>(request.headers()))
            .method_not_allowed_fallback(async |request: Request| method_not_allowed::<Body>(request.headers()))
            .with_state(Arc::new(self));
        Router::new().fallback_service(routes.map_request(|mut request: Request| {
            base_path::cut_before_last(request.uri_mut(), HEAD);
            request
        }))
    }

    /// The medium that a path leads to, and for whom. Whatever does not fit looks like nothing at all.
    async fn find(&self, path: &str) -> Result<(Submission, MediaPath, Reader), Problem> {
        let path = media_path::parse(path).ok_or_else(Problem::not_found)?;
        // The newest state: what was withdrawn a moment ago is shown to nobody.
        let submission = self.table.submission(&path.submission, Consistency::Strong).await?;
        let submission = submission.ok_or_else(Problem::not_found)?;
        let reader = match &path.secret {
            None => submission.everyone_may_read().then_some(Reader::Everyone),
            Some(secret) => {
                let for_wechat = submission.wechat_may_read(path.index, secret, self.clock.now());
                let for_author = submission.author_may_read(path.index, secret).then_some(Reader::Author);
                for_wechat.map(|attempt| Reader::WeChat { attempt }).or(for_author)
            }
        };
        Ok((submission, path, reader.ok_or_else(Problem::not_found)?))
    }

    async fn serve(&self, method: &Method, headers: &HeaderMap, path: &str) -> Result<Response, Problem> {
        let (submission, path, reader) = self.find(path).await?;
        let medium = submission.media.get(usize::from(path.index)).filter(|own| own.media_type == path.media_type);
        let medium = medium.ok_or_else(Problem::not_found)?;
        let etag = format!("\"{}\"", medium.sha256);
        let mut response = Response::new(Body::empty());
        describe(response.headers_mut(), medium, &etag, reader);
        // WeChat is given the bytes for each check: what it kept of another is no proof for this one.
        if !matches!(reader, Reader::WeChat { .. }) && is_known(headers, &etag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().remove(CONTENT_LENGTH);
            return Ok(response);
        }
        if method == Method::HEAD {
            return Ok(response);
        }
        let (asked, first, last) = match one_range(headers, medium.size) {
            Range::Whole => (None, 0, medium.size.saturating_sub(1)),
            Range::Part(first, last) => (Some(format!("bytes={first}-{last}")), first, last),
            Range::Unsatisfiable => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", medium.size));
                set(response.headers_mut(), CONTENT_LENGTH, "0");
                return Ok(response);
            }
        };
        let key = media_key(&submission.id, usize::from(path.index), medium);
        let is_part = asked.is_some();
        let stream = self.bucket.read(&key, asked).await.map_err(|error| match error {
            // The bytes were just erased.
            BucketError::Absent => Problem::not_found(),
            error => error.into(),
        })?;
        if is_part {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes {first}-{last}/{}", medium.size));
        }
        set(response.headers_mut(), CONTENT_LENGTH, &stream.length.to_string());
        *response.body_mut() = match reader {
            Reader::WeChat { attempt } => {
                let reading = Reading { medium: path.index, attempt, first, last };
                let length = last.saturating_sub(first).saturating_add(1);
                proof::body(stream.bytes, length, self.clone().note(submission, reading))
            }
            Reader::Everyone | Reader::Author => Body::new(stream.bytes.into_inner()),
        };
        Ok(response)
    }

    /// Notes what WeChat is given, before it has the last of it.
    async fn note(self, submission: Submission, reading: Reading) -> Result<(), Cause> {
        let id = submission.id.clone();
        note_fetched(&self.table, &self.clock, submission, reading).await.map_err(|error| {
            let (medium, error_chain) = (reading.medium, chain(&error));
            tracing::warn!(event = "fetch_not_noted", submission = %id, medium, error = error_chain, "that WeChat reads a medium could not be noted, so it is broken off");
            error.into()
        })
    }
}

/// Reads an answer whole before it goes out, for a door that takes only whole ones: what breaks off is an answer that says
/// so, and nobody gets a part of it.
pub async fn whole(response: Response) -> Response {
    let (head, body) = response.into_parts();
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(head, Body::from(bytes)),
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(event = "medium_broke_off", error, "a medium could not be read to its end");
            respond(&HeaderMap::new(), Err::<Response, _>(Problem::unavailable()))
        }
    }
}

/// Whether the client has this already.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|tag| ["*", etag].contains(&tag.trim().trim_start_matches("W/")))
}

fn set(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn describe(headers: &mut HeaderMap, medium: &Medium, etag: &str, reader: Reader) {
    set(headers, CONTENT_TYPE, medium.media_type.content_type());
    set(headers, CONTENT_LENGTH, &medium.size.to_string());
    set(headers, ETAG, etag);
    set(headers, CACHE_CONTROL, if reader == Reader::Everyone { PUBLIC } else { NO_STORE });
    set(headers, ACCEPT_RANGES, "bytes");
    // Bytes from a stranger: a browser takes them for what we say they are, and runs nothing in them.
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(headers, CONTENT_DISPOSITION, "inline");
}

async fn serve(
    State(function): State<Arc<ServeMedia>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    // A path that is no UTF-8 leads nowhere.
    let path = path.map(|Path(path)| path).unwrap_or_default();
    let (head, _) = request.into_parts();
    respond(&head.headers, function.serve(&head.method, &head.headers, &path).await)
}
