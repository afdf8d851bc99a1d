//! Takes a moderator's decision, which holds against every verdict.

use std::collections::BTreeSet;

use super::keep_verdict::overruled;
use super::lift::lift;
use crate::domain::clock::Clock;
use crate::domain::deed::{Act, Deed};
use crate::domain::moderator::Role;
use crate::domain::submission::{ModeratorDecision, NotDecided, Submission};
use crate::table::{Beside, Saved, Table, TableError, by_band};

/// Why a decision was not taken.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The submission does not stand as the moderator saw it, or is not theirs to decide.
    #[error("{why}")]
    NotDecided {
        /// Why.
        why: NotDecided,
        /// How it stands.
        standing: Box<Submission>,
    },
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Decides about a submission, and keeps the record of who did. What WeChat said otherwise about its media is taken over by
/// no other submission from now on.
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
        if let Err(why) = decided.decide(decision.clone(), clock.now()) {
            return Err(DecideError::NotDecided { why, standing: Box::new(submission) });
        }
        let overruled = overruled(&decided).into_iter().map(Beside::VerdictOverruled);
        // As it stands before: what is not retained is erased with the decision.
        let contents: BTreeSet<_> = submission.contents().into_iter().map(|(_, content)| content).collect();
        let rejected = contents.into_iter().filter(|_| !decision.approve).map(Beside::ContentRejected);
        let looks = if decision.approve { BTreeSet::new() } else { submission.looks() };
        table.make_room_for(&submission.app, &looks, decided.since).await?;
        let looks = by_band(looks);
        let alike = looks.iter().map(|(band, looks)| Beside::LooksRejected(*band, looks));
        let by = decision.role.map(|role| (decision.moderator.as_str(), role));
        let deed = Deed { by: Some(decision.moderator.clone()), ..Deed::new(decided.since, Act::Decided, by) };
        let deed = deed.changing(&submission, &decided);
        let kept = [Beside::DecisionRecord, Beside::Recorded(&deed)];
        let beside: Vec<_> = kept.into_iter().chain(overruled).chain(rejected).chain(alike).collect();
        match table.commit(Some(&submission), &mut decided, &beside).await? {
            Saved::Done if decision.approve && decision.role != Some(Role::Moderator) && submission.came_back() => {
                // The newest word holds, of those who may lift what was rejected.
                lift(table, &submission).await?;
                return Ok(decided);
            }
            Saved::Done => return Ok(decided),
            Saved::Conflict(standing) => submission = *standing,
        }
    }
}
