//! Tells the owner's backend what was decided: at least once, and each submission's decisions in their order.

use std::time::Duration;

use bytes::Bytes;

use crate::apps::{App, Decisions};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{AppId, SubmissionId};
use crate::error::chain;
use crate::metrics::{self, Metric};
use crate::outbound::{Poster, ReachError};
use crate::table::{Table, TableError, Telling};

/// How long the owner's backend may take.
const WITHIN: Duration = Duration::from_secs(5);
/// What is not told by then is given up, until somebody asks for it.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// How many of those that were given up are told again at one request.
const MOST_AGAIN: i32 = 1_000;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What telling a submission's decisions came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// How many were told.
    pub told: usize,
    /// Whether one was not, and with it those behind it.
    pub failed: bool,
}

/// How long to wait after so many tries: 1, 2, 4, … 60 minutes.
fn pause(tries: u32) -> Duration {
    Duration::from_secs(60).saturating_mul(1 << tries.min(6)).min(LONGEST_PAUSE)
}

/// Tells what is to be told of a submission, oldest first; what is behind one that is not taken waits for it. What was never
/// tried is told at once; what was not taken is tried again when it is due.
///
/// # Errors
/// When the table does not answer: what was told may be told again.
pub async fn tell(
    table: &Table,
    poster: &Poster,
    clock: &Clock,
    app: &App,
    submission: &SubmissionId,
) -> Result<Told, TableError> {
    let mut told = Told::default();
    // What was given up is not waited for.
    for telling in table.tellings(submission).await?.into_iter().filter(|telling| telling.due.is_some()) {
        let now = clock.now();
        if telling.tries > 0 && telling.due.is_some_and(|due| due > now) {
            break;
        }
        // It was taken out of the secret: nobody wants to know any more.
        let Some(decisions) = &app.decisions else {
            table.told(&telling).await?;
            continue;
        };
        if let Err(why) = post(poster, decisions, &telling, now).await {
            put_off(table, app, &telling, &why, now).await?;
            told.failed = true;
            break;
        }
        table.told(&telling).await?;
        told.told += 1;
        tracing::info!(
            event = "decision_told", app = %app.id, submission = %submission, version = telling.version, kind = telling.kind(),
            "the owner's backend was told of a decision"
        );
    }
    Ok(told)
}

/// Tells once more what was given up in an app, up to a thousand at a time; how many.
///
/// # Errors
/// When the table does not answer.
pub async fn tell_again(table: &Table, clock: &Clock, app: &AppId) -> Result<usize, TableError> {
    table.tell_again(app, clock.now(), MOST_AGAIN).await
}

/// Why the owner's backend was not told.
#[derive(Debug, thiserror::Error)]
enum NotTold {
    #[error("it does not answer")]
    Unreached(#[from] ReachError),
    #[error("it answers {0}")]
    Status(u16),
}

async fn post(poster: &Poster, decisions: &Decisions, telling: &Telling, now: Timestamp) -> Result<(), NotTold> {
    let name = format!("msg_{}_{}", telling.submission, telling.version);
    let body = Bytes::from(telling.body.clone());
    let headers = decisions.key.headers(&name, now.unix_seconds(), &body);
    let status = poster.tell(decisions.url.clone(), headers, body, WITHIN).await?;
    if status.is_success() { Ok(()) } else { Err(NotTold::Status(status.as_u16())) }
}

async fn put_off(table: &Table, app: &App, telling: &Telling, why: &NotTold, now: Timestamp) -> Result<(), TableError> {
    let (submission, version, error) = (&telling.submission, telling.version, chain(why));
    let again = now.plus(pause(telling.tries));
    if again.since(telling.since) < PATIENCE {
        tracing::warn!(event = "decision_not_told", app = %app.id, submission = %submission, version, error, "a decision is told again later");
        return table.not_told(telling, Some(again), now).await;
    }
    metrics::count(Metric::DecisionsUntold);
    tracing::error!(event = "decision_given_up", alarm = "decisions", app = %app.id, submission = %submission, version, error, "a decision could not be told for a day");
    table.not_told(telling, None, now).await
}
