//! Requests in and answers out, as every function's router reads and writes them.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;

use crate::problem::Problem;

/// Reads a body, and stops reading as soon as it is longer than `limit`.
///
/// # Errors
/// 413 when it is too long; 400 when it breaks off.
pub async fn read_body<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let too_large = || Problem::too_large(u64::try_from(limit).unwrap_or(u64::MAX));
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "incomplete_request",
            "请求没有传完。",
            "The request broke off before its end.",
        )),
    }
}

/// An answer in JSON that nobody keeps. It ends its line, for who reads it in a shell.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<String> {
    let mut response = Response::new(serde_json::to_string(body).unwrap_or_default() + "\n");
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The values of a query by name; the first of a name counts, and what is not UTF-8 is left out.
pub fn query(raw: Option<&str>) -> Vec<(String, String)> {
    // The URL parser that reqwest brings decodes a query as browsers write it.
    let url = reqwest::Url::parse(&format!("http://query/?{}", raw.unwrap_or_default()));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}
