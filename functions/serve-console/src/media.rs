//! Pictures and sound for moderators: to whoever is let in, of their own app, kept by nobody.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::api::range::{Range, one_range};
use greenlight::bucket::{BucketError, media_key, preview_key};
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::media::{MediaType, PREVIEW_BYTES};
use greenlight::domain::submission::Medium;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::ServeConsole;
use crate::answer::answer;
use crate::deeds::find;
use crate::visit::{Door, Visit};

/// The most that one answer holds: Lambda's holds 6 MB of base64. Players ask for the rest of a sound by themselves.
const MOST: u64 = 4_000_000;

type InPath = Result<Path<(String, String)>, PathRejection>;

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// What a moderator may look at, and where its bytes lie.
pub(crate) struct Shown {
    pub(crate) medium: Medium,
    pub(crate) key: String,
}

async fn find_medium(console: &ServeConsole, path: InPath, head: &Parts) -> Result<Shown, Problem> {
    let visit = Visit::of(console, head).await?;
    let Path((id, index)) = path.map_err(|_| Problem::not_found())?;
    let id = SubmissionId::parse(&id).map_err(|_| Problem::not_found())?;
    let index: usize = index.parse().map_err(|_| Problem::not_found())?;
    let submission = find(console, &visit, &id).await?;
    let medium = submission.media.get(index).filter(|_| !submission.is_erased()).ok_or_else(Problem::not_found)?;
    Ok(Shown { key: media_key(&submission.id, index, medium), medium: medium.clone() })
}

fn describe(headers: &mut HeaderMap, media_type: MediaType) {
    set(headers, CONTENT_TYPE, media_type.content_type());
    set(headers, CACHE_CONTROL, "private, no-store");
    // Bytes from a stranger: a browser takes them for what we say they are, and runs nothing in them.
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(headers, CONTENT_DISPOSITION, "inline");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
}

/// A picture small, where there is a preview; what is small itself, and what is older than previews, whole.
async fn serve_preview(console: &ServeConsole, path: InPath, head: &Parts) -> Result<Response, Problem> {
    let shown = find_medium(console, path, head).await?;
    if shown.medium.has_preview() {
        match console.bucket.read_whole(&preview_key(&shown.key), PREVIEW_BYTES).await {
            Ok(bytes) => {
                let mut response = Response::new(Body::from(bytes));
                describe(response.headers_mut(), MediaType::Jpeg);
                return Ok(response);
            }
            Err(BucketError::Absent) => {}
            Err(error) => return Err(error.into()),
        }
    }
    serve_whole(console, &shown, &head.headers).await
}

/// A medium, or the part of it that the headers ask for.
pub(crate) async fn serve_whole(
    console: &ServeConsole,
    shown: &Shown,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let medium = &shown.medium;
    let mut response = Response::new(Body::empty());
    describe(response.headers_mut(), medium.media_type);
    set(response.headers_mut(), ACCEPT_RANGES, "bytes");
    let (first, last) = match one_range(headers, medium.size) {
        Range::Whole => (0, medium.size.saturating_sub(1)),
        Range::Part(first, last) => (first, last),
        Range::Unsatisfiable => {
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", medium.size));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(response);
        }
    };
    let last = last.min(first.saturating_add(MOST - 1));
    let is_part = (first, last) != (0, medium.size.saturating_sub(1)) || headers.contains_key(http::header::RANGE);
    let range = is_part.then(|| format!("bytes={first}-{last}"));
    let read = console.bucket.read(&shown.key, range).await;
    let stream = read.map_err(|error| match error {
        // The bytes were just erased.
        BucketError::Absent => Problem::not_found(),
        error => error.into(),
    })?;
    let bytes = stream.bytes.collect().await.map_err(|error| {
        let error = greenlight::error::chain(&error);
        tracing::warn!(event = "medium_broke_off", error, "a medium could not be read to its end");
        Problem::unavailable()
    })?;
    let bytes = bytes.into_bytes();
    set(response.headers_mut(), CONTENT_LENGTH, &bytes.len().to_string());
    if is_part {
        set(response.headers_mut(), CONTENT_RANGE, &format!("bytes {first}-{last}/{}", medium.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.body_mut() = Body::from(bytes);
    Ok(response)
}

pub(crate) async fn whole(State(console): State<Arc<ServeConsole>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async { serve_whole(&console, &find_medium(&console, path, &head).await?, &head.headers).await };
    answer(&Door::of(&console, &head), reply.await)
}

pub(crate) async fn preview(State(console): State<Arc<ServeConsole>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    answer(&Door::of(&console, &head), serve_preview(&console, path, &head).await)
}
