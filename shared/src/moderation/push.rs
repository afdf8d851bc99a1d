//! Takes what WeChat pushes about a media check: applies it, or keeps it until the check is known.

use super::fetch::tell_unproven;
use super::keep_verdict::{keep, keep_settled};
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
///
/// A refusal is kept before it is applied, so that the due queue sees to it whatever happens. Anything else is written once,
/// into the submission, where the check is known already: what is lost there is pushed again, or asked again.
pub async fn take_push(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    trace_id: &TraceId,
    outcome: Outcome,
) -> Result<Pushed, TableError> {
    let pushed = |changed| if changed { Pushed::Applied } else { Pushed::ChangedNothing };
    if !outcome.is_risky()
        && let Some(link) = table.trace(app, trace_id, Consistency::Eventual).await?.link
    {
        let applied = apply_outcome(table, clock, app, trace_id, &link, outcome).await;
        if applied.is_err() {
            // The sweep joins it, should it not be pushed again. What went wrong is told already.
            let _ = table.record_outcome(app, trace_id, outcome, clock.now()).await;
        }
        return applied.map(pushed);
    }
    let trace = table.record_outcome(app, trace_id, outcome, clock.now()).await?;
    let Some(link) = trace.link else { return Ok(Pushed::Parked) };
    apply_outcome(table, clock, app, trace_id, &link, outcome).await.map(pushed)
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
    // The cheap read is good enough: if it is behind, the conditional write says so and hands over the newest. Only what it
    // has nothing to write for may be behind unnoticed. What is risky goes further than this submission: it is told others as
    // the newest has it.
    let reads = [Consistency::Eventual, Consistency::Strong];
    let reads = if outcome.is_risky() { &reads[1..] } else { &reads };
    let mut written = None;
    for consistency in reads {
        let Some(submission) = table.submission(&link.submission, *consistency).await? else { continue };
        if let Outcome::Verdict(verdict) = outcome
            && outcome.is_risky()
        {
            keep(table, clock, &submission, link.part, (verdict, trace_id)).await?;
        }
        let (submission, changed) = table.change_submission(submission, beside, |one| one.apply(&event, now)).await?;
        if changed {
            written = Some(submission);
            break;
        }
    }
    if let Some(submission) = &written {
        tell_unproven(submission, &event);
        if let Outcome::Verdict(verdict) = outcome {
            keep_settled(table, clock, submission, link.part, (verdict, trace_id)).await;
        }
    }
    let written = written.is_some();
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
