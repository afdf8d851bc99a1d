//! What happens to a submission, and what it answers: checks to make, or why not.

use crate::domain::clock::Timestamp;
use crate::domain::desk::RejectReason;
use crate::domain::finding::Finding;
use crate::domain::ids::{SubmissionId, TraceId, UrlSecret};
use crate::domain::moderator::Role;
use crate::domain::outcome::{Outcome, Said};
use crate::domain::verdict::Verdict;

use super::part::PartName;

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// WeChat took a media check and will push the verdict.
    Taken {
        /// The part.
        part: PartName,
        /// Which attempt, from 0.
        attempt: usize,
        /// WeChat's name for the check.
        trace_id: TraceId,
    },
    /// WeChat judged. A verdict on an earlier attempt counts as well: it is about the same bytes.
    Judged {
        /// The part.
        part: PartName,
        /// Which attempt, from 0.
        attempt: usize,
        /// What WeChat said.
        verdict: Verdict,
        /// What was found, if it is no pass.
        findings: Vec<Finding>,
        /// For the text: WeChat's name for the check that decided. A medium's is known already.
        trace_id: Option<TraceId>,
    },
    /// WeChat has judged the same bytes for the same scene before: a medium takes that verdict, and is not asked about.
    Known {
        /// The part.
        part: PartName,
        /// The verdict that holds about them.
        verdict: Verdict,
        /// WeChat's name for the check that it came of.
        trace_id: Option<TraceId>,
        /// What was found in them.
        findings: Vec<Finding>,
    },
    /// A person has rejected the same content before, or a picture like it, with that submission: people look at it whatever
    /// WeChat says.
    CameBack {
        /// The part.
        part: PartName,
        /// The submission.
        of: SubmissionId,
        /// It was a picture like this one, and not the same.
        alike: bool,
    },
    /// Some of a medium was read through the URL that WeChat was given.
    Fetched {
        /// The part.
        part: PartName,
        /// Which attempt's URL, from 0.
        attempt: usize,
        /// The first byte that was read.
        first: u64,
        /// The last byte that was read.
        last: u64,
    },
    /// The check came to nothing. Only the latest attempt can fail a part.
    Failed {
        /// The part.
        part: PartName,
        /// Which attempt, from 0.
        attempt: usize,
        /// How.
        failure: Failure,
        /// WeChat's errcode, if it gave one.
        errcode: Option<i64>,
    },
    /// The author has opened a session: what waits for that is queued, if it waited before.
    AuthorReturned {
        /// When the author did.
        active_at: Timestamp,
    },
}

/// How a check came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Asked, and no verdict: WeChat busy or slow, its answer unreadable, or its push an error.
    NoVerdict,
    /// A quota is used up until then. No attempt.
    Paused {
        /// Until when the API is not called.
        until: Timestamp,
    },
    /// The author was not active in the last two hours (61010). No attempt.
    AuthorAway,
    /// The same medium was submitted too often (87020). No attempt.
    TooOften,
    /// Nothing was asked: no connection, or no access token to ask with. No attempt.
    NotAsked,
    /// WeChat refused, and will each time.
    Refused,
}

impl Event {
    /// What WeChat pushed about the check that was attempt `attempt` of `part`.
    pub fn pushed(part: PartName, attempt: usize, said: &Said) -> Self {
        match said.outcome {
            Outcome::Verdict(verdict) => {
                Self::Judged { part, attempt, verdict, findings: said.findings.clone(), trace_id: None }
            }
            Outcome::Failed { errcode } => Self::Failed { part, attempt, failure: Failure::NoVerdict, errcode },
        }
    }
}

/// Until when an API must not be called, if it must not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// msg_sec_check.
    pub text: Option<Timestamp>,
    /// media_check_async.
    pub media: Option<Timestamp>,
}

impl Paused {
    pub(super) fn until(self, part: PartName, now: Timestamp) -> Option<Timestamp> {
        let until = match part {
            PartName::Text => self.text,
            PartName::Medium(_) => self.media,
        };
        until.filter(|until| *until > now)
    }
}

/// A check that is to be made now: one request to WeChat (for a long text, one a window).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// The part.
    pub part: PartName,
    /// Which attempt, from 0.
    pub attempt: usize,
    /// The secret in the URL that WeChat is given; none for the text.
    pub secret: Option<UrlSecret>,
}

/// What a moderator decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeratorDecision {
    /// Public from now on, or not.
    pub approve: bool,
    /// Why, for whoever reads Chinese, or in the moderator's own words.
    pub reason: String,
    /// The reason of the app's list that it is, if it is one.
    pub listed: Option<RejectReason>,
    /// Who, by the name the owner's backend knows.
    pub moderator: String,
    /// What they may do in the console; none where the owner's backend decides, which may do anything.
    pub role: Option<Role>,
    /// The version that the moderator looked at.
    pub version: u64,
}

/// Why a moderator's decision was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    /// It changed since the moderator looked.
    #[error("the submission has changed")]
    Moved,
    /// It is withdrawn.
    #[error("the submission is withdrawn")]
    Withdrawn,
    /// It was escalated, and whoever decides is no lead.
    #[error("the case waits for a lead")]
    ForALead,
    /// What was decided about is erased, so it cannot be restored.
    #[error("the submission is erased")]
    Erased,
}
