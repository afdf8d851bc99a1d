//! An app's access to WeChat: its token, kept fresh and shared through the table, and its quotas, waited out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use crate::apps::App;
use crate::domain::access_state::{AccessState, Api, Pause, Permission, Quota, Token};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{AppId, OpenId};
use crate::domain::submission::Paused;
use crate::error::chain;
use crate::metrics::{self, Metric};
use crate::table::{Consistency, Table, TableError};
use crate::wechat::client::{Credentials, WeChat};
use crate::wechat::error::{Class, WeChatError};

/// How long a process takes what it read of an app to be true: within that time it learns of a pause that another has begun,
/// and calls no more. It is read with what a submission needs to know of its author anyway.
const KEPT: Duration = Duration::from_secs(5);
/// How long no connection to WeChat may come about before an operator has to look.
const UNREACHED_FOR: Duration = Duration::from_secs(10 * 60);

/// Why a call to WeChat gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Its quota is used up; it must not be called before then.
    #[error("the quota is used up until {0}")]
    Paused(Timestamp),
    /// The table does not say which token to call with.
    #[error("the access token is not known")]
    Table(#[source] TableError),
    /// WeChat gives no token to call with.
    #[error("there is no access token")]
    NoToken(#[source] WeChatError),
    /// There is nothing to ask about.
    #[error("there is nothing to judge")]
    NothingToJudge,
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
pub struct WeChatAccess {
    table: Table,
    wechat: WeChat,
    clock: Clock,
    known: Arc<Mutex<HashMap<AppId, Known>>>,
    unreached: Arc<Mutex<Option<Unreached>>>,
}

/// What a process knows of an app.
#[derive(Clone, Debug)]
struct Known {
    /// As the table had it.
    state: AccessState,
    read_at: Timestamp,
    /// What this process learnt since, and the table does not say yet.
    unshared: Vec<Learnt>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Learnt {
    Pause(Api, Pause),
    Resume(Api, Pause),
}

impl Learnt {
    fn apply(self, state: &mut AccessState) -> bool {
        match self {
            Self::Pause(api, pause) => state.adopt(api, pause),
            Self::Resume(api, probe) => state.resume(api, probe),
        }
    }
}

impl Known {
    fn current(&self) -> AccessState {
        let mut state = self.state.clone();
        for learnt in &self.unshared {
            learnt.apply(&mut state);
        }
        state
    }
}

/// No connection to WeChat has come about.
#[derive(Clone, Copy, Debug)]
struct Unreached {
    since: Timestamp,
    alarmed_at: Option<Timestamp>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lease {
    Ours,
    Elsewhere,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn credentials(app: &App) -> Credentials<'_> {
    Credentials { app_id: &app.id, app_secret: &app.app_secret }
}

/// What a call to WeChat that failed counts as. A user who has to come back first, or an old code, is no error.
fn count_error(class: Class) {
    let metric = match class {
        Class::Busy | Class::Unreached | Class::Token => Metric::WeChatBusy,
        Class::MinuteQuota | Class::DayQuota | Class::TooOften => Metric::WeChatQuota,
        Class::Configuration => Metric::WeChatConfiguration,
        Class::Permanent => Metric::WeChatPermanent,
        Class::AuthorAway | Class::LoginRefused | Class::LoginBlocked | Class::Risky => return,
    };
    metrics::count(metric);
}

/// Tells the operator what only the operator can mend. The app's id is public; nothing else of it is shown.
fn alarm(app: &AppId, error: &WeChatError) {
    let errcode = error.errcode;
    match error.class {
        Class::Configuration => {
            tracing::error!(event = "wechat_refuses_app", alarm = "wechat_configuration", app = %app, errcode, error = %error, "WeChat refuses the app");
        }
        // Part of the day: the author has to come back, or this content is nothing for WeChat.
        Class::AuthorAway | Class::Permanent => {
            tracing::info!(event = "wechat_declines", app = %app, errcode, error = %error, "WeChat does not check this now");
        }
        _ => {
            tracing::warn!(event = "wechat_failed", app = %app, errcode, error = %error, "WeChat did not answer as it should")
        }
    }
}

impl WeChatAccess {
    /// Access to `wechat` with what `table` holds.
    pub fn new(table: Table, wechat: WeChat, clock: Clock) -> Self {
        Self { table, wechat, clock, known: Arc::default(), unreached: Arc::default() }
    }

    /// WeChat itself.
    pub fn wechat(&self) -> &WeChat {
        &self.wechat
    }

    /// Whether this process knows the app's access well enough to call without asking the table.
    pub(crate) fn knows(&self, app: &AppId) -> bool {
        let now = self.clock.now();
        locked(&self.known).get(app).is_some_and(|known| {
            let token = known.state.token();
            now.is_within(KEPT, known.read_at) && token.is_none_or(|token| now < token.renew_at())
        })
    }

    /// Whether this process knows a token that lives.
    pub(crate) fn knows_a_token(&self, app: &AppId) -> bool {
        let now = self.clock.now();
        locked(&self.known).get(app).is_some_and(|known| known.state.living_token(now).is_some())
    }

    /// How long the token lives that this process knows; no time without one.
    pub fn token_lives_for(&self, app: &AppId) -> Duration {
        let now = self.clock.now();
        let known = locked(&self.known);
        let token = known.get(app).and_then(|known| known.state.living_token(now));
        token.map(|token| token.expires_at().since(now)).unwrap_or_default()
    }

    /// Takes what the table says of an app.
    pub(crate) fn learn(&self, state: &AccessState) {
        let mut known = locked(&self.known);
        let unshared = known.remove(&state.app).map(|known| known.unshared).unwrap_or_default();
        known.insert(state.app.clone(), Known { state: state.clone(), read_at: self.clock.now(), unshared });
    }

    fn known(&self, app: &AppId) -> Option<AccessState> {
        locked(&self.known).get(app).map(Known::current)
    }

    /// What is known of the app: as this process knows it, or as the table does.
    async fn state(&self, app: &AppId) -> Result<AccessState, AccessError> {
        let known = self.known(app);
        if let Some(state) = known.as_ref().filter(|_| self.knows(app)) {
            return Ok(state.clone());
        }
        match self.table.access_state(app, Consistency::Eventual).await {
            Ok(state) => {
                self.learn(&state);
                Ok(self.known(app).unwrap_or(state))
            }
            // Without the table the token that we know is still a token.
            Err(error) => {
                let now = self.clock.now();
                known.filter(|state| state.living_token(now).is_some()).ok_or(AccessError::Table(error))
            }
        }
    }

    /// Which APIs are paused now, as far as this process knows.
    pub(crate) async fn paused(&self, app: &AppId) -> Paused {
        let Ok(state) = self.state(app).await else { return Paused::default() };
        let now = self.clock.now();
        let paused = |api| match state.permission(api, now) {
            Permission::Paused(until) => Some(until),
            Permission::Free | Permission::Probe => None,
        };
        Paused { text: paused(Api::Text), media: paused(Api::Media) }
    }

    /// Whether an API was paused within the last two runs of the sweep: what waits is then asked about one by one, so that
    /// what is left of the quota goes to what has waited longest.
    pub async fn was_paused_lately(&self, app: &AppId) -> bool {
        const LATELY: Duration = Duration::from_secs(2 * 60);
        let since = self.clock.now().minus(LATELY);
        self.state(app).await.is_ok_and(|state| state.was_paused_since(since))
    }

    /// Calls `api` with the app's token: waits out quotas, tries once more with a newer token if WeChat does not take
    /// this one, and remembers what the answer says of the quota. [`share`](Self::share) tells the table of that.
    pub(crate) async fn call<T, F>(
        &self,
        app: &App,
        api: Api,
        call: impl Fn(SecretString) -> F,
    ) -> Result<T, AccessError>
    where
        F: Future<Output = Result<T, WeChatError>>,
    {
        let mut state = self.state(&app.id).await?;
        let mut probe = None;
        match state.permission(api, self.clock.now()) {
            Permission::Free => {}
            Permission::Paused(until) => return Err(AccessError::Paused(until)),
            Permission::Probe => (state, probe) = self.take_probe(state, api).await?,
        }
        let (token, generation) = self.living_token(app, state).await?;
        let mut answer = call(token).await;
        if matches!(&answer, Err(error) if error.class == Class::Token) {
            let newer = self.newer_token(app, generation).await?;
            answer = call(newer).await;
        }
        self.note_reached(answer.as_ref().err());
        match answer {
            Ok(answer) => {
                if let Some(probe) = probe {
                    self.note(&app.id, Learnt::Resume(api, probe));
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
                tracing::warn!(event = "quota_used_up", app = %app.id, error = %error, "a quota is used up");
                Err(AccessError::Paused(self.pause(&app.id, api, quota).until))
            }
        }
    }

    /// Logs a user in by a code from wx.login.
    pub(crate) async fn code_to_session(&self, app: &App, code: &str) -> Result<OpenId, WeChatError> {
        let answer = self.wechat.code_to_session(credentials(app), code).await;
        self.note_reached(answer.as_ref().err());
        answer
    }

    async fn take_probe(&self, state: AccessState, api: Api) -> Result<(AccessState, Option<Pause>), AccessError> {
        let now = self.clock.now();
        let changed = self.table.change(state, |state| Ok::<_, TableError>(state.take_probe(api, now))).await;
        let (state, probe) = changed.map_err(AccessError::Table)?;
        self.learn(&state);
        match (probe, state.permission(api, now)) {
            (None, Permission::Paused(until)) => Err(AccessError::Paused(until)),
            _ => Ok((state, probe)),
        }
    }

    /// Pauses an API in this process, at once.
    fn pause(&self, app: &AppId, api: Api, quota: Quota) -> Pause {
        let mut state = self.known(app).unwrap_or_else(|| AccessState::new(app.clone()));
        let pause = state.pause(api, quota, self.clock.now());
        self.note(app, Learnt::Pause(api, pause));
        metrics::count(Metric::Pauses);
        pause
    }

    fn note(&self, app: &AppId, learnt: Learnt) {
        let mut known = locked(&self.known);
        let unknown = || Known { state: AccessState::new(app.clone()), read_at: Timestamp(0), unshared: Vec::new() };
        let known = known.entry(app.clone()).or_insert_with(unknown);
        if !known.unshared.contains(&learnt) {
            known.unshared.push(learnt);
        }
    }

    /// Tells the table, and so the other processes, which pauses have begun and ended here. What stands there already is
    /// not written again; what cannot be written this process still knows.
    pub(crate) async fn share(&self, app: &AppId) {
        let known = locked(&self.known).get(app).filter(|known| !known.unshared.is_empty()).cloned();
        let Some(Known { state, unshared, .. }) = known else { return };
        let shared = self
            .table
            .change(state, |state| {
                let changed = unshared.iter().fold(false, |changed, learnt| learnt.apply(state) | changed);
                Ok::<_, TableError>(changed.then_some(()))
            })
            .await;
        match shared {
            Ok((state, _)) => {
                if let Some(known) = locked(&self.known).get_mut(app) {
                    known.state = state;
                    known.unshared.retain(|learnt| !unshared.contains(learnt));
                }
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(event = "pause_not_shared", app = %app, error, "a pause could not be told to other processes");
            }
        }
    }

    /// Counts what failed, notes whether WeChat was reached, and tells the operator when it was not for long.
    fn note_reached(&self, error: Option<&WeChatError>) {
        if let Some(error) = error {
            count_error(error.class);
        }
        let mut unreached = locked(&self.unreached);
        if error.is_none_or(|error| error.class != Class::Unreached) {
            *unreached = None;
            return;
        }
        let now = self.clock.now();
        let unreached = unreached.get_or_insert(Unreached { since: now, alarmed_at: None });
        let lately = unreached.alarmed_at.is_some_and(|at| now.is_within(Duration::from_secs(60), at));
        if now.since(unreached.since) >= UNREACHED_FOR && !lately {
            unreached.alarmed_at = Some(now);
            let minutes = now.since(unreached.since).as_secs() / 60;
            tracing::error!(
                event = "wechat_unreachable",
                alarm = "wechat_unreachable",
                minutes,
                "no connection to WeChat comes about"
            );
        }
    }

    /// A token that lives, and its generation. Renews it if the schedule did not.
    async fn living_token(&self, app: &App, state: AccessState) -> Result<(SecretString, u64), AccessError> {
        let now = self.clock.now();
        match state.living_token(now) {
            Some(token) if now < token.overdue_at() => Ok((token.secret(), state.generation())),
            _ => self.renewed(app, state).await,
        }
    }

    /// A token after WeChat did not take the one of `generation`: the table's if it is newer, else a renewed one.
    async fn newer_token(&self, app: &App, generation: u64) -> Result<SecretString, AccessError> {
        let state = match self.table.access_state(&app.id, Consistency::Strong).await {
            Ok(state) => {
                self.learn(&state);
                state
            }
            // WeChat can be asked without the table, too.
            Err(error) => self.known(&app.id).ok_or(AccessError::Table(error))?,
        };
        if state.generation() > generation
            && let Some(token) = state.living_token(self.clock.now())
        {
            return Ok(token.secret());
        }
        // Whoever holds the lease may hold it for a token that is as dead as ours; asking WeChat ourselves is harmless.
        let (state, lease) = self.lease(state).await;
        self.fetch(app, state, lease).await.map(|(token, _)| token)
    }

    async fn renewed(&self, app: &App, state: AccessState) -> Result<(SecretString, u64), AccessError> {
        let (state, lease) = self.lease(state).await;
        let living = state.living_token(self.clock.now()).map(Token::secret);
        let generation = state.generation();
        match living {
            Some(living) if lease == Lease::Elsewhere => Ok((living, generation)),
            Some(living) => Ok(self.fetch(app, state, lease).await.unwrap_or((living, generation))),
            None => self.fetch(app, state, lease).await,
        }
    }

    /// Takes the lease for refreshing, if it is to be had. Without the table nobody can hold it.
    async fn lease(&self, state: AccessState) -> (AccessState, Lease) {
        let now = self.clock.now();
        let taken =
            self.table.change(state.clone(), |state| Ok::<_, TableError>(state.take_lease(now).then_some(()))).await;
        match taken {
            Ok((state, taken)) => {
                self.learn(&state);
                (state, if taken.is_some() { Lease::Ours } else { Lease::Elsewhere })
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(event = "lease_not_taken", app = %state.app, error, "the lease for refreshing a token could not be taken");
                (state, Lease::Elsewhere)
            }
        }
    }

    /// Asks WeChat for the token. Nobody waits for a lease: who does not hold it asks too (in normal mode WeChat gives
    /// everybody the same token) and only leaves the writing to the holder.
    async fn fetch(&self, app: &App, state: AccessState, lease: Lease) -> Result<(SecretString, u64), AccessError> {
        let fresh = self.wechat.stable_token(credentials(app)).await;
        self.note_reached(fresh.as_ref().err());
        let fresh = fresh.map_err(|error| {
            alarm(&app.id, &error);
            AccessError::NoToken(error)
        })?;
        let generation = state.generation();
        if lease == Lease::Elsewhere {
            return Ok((fresh.token, generation));
        }
        let token = Token::fresh(&fresh.token, fresh.expires_in, self.clock.now());
        let changed = self
            .table
            .change(state, |state| Ok::<_, TableError>(state.renew(token.clone(), generation).then_some(())))
            .await;
        match changed {
            Ok((state, renewed)) => {
                self.learn(&state);
                let newer = state.living_token(self.clock.now()).filter(|_| renewed.is_none()).map(Token::secret);
                Ok((newer.unwrap_or(fresh.token), state.generation()))
            }
            // It could not be shared, but it is a token.
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(event = "token_not_written", app = %app.id, error, "a new token could not be written");
                Ok((fresh.token, generation))
            }
        }
    }

    /// Renews the app's token if it is time to: what the schedule does.
    pub async fn refresh(&self, app: &App) -> Result<Refreshed, AccessError> {
        let state = self.table.access_state(&app.id, Consistency::Strong).await.map_err(AccessError::Table)?;
        self.learn(&state);
        let now = self.clock.now();
        if state.living_token(now).is_some_and(|token| now < token.renew_at()) {
            return Ok(Refreshed::StillGood);
        }
        let changed = self.table.change(state, |state| Ok(state.take_lease(now).then_some(()))).await;
        match changed.map_err(AccessError::Table)? {
            (_, None) => Ok(Refreshed::InOtherHands),
            (state, Some(())) => self.refresh_as_holder(app, state).await,
        }
    }

    /// The same once more for whoever holds the lease, with an app's secret that was read again.
    pub async fn refresh_now(&self, app: &App) -> Result<Refreshed, AccessError> {
        let state = self.table.access_state(&app.id, Consistency::Strong).await.map_err(AccessError::Table)?;
        self.refresh_as_holder(app, state).await
    }

    async fn refresh_as_holder(&self, app: &App, state: AccessState) -> Result<Refreshed, AccessError> {
        let before = state.token().map(Token::secret);
        let (token, _) = self.fetch(app, state, Lease::Ours).await?;
        // Near its end WeChat may still give the same token: it is renewed at the next turn.
        let same = before.is_some_and(|before| before.expose_secret() == token.expose_secret());
        Ok(if same { Refreshed::StillGood } else { Refreshed::Renewed })
    }
}
