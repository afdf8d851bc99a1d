//! Where a submission stood: the last changes of its state.

use serde::{Deserialize, Serialize};

use super::{Decider, State, Submission};
use crate::domain::clock::Timestamp;

/// How many changes of state are kept, the one to the present state among them.
pub const CHANGES_KEPT: usize = 20;

/// What somebody who changed a state is. Names stand in the records of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum By {
    /// WeChat's verdicts.
    #[serde(rename = "w")]
    Wechat,
    /// A moderator.
    #[serde(rename = "m")]
    Moderator,
    /// The author.
    #[serde(rename = "a")]
    Author,
    /// The owner.
    #[serde(rename = "o")]
    Owner,
}

impl By {
    fn of(decider: &Decider) -> Self {
        match decider {
            Decider::Wechat => Self::Wechat,
            Decider::Moderator(_) => Self::Moderator,
            Decider::Author => Self::Author,
            Decider::Owner => Self::Owner,
        }
    }
}

/// A state that a submission came into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// Which.
    #[serde(rename = "s")]
    pub state: State,
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Whose decision that was, if it was one.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
}

impl Submission {
    fn present(&self) -> Past {
        let by = self.decision.as_ref().map(|decision| By::of(&decision.decider));
        Past { state: self.state, at: self.moved_at(), by }
    }

    /// Keeps where it stands, before it stands elsewhere; that it is pending at first goes without saying.
    pub(super) fn remember_state(&mut self) {
        if self.state != State::Pending {
            let dropped = self.history.len().saturating_sub(CHANGES_KEPT - 2);
            self.history.drain(..dropped);
            self.history.push(self.present());
        }
    }

    /// The states that it came into, in order, the present one last: pending first, and then the last changes.
    pub fn changes(&self) -> Vec<Past> {
        let made = Past { state: State::Pending, at: self.created_at, by: None };
        let present = (self.state != State::Pending).then(|| self.present());
        [made].into_iter().chain(self.history.iter().copied()).chain(present).collect()
    }
}
