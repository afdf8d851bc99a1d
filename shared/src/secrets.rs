//! The secret as a process holds it: read at the start, kept five minutes, read again when something does not fit.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use crate::apps::{Apps, BadSecret};
use crate::clock::{Clock, Timestamp};

/// How long the secret is taken to be what it was.
const KEPT: Duration = Duration::from_secs(5 * 60);
/// After something did not fit, the secret is read again at most this often.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// The secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager did not give it.
    #[error("GREENLIGHT_SECRET cannot be read: {0}")]
    Unavailable(String),
    /// It is not what it should be.
    #[error("GREENLIGHT_SECRET: {0}")]
    Bad(#[from] BadSecret),
}

/// The secret, read again when it is old.
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
}

async fn read(client: &Client, id: &str) -> Result<Apps, SecretError> {
    let answer = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
        let error = error.into_service_error();
        SecretError::Unavailable(crate::table::chain(&error))
    })?;
    let json: SecretString =
        answer.secret_string.ok_or_else(|| SecretError::Unavailable("it holds no string".to_owned()))?.into();
    Ok(Apps::parse(&json)?)
}

impl Secrets {
    /// Reads the secret `id`.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be: then nothing can work, and the start should end.
    pub async fn open(client: Client, id: impl Into<String>, clock: Clock) -> Result<Self, SecretError> {
        let id = id.into();
        let apps = Arc::new(read(&client, &id).await?);
        let held = Arc::new(RwLock::new(Held { apps, read_at: clock.now() }));
        Ok(Self { client, id, clock, held })
    }

    fn held(&self) -> (Arc<Apps>, Timestamp) {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&held.apps), held.read_at)
    }

    /// The apps, not older than five minutes if Secrets Manager can be reached; else as they were.
    pub async fn apps(&self) -> Arc<Apps> {
        let (apps, read_at) = self.held();
        if self.clock.now().since(read_at) < KEPT { apps } else { self.read_again(apps).await }
    }

    /// The apps once more, after a signature or a login did not fit: they may have been changed. `None` when they
    /// were read only just now, so that reading again would show the same.
    pub async fn fresh(&self) -> Option<Arc<Apps>> {
        let (apps, read_at) = self.held();
        if self.clock.now().since(read_at) < READ_AGAIN_AFTER {
            return None;
        }
        Some(self.read_again(apps).await)
    }

    async fn read_again(&self, old: Arc<Apps>) -> Arc<Apps> {
        let now = self.clock.now();
        let apps = match read(&self.client, &self.id).await {
            Ok(apps) => Arc::new(apps),
            Err(error) => {
                tracing::error!(alarm = "secret", error = %error, "the secret cannot be read; going on with the old");
                old
            }
        };
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Held { apps: Arc::clone(&apps), read_at: now };
        apps
    }
}
