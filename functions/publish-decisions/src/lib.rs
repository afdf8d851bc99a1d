//! From the table's stream: tells the owner's backend what was decided, and records what no moderator decided.
//!
//! A decision and what is to be told of it are one transaction, and what is to be told stands in the due queue as well. So
//! nothing that is told depends on the stream but how soon: what it loses, and what is left here, the sweep tells a minute
//! later. What moderators do stands in the record by the same transaction; what WeChat, the clock, authors and owners did is
//! written into it here, so that it costs a submission nothing.

pub mod changes;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use greenlight::apps::App;
use greenlight::domain::clock::{Clock, Timestamp};
use greenlight::domain::ids::{AppId, SubmissionId};
use greenlight::error::chain;
use greenlight::moderation::tell::tell;
use greenlight::outbound::Poster;
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::table::Table;

use crate::changes::{Changes, Failure, Failures};

/// Of how many submissions one backend is told at once, and how many backends are told at once.
const AT_ONCE: usize = 8;
const APPS_AT_ONCE: usize = 16;
/// How many deeds are recorded at once.
const RECORDED_AT_ONCE: usize = 16;
/// How long the stream does not wait for a backend that did not take a decision. The shard is everybody's; the sweep goes on
/// trying.
const LEFT_ALONE_FOR: Duration = Duration::from_secs(60);

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct PublishDecisions {
    /// The table.
    pub table: Table,
    /// What goes to owners' backends.
    pub poster: Poster,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// After how long a batch begins nothing new; less than the function's time.
    pub works_for: Duration,
    unwell: Arc<Mutex<HashMap<AppId, Timestamp>>>,
}

impl PublishDecisions {
    /// Reads the settings, reads the secret, and opens the connection to the table.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let (table, poster) = (start.keeping_table()?, start.poster()?);
        let (secrets, connected) = tokio::join!(start.secrets(), table.connect(1));
        connected?;
        Ok(Self {
            table,
            poster,
            secrets: secrets?,
            clock: start.clock(),
            works_for: Duration::from_secs(15),
            unwell: Arc::default(),
        })
    }

    /// Tells and records what a batch of changes is about; what has to be delivered once more, because it could not be read or
    /// recorded.
    pub async fn run(&self, changes: Changes) -> Failures {
        let (mut failures, recorded) = tokio::join!(self.tell_all(&changes), self.record_all(&changes));
        failures.changes.extend(recorded);
        failures
    }

    /// Records what changed the state of a submission; those that were not recorded.
    async fn record_all(&self, changes: &Changes) -> Vec<Failure> {
        let turns = changes.records.iter().filter(|change| change.is_turn());
        let recorded = stream::iter(turns).map(async |change| {
            let recorded = async {
                let Some((app, deed)) = change.turn()? else { return Ok(()) };
                self.table.record_turn(&app, &deed).await
            };
            let error = chain(&recorded.await.err()?);
            let name = change.name().to_owned();
            tracing::error!(
                event = "turn_not_recorded",
                change = name,
                error,
                "a change of state is not in the record yet"
            );
            Some(Failure { name })
        });
        let failed: Vec<Option<Failure>> = recorded.buffer_unordered(RECORDED_AT_ONCE).collect().await;
        failed.into_iter().flatten().collect()
    }

    async fn tell_all(&self, changes: &Changes) -> Failures {
        let mut failures = Failures::default();
        let mut of_apps: BTreeMap<AppId, Vec<(SubmissionId, String)>> = BTreeMap::new();
        for change in changes.records.iter().filter(|change| change.is_telling()) {
            let name = change.name().to_owned();
            let Some((app, submission)) = change.tells_of() else {
                tracing::error!(event = "change_not_understood", change = name, "a change of the table is not ours");
                failures.changes.push(Failure { name });
                continue;
            };
            let of_app = of_apps.entry(app).or_default();
            // All that is to be told of a submission is told together.
            if !of_app.iter().any(|(known, _)| *known == submission) {
                of_app.push((submission, name));
            }
        }
        let apps = self.secrets.apps().await;
        let over = self.clock.now().plus(self.works_for);
        // An app that was taken out of the secret, or is wrong there: what is its own waits until it is back.
        let of_apps = of_apps.into_iter().filter_map(|(id, tellings)| Some((apps.get(&id).ok()?, tellings)));
        let failed: Vec<Vec<Failure>> = stream::iter(of_apps)
            .map(|(app, tellings)| self.tell_app(app, tellings, over))
            .buffer_unordered(APPS_AT_ONCE)
            .collect()
            .await;
        failures.changes.extend(failed.into_iter().flatten());
        failures
    }

    /// Tells one app's backend until it is not well, or there is no time left.
    async fn tell_app(&self, app: &App, tellings: Vec<(SubmissionId, String)>, over: Timestamp) -> Vec<Failure> {
        let told = stream::iter(tellings).map(|(submission, change)| self.tell_one(app, submission, change, over));
        let failed: Vec<Option<Failure>> = told.buffer_unordered(AT_ONCE).collect().await;
        failed.into_iter().flatten().collect()
    }

    async fn tell_one(&self, app: &App, submission: SubmissionId, change: String, over: Timestamp) -> Option<Failure> {
        if self.clock.now() > over || self.is_unwell(&app.id) {
            return None;
        }
        match tell(&self.table, &self.poster, &self.clock, app, &submission).await {
            Ok(told) => {
                if told.failed {
                    self.leave_alone(&app.id);
                }
                None
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(event = "decision_left", app = %app.id, submission = %submission, error, "a decision is told later");
                Some(Failure { name: change })
            }
        }
    }

    fn is_unwell(&self, app: &AppId) -> bool {
        let unwell = self.unwell.lock().unwrap_or_else(PoisonError::into_inner);
        unwell.get(app).is_some_and(|until| *until > self.clock.now())
    }

    fn leave_alone(&self, app: &AppId) {
        let until = self.clock.now().plus(LEFT_ALONE_FOR);
        self.unwell.lock().unwrap_or_else(PoisonError::into_inner).insert(app.clone(), until);
    }
}
