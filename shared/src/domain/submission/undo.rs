//! Takes a moderator's decision about a case back, shortly after it was made and while nothing has followed.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Decider, Decision, State, Submission};
use crate::domain::clock::Timestamp;

/// How long a decision about a case may be taken back by whoever made it.
pub const UNDO_WITHIN: Duration = Duration::from_secs(60);

/// What a decision about a case is taken back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Since when the case waited: its place in the queue.
    since: Timestamp,
    /// It waited for a lead.
    #[serde(default)]
    escalated: bool,
}

/// Why a decision is not taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUndone {
    /// It was made too long ago.
    #[error("the decision was made too long ago")]
    TooLate,
    /// It is not this moderator's last word about a case, or something has followed upon it.
    #[error("something has followed upon the decision")]
    Followed,
}

impl Submission {
    /// What a decision made now could be taken back to. Only cases are reopened: what was public or refused before was no case.
    pub(super) fn undo_of_decision(&self) -> Option<Undo> {
        (self.state == State::InReview).then_some(Undo { since: self.since, escalated: self.escalated })
    }

    /// Takes the decision back that this moderator made in that version: the case is back in its place, and no moderator has
    /// spoken.
    pub fn reopen(&mut self, moderator: &str, version: u64, now: Timestamp) -> Result<(), NotUndone> {
        let is_theirs = matches!(
            &self.decision, Some(Decision { decider: Decider::Moderator(name), .. }) if name == moderator
        );
        let Some(undo) = self.undo.clone().filter(|_| is_theirs && self.moved == version) else {
            return Err(NotUndone::Followed);
        };
        if now > self.since.plus(UNDO_WITHIN) {
            return Err(NotUndone::TooLate);
        }
        self.undo = None;
        self.remember_state();
        self.state = State::InReview;
        self.since = undo.since;
        self.escalated = undo.escalated;
        self.moderated = false;
        self.moved = self.version + 1;
        self.reopened_at = Some(now);
        self.decision = Some(Decision::by(Decider::Moderator(moderator.to_owned())));
        Ok(())
    }

    /// When its state last changed: `since`, but for a case that was reopened, which is back in its place.
    pub fn moved_at(&self) -> Timestamp {
        self.reopened_at.map_or(self.since, |reopened_at| reopened_at.max(self.since))
    }
}
