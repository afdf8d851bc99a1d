//! Scheduled every minute: drives what waits in the due queue.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use greenlight::checks::{Checks, Worked};
use greenlight::clock::Clock;
use greenlight::ids::AppId;
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::submission::{PartName, Submission};
use greenlight::table::{DUE_SHARDS, DueEntry, DueKind, TableError};
use greenlight::text::windows;

/// How many submissions are worked off at once.
const AT_ONCE: usize = 16;
/// How many due entries one run looks at in a shard.
const LOOKED_AT: usize = 20_000;

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
    /// Table, bucket and WeChat.
    pub checks: Checks,
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
    /// Submissions for which something was done.
    pub worked: usize,
    /// Submissions that wait for the next run, because the run's share of the quota was used up.
    pub held_back: usize,
    /// Submissions that failed; they stay due.
    pub failed: usize,
}

impl SweepOverdue {
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
            share: Share::default(),
            works_for: Duration::from_secs(45),
        })
    }

    /// Works off what is due now, the oldest first, as far as quotas and time allow.
    ///
    /// # Errors
    /// When the due queue cannot be read.
    pub async fn run(&self) -> Result<Sweep, TableError> {
        let started = self.clock.now();
        let mut entries = Vec::new();
        for shard in 0..DUE_SHARDS {
            entries.append(&mut self.checks.table.due(shard, started, LOOKED_AT).await?);
        }
        entries.sort();
        let apps = self.secrets.apps().await;
        let shares = Shares::new(self.share);
        let over = started.plus(self.works_for);
        let sweep = stream::iter(entries)
            .map(|entry| {
                let (apps, shares) = (&apps, &shares);
                async move {
                    if self.clock.now() > over || shares.used_up(&entry) {
                        return Sweep { held_back: 1, ..Sweep::default() };
                    }
                    // An app that was taken out of the secret: its submissions wait until it is back.
                    let Some(app) = apps.get(&entry.app) else { return Sweep::default() };
                    self.work_off(app, &entry, shares).await
                }
            })
            .buffer_unordered(AT_ONCE)
            .fold(Sweep::default(), async |sum, one| Sweep {
                worked: sum.worked + one.worked,
                held_back: sum.held_back + one.held_back,
                failed: sum.failed + one.failed,
            })
            .await;
        if sweep != Sweep::default() {
            tracing::info!(
                worked = sweep.worked,
                held_back = sweep.held_back,
                failed = sweep.failed,
                "swept what was due"
            );
        }
        Ok(sweep)
    }

    async fn work_off(&self, app: &greenlight::apps::App, entry: &DueEntry, shares: &Shares) -> Sweep {
        let worked = self.checks.work_off(app, &entry.id, |submission, part| shares.take(submission, part)).await;
        match worked {
            Ok(Worked::Done) => Sweep { worked: 1, ..Sweep::default() },
            Ok(Worked::NothingDue) => Sweep::default(),
            Ok(Worked::HeldBack) => Sweep { held_back: 1, ..Sweep::default() },
            Err(error) => {
                tracing::warn!(submission = %entry.id, error = %error, "a submission stays due");
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
        match entry.kind {
            DueKind::Erasure => false,
            DueKind::Text => left.text == 0,
            DueKind::Media => left.media == 0,
            DueKind::Both => left.text == 0 && left.media == 0,
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
