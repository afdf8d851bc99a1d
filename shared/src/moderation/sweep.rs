//! Does what is due: joins verdicts that came unnoticed, asks again, gives up, erases, tells.

use std::time::Duration;

use super::ask::{Checker, SWEEP_WAITS};
use super::erase::{EraseError, erase};
use super::push::apply_outcome;
use super::tell::{Told, tell};
use crate::apps::App;
use crate::bucket::Bucket;
use crate::domain::ids::{SubmissionId, TraceId};
use crate::domain::submission::{PartName, Submission};
use crate::outbound::Poster;
use crate::table::{Consistency, Due, DueEntry, TableError};

/// After how long a risky verdict that belongs to no check is not looked for any more: whoever asked has written down the
/// answer by then, or never will.
const ORPHAN_AFTER: Duration = Duration::from_secs(5 * 60);

/// What processing an entry came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processed {
    /// Something was done.
    Done,
    /// Nothing was due after all: the index was behind.
    NothingDue,
    /// Something is due, and this run's share of the quota is used up.
    HeldBack,
}

/// Does what is due of one entry; `allowed` says for each part whether WeChat may be asked now. What fails stays due.
pub async fn process_due(
    checker: &Checker,
    bucket: &Bucket,
    poster: &Poster,
    app: &App,
    entry: &DueEntry,
    allowed: impl FnMut(&Submission, PartName) -> bool + Send,
) -> Result<Processed, EraseError> {
    match &entry.what {
        Due::Submission(_, id) => process_submission(checker, bucket, app, id, allowed).await,
        Due::Telling(id) => {
            // On the heap: a request to anywhere is large, and most entries need none.
            let Told { told, failed } = Box::pin(tell(&checker.table, poster, &checker.clock, app, id)).await?;
            Ok(if told > 0 || failed { Processed::Done } else { Processed::NothingDue })
        }
        Due::Risky(trace_id) => Ok(apply_risky(checker, app, entry, trace_id).await?),
    }
}

/// Applies a risky verdict that the push which brought it could not apply.
async fn apply_risky(
    checker: &Checker,
    app: &App,
    entry: &DueEntry,
    trace_id: &TraceId,
) -> Result<Processed, TableError> {
    let (table, clock) = (&checker.table, &checker.clock);
    let trace = table.trace(&app.id, trace_id, Consistency::Strong).await?;
    match (trace.link, trace.said) {
        (Some(link), Some(said)) => {
            apply_outcome(table, clock, &app.id, trace_id, &link, &said).await?;
            Ok(Processed::Done)
        }
        // Whoever writes the link reads the verdict with it.
        (None, Some(_)) if clock.now().since(entry.due) < ORPHAN_AFTER => Ok(Processed::NothingDue),
        _ => {
            table.risky_applied(&app.id, trace_id).await?;
            Ok(Processed::Done)
        }
    }
}

async fn process_submission(
    checker: &Checker,
    bucket: &Bucket,
    app: &App,
    id: &SubmissionId,
    mut allowed: impl FnMut(&Submission, PartName) -> bool + Send,
) -> Result<Processed, EraseError> {
    let (table, clock) = (&checker.table, &checker.clock);
    let Some(mut submission) = table.submission(id, Consistency::Strong).await? else {
        return Ok(Processed::NothingDue);
    };
    if !submission.is_due(clock.now()) {
        return Ok(Processed::NothingDue);
    }
    if submission.erase_due.is_some() {
        erase(table, bucket, clock, submission).await?;
        return Ok(Processed::Done);
    }
    let traces: Vec<_> = submission.open_traces().map(|(part, n, trace)| (part, n, trace.clone())).collect();
    submission = checker.link_traces(submission, traces).await?;
    submission = checker.take_known(submission).await?;
    submission = checker.wait_for_author(submission).await?;
    let paused = checker.access.paused(&app.id).await;
    let now = clock.now();
    let mut checks = Vec::new();
    let mut held_back = false;
    let begin = |submission: &mut Submission| {
        let before = submission.clone();
        held_back = false;
        checks = submission.begin_checks(paused, now, |part| {
            let allowed = allowed(&before, part);
            held_back |= !allowed;
            allowed
        });
        *submission != before
    };
    let (submission, _) = table.change_submission(submission, &[], begin).await?;
    if !checks.is_empty() {
        checker.carry_out(app, submission, &checks, SWEEP_WAITS).await?;
    }
    Ok(if held_back && checks.is_empty() { Processed::HeldBack } else { Processed::Done })
}
