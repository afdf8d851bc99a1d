//! Takes what WeChat pushes about a media check: applies it, or keeps it until the check is known.

use crate::domain::clock::Clock;
use crate::domain::ids::{AppId, TraceId};
use crate::domain::outcome::Outcome;
use crate::domain::submission::Event;
use crate::error::chain;
use crate::table::{Beside, Consistency, Table, TableError, TraceLink};

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It was applied to its submission.
    Applied,
    /// It came before, or too late to change anything.
    ChangedNothing,
    /// Nothing links to its trace yet; it is kept.
    Parked,
}

/// Applies what WeChat pushed about a trace, or keeps it until the trace is linked. Where the table does not answer, the
/// push must come again.
pub async fn take_push(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    trace_id: &TraceId,
    outcome: Outcome,
) -> Result<Pushed, TableError> {
    let trace = table.record_outcome(app, trace_id, outcome, clock.now()).await?;
    let Some(link) = trace.link else { return Ok(Pushed::Parked) };
    let changed = apply_outcome(table, clock, app, trace_id, &link, outcome).await?;
    Ok(if changed { Pushed::Applied } else { Pushed::ChangedNothing })
}

/// Applies the outcome of a trace to the submission that it is linked to. Says whether that changed it.
pub(super) async fn apply_outcome(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    trace_id: &TraceId,
    link: &TraceLink,
    outcome: Outcome,
) -> Result<bool, TableError> {
    let (event, now) = (Event::pushed(link.part, link.attempt, outcome), clock.now());
    let applied = [Beside::RiskyApplied(app, trace_id)];
    let beside: &[Beside<'_>] = if outcome.is_risky() { &applied } else { &[] };
    // The cheap read is good enough: if it is behind, the conditional write says so and hands over the newest.
    let submission = match table.submission(&link.submission, Consistency::Eventual).await? {
        Some(submission) => Some(submission),
        None => table.submission(&link.submission, Consistency::Strong).await?,
    };
    let written = match submission {
        Some(submission) => table.change_submission(submission, beside, |one| one.apply(&event, now)).await?.1,
        None => false,
    };
    if outcome.is_risky()
        && !written
        && let Err(error) = table.risky_applied(app, trace_id).await
    {
        // It changes nothing any more; the sweep will find that out as well.
        let error = chain(&error);
        tracing::warn!(event = "verdict_left", app = %app, trace_id = %trace_id, error, "a verdict is left to the due queue");
    }
    Ok(written)
}
