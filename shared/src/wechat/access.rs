//! An app's access to WeChat: its token, kept fresh and shared through the table, and its quotas, waited out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::client::WeChat;
use super::error::{Class, WeChatError};
use crate::app_record::{Api, AppRecord, Permission, Quota, Token};
use crate::apps::App;
use crate::clock::{Clock, Timestamp};
use crate::ids::AppId;
use crate::submission::Paused;
use crate::table::{Consistency, Table, TableError};

/// How long a process takes what it read of an app to be true. A pause that another process began is learnt that much
/// later at most, at the cost of one refused call.
const KEPT: Duration = Duration::from_secs(30);

/// Why a call to WeChat gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// Its quota is used up; it must not be called before then.
    #[error("the quota is used up until {0}")]
    Rests(Timestamp),
    /// There is no access token to call with.
    #[error("there is no access token: {0}")]
    NoToken(String),
    /// The call failed.
    #[error(transparent)]
    Failed(#[from] WeChatError),
}

/// What a refresh came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// A new token stands in the table.
    Renewed,
    /// The one that stands there is good for a while.
    StillGood,
    /// Somebody else is at it.
    InOtherHands,
}

/// The tokens and quotas of all apps.
#[derive(Clone, Debug)]
pub struct Access {
    table: Table,
    wechat: WeChat,
    clock: Clock,
    kept: Arc<Mutex<HashMap<AppId, (AppRecord, Timestamp)>>>,
}

/// Tells the operator what only the operator can mend. The app's id is public; nothing else of it is shown.
fn alarm(app: &AppId, error: &WeChatError) {
    match error.class {
        Class::Configuration => {
            tracing::error!(alarm = "wechat_configuration", app = %app, error = %error, "WeChat refuses the app");
        }
        // Part of the day: the author has to come back, or this content is nothing for WeChat.
        Class::AuthorAway | Class::Permanent => {
            tracing::info!(app = %app, error = %error, "WeChat does not check this now");
        }
        _ => tracing::warn!(app = %app, error = %error, "WeChat did not answer as it should"),
    }
}

impl Access {
    /// Access to `wechat` with what `table` holds.
    pub fn new(table: Table, wechat: WeChat, clock: Clock) -> Self {
        Self { table, wechat, clock, kept: Arc::default() }
    }

    fn keep(&self, record: &AppRecord) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(record.app.clone(), (record.clone(), self.clock.now()));
    }

    fn kept(&self, app: &AppId) -> Option<(AppRecord, Timestamp)> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(app).cloned()
    }

    /// What is known of the app: as this process knows it, or as the table does.
    async fn record(&self, app: &AppId) -> Result<AppRecord, AccessError> {
        let now = self.clock.now();
        let kept = self.kept(app);
        if let Some((record, read_at)) = &kept
            && now.since(*read_at) < KEPT
            && record.token.as_ref().is_none_or(|token| now < token.renew_at)
        {
            return Ok(record.clone());
        }
        match self.table.app(app, Consistency::Eventual).await {
            Ok(record) => {
                self.keep(&record);
                Ok(record)
            }
            // Without the table the token that we know is still a token.
            Err(error) => {
                let living = kept.map(|(record, _)| record).filter(|record| record.living_token(now).is_some());
                living.ok_or_else(|| AccessError::NoToken(error.to_string()))
            }
        }
    }

    /// Which APIs rest now, as far as this process knows.
    pub async fn paused(&self, app: &AppId) -> Paused {
        let Ok(record) = self.record(app).await else { return Paused::default() };
        let now = self.clock.now();
        let rests = |api| match record.permission(api, now) {
            Permission::Rests(until) => Some(until),
            Permission::Free | Permission::Probe => None,
        };
        Paused { text: rests(Api::Text), media: rests(Api::Media) }
    }

    /// Calls `api` with the app's token: waits out quotas, tries once more with a newer token if WeChat does not take
    /// this one, and remembers what the answer says of the quota.
    ///
    /// # Errors
    /// When the API rests, there is no token, or the call fails.
    pub async fn call<T, F>(&self, app: &App, api: Api, call: impl Fn(SecretString) -> F) -> Result<T, AccessError>
    where
        F: Future<Output = Result<T, WeChatError>>,
    {
        let mut record = self.record(&app.id).await?;
        match record.permission(api, self.clock.now()) {
            Permission::Free => {}
            Permission::Rests(until) => return Err(AccessError::Rests(until)),
            Permission::Probe => record = self.take_probe(record, api).await?,
        }
        let (token, generation) = self.living_token(app, record.clone()).await?;
        let mut answer = call(token.clone()).await;
        if matches!(&answer, Err(error) if error.class == Class::Token) {
            let newer = self.newer_token(app, generation).await?;
            answer = call(newer).await;
        }
        match answer {
            Ok(answer) => {
                if record.pauses.iter().any(|pause| pause.api == api) {
                    self.resume(record, api).await;
                }
                Ok(answer)
            }
            Err(error) => {
                let quota = match error.class {
                    Class::MinuteQuota => Quota::Minute,
                    Class::DayQuota => Quota::Day,
                    _ => {
                        alarm(&app.id, &error);
                        return Err(error.into());
                    }
                };
                tracing::warn!(app = %app.id, error = %error, "a quota is used up");
                Err(AccessError::Rests(self.pause(record, api, quota).await))
            }
        }
    }

    async fn take_probe(&self, record: AppRecord, api: Api) -> Result<AppRecord, AccessError> {
        let changed = self
            .table
            .change(record, |record| Ok::<_, TableError>(record.take_probe(api, self.clock.now()).then_some(())))
            .await;
        let (record, probe) = changed.map_err(|error| AccessError::NoToken(error.to_string()))?;
        self.keep(&record);
        match (probe, record.permission(api, self.clock.now())) {
            (None, Permission::Rests(until)) => Err(AccessError::Rests(until)),
            _ => Ok(record),
        }
    }

    async fn pause(&self, record: AppRecord, api: Api, quota: Quota) -> Timestamp {
        let now = self.clock.now();
        let mut known = record.clone();
        let mut until = known.pause(api, quota, now);
        let changed = self
            .table
            .change(record, |record| {
                until = record.pause(api, quota, now);
                Ok::<_, TableError>(Some(()))
            })
            .await;
        // If the table cannot be written, at least this process knows.
        self.keep(changed.as_ref().map_or(&known, |(record, _)| record));
        until
    }

    async fn resume(&self, record: AppRecord, api: Api) {
        let changed = self.table.change(record, |record| Ok::<_, TableError>(record.resume(api).then_some(()))).await;
        match changed {
            Ok((record, _)) => self.keep(&record),
            Err(error) => tracing::warn!(error = %error, "the end of a pause could not be written"),
        }
    }

    /// A token that lives, and its generation. Renews it if the schedule did not.
    async fn living_token(&self, app: &App, record: AppRecord) -> Result<(SecretString, u64), AccessError> {
        let now = self.clock.now();
        // The schedule has the first half of the time that is left; after that whoever needs a token renews it.
        let late = record.living_token(now).map(|token| Timestamp(token.renew_at.0.midpoint(token.expires_at.0)));
        if let (Some(late), Some(token)) = (late, record.living_token(now))
            && now < late
        {
            return Ok((token.secret(), record.generation));
        }
        self.renewed(app, record).await
    }

    /// A token after WeChat did not take the one of `generation`: the table's if it is newer, else a renewed one.
    async fn newer_token(&self, app: &App, generation: u64) -> Result<SecretString, AccessError> {
        let record = self.table.app(&app.id, Consistency::Strong).await;
        let record = record.map_err(|error| AccessError::NoToken(error.to_string()))?;
        let now = self.clock.now();
        if record.generation > generation
            && let Some(token) = record.living_token(now)
        {
            self.keep(&record);
            return Ok(token.secret());
        }
        // Whoever holds the lease may hold it for a token that is as dead as ours; asking WeChat ourselves is harmless.
        self.renewed_as_dead(app, record).await.map(|(token, _)| token)
    }

    async fn renewed(&self, app: &App, record: AppRecord) -> Result<(SecretString, u64), AccessError> {
        let (record, lease) = self.lease(record).await?;
        let now = self.clock.now();
        if lease == Lease::Elsewhere
            && let Some(token) = record.living_token(now)
        {
            return Ok((token.secret(), record.generation));
        }
        match self.fetch(app, record.clone(), lease).await {
            Ok(fetched) => Ok(fetched),
            Err(error) => match record.living_token(now) {
                Some(token) => Ok((token.secret(), record.generation)),
                None => Err(error),
            },
        }
    }

    async fn renewed_as_dead(&self, app: &App, record: AppRecord) -> Result<(SecretString, u64), AccessError> {
        let (record, lease) = self.lease(record).await?;
        self.fetch(app, record, lease).await
    }

    async fn lease(&self, record: AppRecord) -> Result<(AppRecord, Lease), AccessError> {
        let changed = self
            .table
            .change(record, |record| Ok::<_, TableError>(record.take_lease(self.clock.now()).then_some(())))
            .await;
        let (record, taken) = changed.map_err(|error| AccessError::NoToken(error.to_string()))?;
        self.keep(&record);
        Ok((record, if taken.is_some() { Lease::Ours } else { Lease::Elsewhere }))
    }

    /// Asks WeChat for the token. Nobody waits for a lease: who does not hold it asks too (in normal mode WeChat gives
    /// everybody the same token) and only leaves the writing to the holder.
    async fn fetch(&self, app: &App, record: AppRecord, lease: Lease) -> Result<(SecretString, u64), AccessError> {
        let fresh = self.wechat.stable_token(app).await.map_err(|error| {
            alarm(&app.id, &error);
            AccessError::NoToken(error.to_string())
        })?;
        let generation = record.generation;
        if lease == Lease::Elsewhere {
            return Ok((fresh.token, generation));
        }
        let token = Token::fresh(&fresh.token, fresh.expires_in, self.clock.now());
        let changed = self
            .table
            .change(record, |record| Ok::<_, TableError>(record.renew(token.clone(), generation).then_some(())))
            .await;
        match changed {
            Ok((record, renewed)) => {
                self.keep(&record);
                let newer = record.living_token(self.clock.now()).filter(|_| renewed.is_none()).map(Token::secret);
                Ok((newer.unwrap_or(fresh.token), record.generation))
            }
            // It could not be shared, but it is a token.
            Err(error) => {
                tracing::warn!(app = %app.id, error = %error, "a new token could not be written");
                Ok((fresh.token, generation))
            }
        }
    }

    /// Renews the app's token if it is time to: what the schedule does.
    ///
    /// # Errors
    /// When there is no new token and it is time for one.
    pub async fn refresh(&self, app: &App) -> Result<Refreshed, AccessError> {
        let record = self.table.app(&app.id, Consistency::Strong).await;
        let record = record.map_err(|error| AccessError::NoToken(error.to_string()))?;
        let now = self.clock.now();
        if record.living_token(now).is_some_and(|token| now < token.renew_at) {
            return Ok(Refreshed::StillGood);
        }
        let before = record.token.as_ref().map(|token| token.secret().expose_secret().to_owned());
        let (record, lease) = self.lease(record).await?;
        if lease == Lease::Elsewhere {
            return Ok(Refreshed::InOtherHands);
        }
        let (token, _) = self.fetch(app, record, lease).await?;
        // Near its end WeChat may still give the same token: it is renewed at the next turn.
        let same = before.is_some_and(|before| before == token.expose_secret());
        Ok(if same { Refreshed::StillGood } else { Refreshed::Renewed })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lease {
    Ours,
    Elsewhere,
}
