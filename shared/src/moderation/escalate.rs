//! Leaves a case to a lead.

use super::decide::DecideError;
use crate::domain::clock::Clock;
use crate::domain::deed::Act;
use crate::domain::moderator::Moderator;
use crate::domain::submission::Submission;
use crate::table::{Beside, Saved, Table};

/// Escalates a case: from now on it waits for a lead.
///
/// # Errors
/// When it waits for nobody any more.
pub async fn escalate(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    submission: Submission,
) -> Result<Submission, DecideError> {
    let mut standing = submission;
    // Whoever wrote first has changed something; each such write has its place once in a submission's life, so this ends.
    loop {
        let mut next = standing.clone();
        match next.escalate() {
            Ok(true) => {}
            Ok(false) => return Ok(standing),
            Err(why) => return Err(DecideError::NotDecided { why, standing: Box::new(standing) }),
        }
        let deed = moderator.deed(clock.now(), Act::Escalated).changing(&standing, &next);
        match table.commit(Some(&standing), &mut next, &[Beside::Recorded(&deed)]).await? {
            Saved::Done => return Ok(next),
            Saved::Conflict(newer) => standing = *newer,
        }
    }
}
