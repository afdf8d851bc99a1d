//! Where a submission waits: it stands in at most one queue.

use super::{PartName, State, Submission};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, Channel};

/// Where a submission waits; it stands in at most one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queue {
    /// The due queue: something is to be done at that time.
    Due {
        /// When.
        at: Timestamp,
    },
    /// A channel's feed.
    Feed {
        /// Which app.
        app: AppId,
        /// Which channel.
        channel: Channel,
        /// When it was approved.
        since: Timestamp,
    },
}

/// What it may take to process what is due of a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// None of WeChat's APIs: bytes are to be erased.
    Erasure,
    /// Text checks.
    Text,
    /// Media checks.
    Media,
    /// Both.
    Both,
}

impl DueKind {
    /// What a submission may take. It is what the submission is made of, not what is left to do: it stands in the due
    /// queue's key, and each change of a key costs two writes.
    pub fn of(submission: &Submission) -> Self {
        match (submission.part(PartName::Text), submission.media.is_empty()) {
            _ if submission.erase_due.is_some() => Self::Erasure,
            (Some(_), true) => Self::Text,
            (Some(_), false) => Self::Both,
            (None, _) => Self::Media,
        }
    }
}

impl Submission {
    /// Where it waits.
    pub fn queue(&self) -> Option<Queue> {
        if let Some(at) = self.erase_due {
            return Some(Queue::Due { at });
        }
        match self.state {
            State::Pending => self.due.map(|at| Queue::Due { at }),
            State::Approved => self.channel.as_ref().map(|channel| Queue::Feed {
                app: self.app.clone(),
                channel: channel.clone(),
                since: self.since,
            }),
            // Of what waits for people its case stands in the review queue.
            State::InReview | State::Rejected | State::Withdrawn => None,
        }
    }

    /// Something is to be done about it now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        matches!(self.queue(), Some(Queue::Due { at }) if at <= now)
    }
}
