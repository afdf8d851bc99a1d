//! Posts to a server that an owner names, and brings back what it answers: in time, to public addresses alone.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::{Response, Url};

use super::reach::{Reach, ReachError, failed, look_up, read};
use super::{Outbound, OutboundError};

/// Posts to what an owner's settings name. A redirect is an answer, and not followed: what is posted is for that server.
#[derive(Clone, Debug)]
pub struct Poster {
    client: reqwest::Client,
    reach: Reach,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status, whatever it is.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Poster {
    /// A poster over this process's TLS configuration. `allow_private` lets it go anywhere, at any port, by http too: for
    /// one machine, local runs and tests.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(outbound: &Outbound, allow_private: bool) -> Result<Self, OutboundError> {
        let reach = Reach::new(allow_private);
        Ok(Self { client: reach.client(outbound, look_up)?, reach })
    }

    /// Posts `body`, and reads up to `limit` bytes of the answer, all within that time.
    ///
    /// # Errors
    /// When nothing may be posted there, or there is no answer, no whole one in time, or one that is too large.
    pub async fn post(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
        limit: u64,
        within: Duration,
    ) -> Result<Answer, ReachError> {
        let posted = async {
            let mut response = self.send(url, headers, body).await?;
            let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
            Ok(Answer { status, headers, body: read(response, limit).await? })
        };
        tokio::time::timeout(within, posted).await.unwrap_or(Err(ReachError::Slow))
    }

    /// Posts `body` within that time, and wants to know no more than the status of the answer.
    ///
    /// # Errors
    /// When nothing may be posted there, or there is no answer in time.
    pub async fn tell(
        &self,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
        within: Duration,
    ) -> Result<StatusCode, ReachError> {
        let told = async { Ok(self.send(url, headers, body).await?.status()) };
        tokio::time::timeout(within, told).await.unwrap_or(Err(ReachError::Slow))
    }

    async fn send(&self, url: Url, headers: HeaderMap, body: Bytes) -> Result<Response, ReachError> {
        self.reach.allows(&url)?;
        self.client.post(url).headers(headers).body(body).send().await.map_err(failed)
    }
}
