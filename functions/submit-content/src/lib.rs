//! The API for mini program and owner: sessions, submissions, text checks, reviews.

mod decisions;
mod feed;
mod reply;
mod sessions;
mod submissions;
mod text_checks;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use greenlight::author::Rates;
use greenlight::checks::Checks;
use greenlight::clock::Clock;
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct SubmitContent {
    /// Table, bucket and WeChat.
    pub checks: Checks,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// How much an author may do.
    pub rates: Rates,
    /// How long an author waits for WeChat.
    pub author_waits: std::time::Duration,
}

impl SubmitContent {
    /// Reads the settings, reads the secret, and opens the connection to the table.
    ///
    /// # Errors
    /// When a setting, the secret or the table cannot be used.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let checks = start.checks()?;
        let (secrets, connected) = tokio::join!(start.secrets(), checks.table.connect());
        connected?;
        Ok(Self {
            checks,
            secrets: secrets?,
            clock: start.clock(),
            rates: Rates::default(),
            author_waits: greenlight::checks::AUTHOR_WAITS,
        })
    }

    /// The routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/sessions", post(sessions::open))
            .route("/v1/submissions", post(submissions::create).get(submissions::list))
            .route("/v1/submissions/{id}", get(submissions::read).delete(submissions::withdraw))
            .route("/v1/submissions/{id}/decisions", post(decisions::decide))
            .route("/v1/channels/{channel}/submissions", get(feed::list))
            .route("/v1/checks/text", post(text_checks::check))
            .route("/v1/reviews", get(decisions::reviews))
            .route("/v1/bans", post(decisions::ban))
            .fallback(reply::not_found)
            .method_not_allowed_fallback(reply::method_not_allowed)
            .with_state(Arc::new(self))
    }
}
