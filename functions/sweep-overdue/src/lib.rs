//! Scheduled every minute: drives what waits in the due queue.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};
use greenlight::apps::{App, Apps};
use greenlight::bucket::Bucket;
use greenlight::domain::clock::{Clock, Timestamp};
use greenlight::domain::ids::AppId;
use greenlight::domain::submission::{DueKind, PartName, Submission};
use greenlight::domain::text::windows;
use greenlight::error::chain;
use greenlight::metrics::{self, Metric};
use greenlight::moderation::ask::Checker;
use greenlight::moderation::sweep::{Processed, process_due};
use greenlight::moderation::watch_queue::watch_queue;
use greenlight::outbound::Poster;
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::table::{DUE_SHARDS, Due, DueEntry, TableError};

/// How many entries of one app are processed at once, and of how many apps: one app's slow WeChat does not hold up the
/// others.
const AT_ONCE: usize = 16;
const APPS_AT_ONCE: usize = 16;
/// How many entries of one app and kind one run looks at in a shard: all shards together hold more than a run's share of
/// the quota, and than a run can do in its time.
const MOST_OF_AN_APP: usize = 4_000;

/// How much of an app's quota one run uses.
///
/// Half of what WeChat allows in a minute, so that two runs that overlap stay below it. (WeChat: 4,000 text checks and
/// 2,000 media checks a minute.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Text checks; each window of a long text is one.
    pub text: usize,
    /// Media checks.
    pub media: usize,
}

impl Default for Share {
    fn default() -> Self {
        Self { text: 2_000, media: 1_000 }
    }
}

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct SweepOverdue {
    /// Table and WeChat.
    pub checker: Checker,
    /// The bucket.
    pub bucket: Bucket,
    /// What tells owners' backends of decisions.
    pub poster: Poster,
    /// The secret.
    pub secrets: Secrets,
    /// The clock.
    pub clock: Clock,
    /// How much of each app's quota one run uses.
    pub share: Share,
    /// After how long a run begins nothing new; less than the minute after which the next begins.
    pub works_for: Duration,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Entries for which something was done.
    pub worked: usize,
    /// Entries that wait for the next run, because the run's share of the quota was used up.
    pub held_back: usize,
    /// Entries that failed; they stay due.
    pub failed: usize,
}

impl Sweep {
    fn and(self, other: Self) -> Self {
        Self {
            worked: self.worked + other.worked,
            held_back: self.held_back + other.held_back,
            failed: self.failed + other.failed,
        }
    }
}

/// What must not wait behind WeChat's quota comes first: verdicts to apply, then erasures, then checks; each oldest first. What is
/// told may go to a server that does not answer, so it comes last.
fn precedence(entry: &DueEntry, made: Option<Timestamp>) -> (u8, Timestamp) {
    let rank = match entry.what {
        Due::Risky(_) => 0,
        Due::Submission(DueKind::Erasure, _) => 1,
        Due::Submission(DueKind::Text | DueKind::Media | DueKind::Both, _) => 2,
        Due::Telling(_) => 3,
    };
    (rank, made.unwrap_or(entry.due))
}

impl SweepOverdue {
    /// Reads the settings, reads the secret, and opens the connections to the table and to WeChat.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let checker = start.checker()?;
        let bucket = start.bucket()?;
        let wechat = checker.access.wechat();
        let (secrets, table, ()) = tokio::join!(start.secrets(), checker.table.connect(1), wechat.connect());
        table?;
        Ok(Self {
            checker,
            bucket,
            poster: start.poster()?,
            secrets: secrets?,
            clock: start.clock(),
            share: Share::default(),
            works_for: Duration::from_secs(45),
        })
    }

    /// What is due now, by app, what comes first before what can wait.
    async fn due(&self, now: Timestamp) -> Result<BTreeMap<AppId, Vec<DueEntry>>, TableError> {
        let shards = (0..DUE_SHARDS).map(|shard| self.checker.table.due(shard, now, MOST_OF_AN_APP));
        let mut due: BTreeMap<AppId, Vec<DueEntry>> = BTreeMap::new();
        for entry in try_join_all(shards).await?.into_iter().flatten() {
            due.entry(entry.app.clone()).or_default().push(entry);
        }
        for entries in due.values_mut() {
            // What waited for a quota has become due at one moment; what was made first is asked about first.
            let checks = entries.iter().filter_map(DueEntry::check).cloned().collect::<Vec<_>>();
            let made = if checks.len() > 1 { self.checker.table.made_at(&checks).await? } else { HashMap::new() };
            // Several tellings of a submission are told one after another.
            let mut told = HashSet::new();
            entries.retain(|entry| !matches!(&entry.what, Due::Telling(id) if !told.insert(id.clone())));
            entries.sort_by_key(|entry| precedence(entry, entry.check().and_then(|id| made.get(id)).copied()));
        }
        Ok(due)
    }

    /// Does what is due now, as far as quotas and time allow.
    pub async fn run(&self) -> Result<Sweep, TableError> {
        let started = self.clock.now();
        let due = self.due(started).await?;
        let oldest = due.values().flatten().map(|entry| started.since(entry.due)).max().unwrap_or_default();
        metrics::record(&[(Metric::OverdueAge, oldest.as_secs_f64())]);
        let apps = self.secrets.apps().await;
        let shares = &Shares::new(self.share);
        let over = started.plus(self.works_for);
        // An app that was taken out of the secret, or is wrong there: what is its own waits until it is back.
        let of_apps = due.into_iter().filter_map(|(app, entries)| Some((apps.get(&app).ok()?, entries)));
        let sweep = stream::iter(of_apps)
            .then(async |(app, entries)| {
                let at_once = if self.checker.access.was_paused_lately(&app.id).await { 1 } else { AT_ONCE };
                stream::iter(entries)
                    .map(move |entry| async move {
                        if self.clock.now() > over || shares.used_up(&entry) {
                            return Sweep { held_back: 1, ..Sweep::default() };
                        }
                        self.process(app, &entry, shares).await
                    })
                    .buffer_unordered(at_once)
            })
            .flatten_unordered(APPS_AT_ONCE)
            .fold(Sweep::default(), async |sum, one| sum.and(one))
            .await;
        self.watch_queues(&apps).await;
        if sweep != Sweep::default() {
            let Sweep { worked, held_back, failed } = sweep;
            tracing::info!(event = "swept", worked, held_back, failed, "swept what was due");
        }
        Ok(sweep)
    }

    /// Looks whether people keep up in each app. What fails is looked at in a minute again.
    async fn watch_queues(&self, apps: &Apps) {
        let watched = stream::iter(apps.iter()).map(async |app| {
            let late = watch_queue(&self.checker.table, &self.poster, &self.clock, app).await;
            late.unwrap_or_else(|error| {
                let error = chain(&error);
                tracing::warn!(event = "queue_not_watched", app = %app.id, error, "a review queue could not be looked at");
                false
            })
        });
        let late: Vec<bool> = watched.buffer_unordered(APPS_AT_ONCE).collect().await;
        let late = late.into_iter().filter(|late| *late).count();
        if late > 0 {
            metrics::record(&[(Metric::QueuesLate, f64::from(u32::try_from(late).unwrap_or(u32::MAX)))]);
        }
    }

    async fn process(&self, app: &App, entry: &DueEntry, shares: &Shares) -> Sweep {
        let allowed = |submission: &Submission, part| shares.take(submission, part);
        match process_due(&self.checker, &self.bucket, &self.poster, app, entry, allowed).await {
            Ok(Processed::Done) => Sweep { worked: 1, ..Sweep::default() },
            Ok(Processed::NothingDue) => Sweep::default(),
            Ok(Processed::HeldBack) => Sweep { held_back: 1, ..Sweep::default() },
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(event = "entry_left", app = %app.id, entry = ?entry.what, error, "an entry stays due");
                Sweep { failed: 1, ..Sweep::default() }
            }
        }
    }
}

/// What is left of each app's share in one run.
struct Shares {
    share: Share,
    left: Mutex<HashMap<AppId, Share>>,
}

impl Shares {
    fn new(share: Share) -> Self {
        Self { share, left: Mutex::default() }
    }

    /// Whether nothing is left of all that the entry may take.
    fn used_up(&self, entry: &DueEntry) -> bool {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = left.get(&entry.app) else { return false };
        match entry.what {
            Due::Risky(_) | Due::Telling(_) | Due::Submission(DueKind::Erasure, _) => false,
            Due::Submission(DueKind::Text, _) => left.text == 0,
            Due::Submission(DueKind::Media, _) => left.media == 0,
            Due::Submission(DueKind::Both, _) => left.text == 0 && left.media == 0,
        }
    }

    /// Takes what a check of this part costs, if it is left.
    fn take(&self, submission: &Submission, part: PartName) -> bool {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let left = left.entry(submission.app.clone()).or_insert(self.share);
        let (left, cost) = match part {
            PartName::Text => (&mut left.text, windows(&submission.content.judged()).len()),
            PartName::Medium(_) => (&mut left.media, 1),
        };
        match left.checked_sub(cost) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}
