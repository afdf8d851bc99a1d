//! Takes a moderator's decision, which holds against every verdict.

use crate::domain::clock::Clock;
use crate::domain::submission::{ModeratorDecision, NotDecided, Submission};
use crate::table::{Beside, Saved, Table, TableError};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The submission does not stand as the moderator saw it.
    #[error(transparent)]
    NotDecided(#[from] NotDecided),
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Decides about a submission, and keeps the record of who did.
pub async fn decide(
    table: &Table,
    clock: &Clock,
    submission: Submission,
    decision: ModeratorDecision,
) -> Result<Submission, DecideError> {
    let mut submission = submission;
    // Others write as well, and not all that they write is another thing to decide about: each such write has its place once
    // in a submission's life, so this ends.
    loop {
        let mut decided = submission.clone();
        decided.decide(decision.clone(), clock.now())?;
        match table.commit(Some(&submission), &mut decided, &[Beside::DecisionRecord]).await? {
            Saved::Done => return Ok(decided),
            Saved::Conflict(standing) => submission = *standing,
        }
    }
}
