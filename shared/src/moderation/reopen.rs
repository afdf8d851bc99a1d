//! Takes a moderator's own decision back, shortly after it was made.

use futures_util::future::try_join_all;

use crate::domain::clock::Clock;
use crate::domain::deed::Act;
use crate::domain::moderator::Moderator;
use crate::domain::submission::{NotUndone, Submission};
use crate::table::{Beside, Saved, Table, TableError};

/// Why a decision was not taken back.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    /// The rules.
    #[error("{why}")]
    NotUndone {
        /// Why.
        why: NotUndone,
        /// How it stands.
        standing: Box<Submission>,
    },
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Takes the decision back that this moderator made in that version: the case is back in its place. It is a decision itself,
/// recorded and told.
pub async fn reopen(
    table: &Table,
    clock: &Clock,
    submission: Submission,
    (moderator, version): (&Moderator, u64),
) -> Result<Submission, ReopenError> {
    let mut standing = submission;
    // Whoever wrote first has changed something; each such write has its place once in a submission's life, so this ends.
    loop {
        let mut next = standing.clone();
        if let Err(why) = next.reopen(moderator.name.as_str(), version, clock.now()) {
            return Err(ReopenError::NotUndone { why, standing: Box::new(standing) });
        }
        let deed = moderator.deed(next.moved_at(), Act::Reopened).changing(&standing, &next);
        match table.commit(Some(&standing), &mut next, &[Beside::DecisionRecord, Beside::Recorded(&deed)]).await? {
            Saved::Done => {
                // What only this decision has rejected may come again.
                let own = Some(&next.id);
                let contents = next.contents();
                try_join_all(contents.iter().map(|(_, content)| table.forget_rejected(&next.app, *content, own)))
                    .await?;
                table.forget_looks(&next.app, &next.looks(), own).await?;
                return Ok(next);
            }
            Saved::Conflict(newer) => standing = *newer,
        }
    }
}
