//! One call to WeChat, as it came in.

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;

use super::api::{Api, Refusal};

pub(crate) struct Call {
    pub(crate) api: Api,
    pub(crate) body: Bytes,
    pub(crate) content_type: Option<String>,
    pub(crate) method: Method,
    pub(crate) query: Vec<(String, String)>,
}

impl Call {
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON: 44002 if there is none, 47001 if it is not what it should be.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() {
            return Err(Refusal::of(44002));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::of(47001))
    }

    /// 43001 or 43002 for the wrong method.
    pub(crate) fn check_method(&self) -> Result<(), Refusal> {
        match (self.api.is_read(), &self.method) {
            (true, &Method::GET) | (false, &Method::POST) => Ok(()),
            (true, _) => Err(Refusal::of(43001)),
            (false, _) => Err(Refusal::of(43002)),
        }
    }
}

/// The parameters of a query, decoded.
pub(crate) fn pairs(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else { return Vec::new() };
    url.set_query(Some(query));
    url.query_pairs().into_owned().collect()
}
