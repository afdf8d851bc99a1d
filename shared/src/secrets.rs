//! The secret as a process holds it: read at the start, kept five minutes, read again when something does not fit.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use crate::apps::{Apps, BadField, BadSecret};
use crate::domain::clock::{Clock, Timestamp};
use crate::error::{Cause, chain};

/// How long the secret is taken to be what it was.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// The secret is read again at most this often, whatever came of the last try.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How long a request waits for the secret that it could also serve without. WeChat waits five seconds for all of it.
const READ_WITHIN: Duration = Duration::from_secs(1);

/// The secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("GREENLIGHT_SECRET cannot be read")]
    Unavailable(#[source] Cause),
    /// Secrets Manager took too long.
    #[error("GREENLIGHT_SECRET was not read within {READ_WITHIN:?}")]
    Slow,
    /// It is not a text.
    #[error("GREENLIGHT_SECRET holds no string")]
    NoString,
    /// It is not what it should be.
    #[error("GREENLIGHT_SECRET: {0}")]
    Bad(#[from] BadSecret),
}

/// The secret, read again when it is old, or names no app yet.
#[derive(Clone, Debug)]
pub struct Secrets {
    client: Client,
    id: String,
    clock: Clock,
    held: Arc<RwLock<Held>>,
}

#[derive(Debug)]
struct Held {
    apps: Arc<Apps>,
    read_at: Timestamp,
    tried_at: Timestamp,
}

async fn read(client: &Client, id: &str) -> Result<Apps, SecretError> {
    let answer = client.get_secret_value().secret_id(id).send().await;
    let answer = answer.map_err(|error| SecretError::Unavailable(error.into_service_error().into()))?;
    let json: SecretString = answer.secret_string.ok_or(SecretError::NoString)?.into();
    let apps = Apps::parse(&json)?;
    for fault in apps.faults() {
        let BadField { field, reason } = fault;
        tracing::error!(event = "app_switched_off", alarm = "secret", field, reason, "the secret is wrong for an app");
    }
    if apps.is_empty() {
        tracing::warn!(event = "no_app", "the secret names no app; infra/add-app.mjs adds one");
    }
    Ok(apps)
}

impl Secrets {
    /// Reads the secret `id`. Without it nothing can work, so the start should end with its error.
    pub async fn open(client: Client, id: impl Into<String>, clock: Clock) -> Result<Self, SecretError> {
        let id = id.into();
        let apps = Arc::new(read(&client, &id).await?);
        let now = clock.now();
        let held = Arc::new(RwLock::new(Held { apps, read_at: now, tried_at: now }));
        Ok(Self { client, id, clock, held })
    }

    /// The apps, not older than five minutes if Secrets Manager answers; else as they were.
    pub async fn apps(&self) -> Arc<Apps> {
        let (apps, read_at) = self.held();
        // Whoever has just added the first app need not wait.
        if self.clock.now().is_within(KEPT, read_at) && !apps.is_empty() {
            return apps;
        }
        self.fresh().await.unwrap_or(apps)
    }

    /// The apps once more, after a signature or a login did not fit: they may have been changed. `None` when they were
    /// read, or tried to be, only just now, or when they cannot be read.
    pub async fn fresh(&self) -> Option<Arc<Apps>> {
        if !self.may_try() {
            return None;
        }
        let read = tokio::time::timeout(READ_WITHIN, read(&self.client, &self.id)).await;
        match read.unwrap_or(Err(SecretError::Slow)) {
            Ok(apps) => {
                let (apps, now) = (Arc::new(apps), self.clock.now());
                let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
                held.apps = Arc::clone(&apps);
                held.read_at = now;
                Some(apps)
            }
            Err(error) => {
                let error = chain(&error);
                tracing::error!(
                    event = "secret_unreadable",
                    alarm = "secret",
                    error,
                    "the secret cannot be read; going on with the old"
                );
                None
            }
        }
    }

    fn held(&self) -> (Arc<Apps>, Timestamp) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&held.apps), held.read_at)
    }

    /// Notes a try, unless there was one just now: whoever else comes meanwhile goes on with what is held.
    fn may_try(&self) -> bool {
        let now = self.clock.now();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let may = !now.is_within(READ_AGAIN_AFTER, held.tried_at);
        if may {
            held.tried_at = now;
        }
        may
    }
}
