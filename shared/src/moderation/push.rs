//! Takes what WeChat pushes about a media check: applies it, or keeps it until the check is known.

use super::fetch::tell_unproven;
use super::keep_verdict::{keep, keep_judged, keep_settled, settles};
use crate::domain::clock::Clock;
use crate::domain::ids::{AppId, TraceId};
use crate::domain::outcome::Said;
use crate::domain::submission::{Event, Submission};
use crate::error::chain;
use crate::table::{Beside, Consistency, Judged, KnownVerdict, Table, TableError, TraceLink};

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
    said: &Said,
) -> Result<Pushed, TableError> {
    let pushed = |changed| if changed { Pushed::Applied } else { Pushed::ChangedNothing };
    if !said.outcome.is_risky()
        && let Some(link) = table.trace(app, trace_id, Consistency::Eventual).await?.link
    {
        let applied = apply_outcome(table, clock, app, trace_id, &link, said).await;
        if applied.is_err() {
            // The sweep joins it, should it not be pushed again. What went wrong is told already.
            let _ = table.record_outcome(app, trace_id, said, clock.now()).await;
        }
        return applied.map(pushed);
    }
    let trace = table.record_outcome(app, trace_id, said, clock.now()).await?;
    let Some(link) = trace.link else { return Ok(Pushed::Parked) };
    apply_outcome(table, clock, app, trace_id, &link, said).await.map(pushed)
}

/// Applies the outcome of a trace to the submission that it is linked to. Says whether that changed it.
pub(super) async fn apply_outcome(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    trace_id: &TraceId,
    link: &TraceLink,
    said: &Said,
) -> Result<bool, TableError> {
    if let Some(known) = KnownVerdict::pushed(said, trace_id).filter(|_| said.outcome.is_risky()) {
        let event = Event::pushed(link.part, link.attempt, said);
        return apply_risky(table, clock, app, (link, &event), (&known, trace_id)).await;
    }
    // The cheap read is good enough: if it is behind, the conditional write says so and hands over the newest. Only what it
    // has nothing to write for may be behind unnoticed.
    for consistency in [Consistency::Eventual, Consistency::Strong] {
        let Some(submission) = table.submission(&link.submission, consistency).await? else { continue };
        if apply_to(table, clock, submission, link, (said, trace_id)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Applies a risky verdict. It goes further than this submission: others that took a better one on the same bytes are told
/// first.
async fn apply_risky(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    (link, event): (&TraceLink, &Event),
    (known, trace_id): (&KnownVerdict, &TraceId),
) -> Result<bool, TableError> {
    let read = table.submission(&link.submission, Consistency::Strong);
    let submission = if let Some((scene, sha256)) = link.bytes {
        let judged = Judged { app, scene, sha256 };
        tokio::try_join!(read, keep_judged(table, clock, judged, &link.submission, known))?.0
    } else {
        let submission = read.await?;
        if let Some(submission) = &submission {
            keep(table, clock, submission, link.part, known).await?;
        }
        submission
    };
    if let Some(submission) = submission {
        let (beside, now) = ([Beside::RiskyApplied(app, trace_id)], clock.now());
        let (_, written) = table.change_submission(submission, &beside, |one| one.apply(event, now)).await?;
        if written {
            return Ok(true);
        }
    }
    if let Err(error) = table.risky_applied(app, trace_id).await {
        // It changes nothing any more; the sweep will find that out as well.
        let error = chain(&error);
        tracing::warn!(event = "verdict_left", app = %app, trace_id = %trace_id, error, "a verdict is left to the due queue");
    }
    Ok(false)
}

/// Applies an outcome that is not risky to a submission and writes it if that changes it. A verdict is kept for the same bytes
/// at the same time: it is one whatever becomes of the submission, and a moderator who decides meanwhile ends it there too.
async fn apply_to(
    table: &Table,
    clock: &Clock,
    submission: Submission,
    link: &TraceLink,
    (said, trace_id): (&Said, &TraceId),
) -> Result<bool, TableError> {
    let (event, now) = (Event::pushed(link.part, link.attempt, said), clock.now());
    let mut next = submission.clone();
    if !next.apply(&event, now) {
        return Ok(false);
    }
    let known = KnownVerdict::pushed(said, trace_id);
    let kept = known.as_ref().filter(|known| settles(&next, link.part, known.verdict));
    let keep = async {
        if let Some(known) = kept {
            keep_settled(table, clock, &next, link.part, known).await;
        }
    };
    let (changed, ()) = tokio::join!(table.change_submission(submission, &[], |one| one.apply(&event, now)), keep);
    let (submission, written) = changed?;
    if written {
        tell_unproven(&submission, &event);
        // As the newest has it, the verdict may hold after all.
        if let (Some(known), None) = (&known, kept) {
            keep_settled(table, clock, &submission, link.part, known).await;
        }
    }
    Ok(written)
}
