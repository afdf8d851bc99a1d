//! Takes on what is not ours to the server that the app names, and its answer back to WeChat.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use greenlight::api::problem::Problem;
use greenlight::apps::App;
use greenlight::error::chain;
use greenlight::outbound::Answer;
use greenlight::wechat::push::MAX_PUSH_BYTES;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::ReceivePush;

/// What a push carries that was taken on once: so that two deployments which name each other do not send it to and fro.
pub(crate) const RELAYED: HeaderName = HeaderName::from_static("greenlight-relayed");

/// How long that server may take: what is not there by then WeChat sends again, and it is told so before it hangs up.
const RELAY_WITHIN: Duration = Duration::from_millis(3_900);

/// A push as it was sent.
pub(crate) struct Sent<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) body: Bytes,
}

impl ReceivePush {
    /// Takes a push on, query and body as they came, to where its app names a server for it; nothing where it names none,
    /// or the push was taken on before.
    ///
    /// # Errors
    /// When there is no answer that WeChat could be given: it sends the push again.
    pub(crate) async fn relay(&self, app: &App, sent: Sent<'_>) -> Result<Option<Response>, Problem> {
        let Some(mut url) = app.relay_url.clone() else { return Ok(None) };
        if sent.head.headers.contains_key(RELAYED) {
            return Ok(None);
        }
        url.set_query(sent.head.uri.query());
        let content_type = sent.head.headers.get(CONTENT_TYPE).cloned();
        let hop = (RELAYED, HeaderValue::from_static("1"));
        let headers = HeaderMap::from_iter(content_type.map(|is| (CONTENT_TYPE, is)).into_iter().chain([hop]));
        let limit = MAX_PUSH_BYTES as u64;
        let answer = self.poster.post(url, headers, sent.body, limit, RELAY_WITHIN).await.map_err(|error| {
            let error = chain(&error);
            tracing::error!(event = "push_not_relayed", alarm = "push_relay", app = %app.id, error, "a push did not reach `relay_url`");
            Problem::unavailable()
        })?;
        if answer.status.is_redirection() || answer.status.is_server_error() {
            let status = answer.status.as_u16();
            tracing::error!(event = "push_not_relayed", alarm = "push_relay", app = %app.id, status, "`relay_url` did not take a push");
            return Err(Problem::unavailable());
        }
        Ok(Some(given_back(answer)))
    }
}

/// The answer as WeChat would have got it.
fn given_back(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if let Some(is) = answer.headers.get(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, is.clone());
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
