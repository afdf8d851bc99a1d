//! Notes what WeChat has read of a medium: the proof that its verdict is about these bytes.

use crate::domain::clock::Clock;
use crate::domain::submission::{Event, PartName, Submission};
use crate::domain::verdict::Suggest;
use crate::table::{Table, TableError};

/// Some of a medium that is read through the URL of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Which medium.
    pub medium: u8,
    /// Which attempt's URL, from 0.
    pub attempt: usize,
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
}

/// Notes that WeChat was given these bytes. Whoever hands out the last of them waits for this, for a verdict may come as
/// soon as they are there.
pub async fn note_fetched(
    table: &Table,
    clock: &Clock,
    submission: Submission,
    reading: Reading,
) -> Result<(), TableError> {
    let Reading { medium, attempt, first, last } = reading;
    let (event, now) = (Event::Fetched { part: PartName::Medium(medium), attempt, first, last }, clock.now());
    table.change_submission(submission, &[], |one| one.apply(&event, now)).await.map(drop)
}

/// Tells the operator of a pass that counted for nothing, because WeChat had not read the medium: what it was about, once
/// `event` was applied.
pub(super) fn tell_unproven(submission: &Submission, event: &Event) {
    let Event::Judged { part, attempt, verdict, .. } = event else { return };
    let judged = submission.part(*part).and_then(|part| part.attempts.get(*attempt));
    if verdict.suggest == Suggest::Pass && judged.is_some_and(|attempt| attempt.unproven) {
        let (app, id, trace_id) = (&submission.app, &submission.id, judged.and_then(|judged| judged.trace_id.as_ref()));
        let trace_id = trace_id.map(tracing::field::display);
        tracing::warn!(event = "pass_without_proof", %app, submission = %id, %part, attempt, trace_id, "WeChat passed a medium that it has not read to its end");
    }
}
