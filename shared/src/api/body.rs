//! What comes in with a request: its body, within a limit, and its query.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::Problem;

/// Reads a body, and stops reading as soon as it is longer than `limit` (413).
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

/// The values of a query by name; the first of a name counts, and what is not UTF-8 is left out.
pub fn query(raw: Option<&str>) -> Vec<(String, String)> {
    // A query is decoded as browsers write it.
    let url = url::Url::parse(&format!("http://query/?{}", raw.unwrap_or_default()));
    url.map(|url| url.query_pairs().into_owned().collect()).unwrap_or_default()
}
