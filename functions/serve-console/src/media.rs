//! Pictures and sound for moderators: to whoever is let in, of their own app, kept by nobody.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::api::range::{Range, one_range};
use greenlight::bucket::{BucketError, media_key};
use greenlight::domain::ids::SubmissionId;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
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

async fn serve(console: &ServeConsole, path: InPath, head: &http::request::Parts) -> Result<Response, Problem> {
    let visit = Visit::of(console, head).await?;
    let Path((id, index)) = path.map_err(|_| Problem::not_found())?;
    let id = SubmissionId::parse(&id).map_err(|_| Problem::not_found())?;
    let index: usize = index.parse().map_err(|_| Problem::not_found())?;
    let submission = find(console, &visit, &id).await?;
    let medium = submission.media.get(index).filter(|_| !submission.is_erased()).ok_or_else(Problem::not_found)?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    set(headers, CONTENT_TYPE, medium.media_type.content_type());
    set(headers, CACHE_CONTROL, "private, no-store");
    set(headers, ACCEPT_RANGES, "bytes");
    // Bytes from a stranger: a browser takes them for what we say they are, and runs nothing in them.
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox");
    set(headers, CONTENT_DISPOSITION, "inline");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    let (first, last) = match one_range(&head.headers, medium.size) {
        Range::Whole => (0, medium.size.saturating_sub(1)),
        Range::Part(first, last) => (first, last),
        Range::Unsatisfiable => {
            set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{}", medium.size));
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return Ok(response);
        }
    };
    let last = last.min(first.saturating_add(MOST - 1));
    let is_part = (first, last) != (0, medium.size.saturating_sub(1)) || head.headers.contains_key(http::header::RANGE);
    let range = is_part.then(|| format!("bytes={first}-{last}"));
    let read = console.bucket.read(&media_key(&submission.id, index, medium), range).await;
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
    answer(&Door::of(&console, &head), serve(&console, path, &head).await)
}
