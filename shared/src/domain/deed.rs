//! What people did, as the record keeps it: who did what to what, when and by which rule; no content, no openid, no free text.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{AuthorId, SubmissionId};
use super::moderator::Role;
use super::submission::Submission;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Decided about a submission.
    Decided,
    /// Took a decision of their own back.
    Reopened,
    /// Left a case to a lead.
    Escalated,
    /// Allowed rejected content to come again.
    Lifted,
    /// Banned an author.
    Banned,
    /// Lifted an author's ban.
    Unbanned,
    /// Let a moderator in.
    LetIn,
    /// Locked a moderator out.
    LockedOut,
    /// Changed the rules: the reasons, and the limit of the queue.
    SetRules,
    /// Looked for an author by openid.
    SearchedOpenid,
    /// Took a day of the record away as a file.
    Exported,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Decided,
        Self::Reopened,
        Self::Escalated,
        Self::Lifted,
        Self::Banned,
        Self::Unbanned,
        Self::LetIn,
        Self::LockedOut,
        Self::SetRules,
        Self::SearchedOpenid,
        Self::Exported,
    ];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::Reopened => "reopened",
            Self::Escalated => "escalated",
            Self::Lifted => "lifted",
            Self::Banned => "banned",
            Self::Unbanned => "unbanned",
            Self::LetIn => "let_in",
            Self::LockedOut => "locked_out",
            Self::SetRules => "set_rules",
            Self::SearchedOpenid => "searched_openid",
            Self::Exported => "exported",
        }
    }
}

/// A deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When.
    pub at: Timestamp,
    /// What.
    pub act: Act,
    /// Who, by the name that the owner's backend gave; none where the owner's backend did it itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What they may do; none for the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The submission that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<SubmissionId>,
    /// The version of the submission that came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// The author that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<AuthorId>,
    /// The state of the submission before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its state since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The code of the reason, where it is one of the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// Why it waited for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// How long it had waited, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<u64>,
    /// The moderator, or the day, that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
}

impl Deed {
    /// A deed about nothing yet.
    pub fn new(at: Timestamp, act: Act, by: Option<(&str, Role)>) -> Self {
        Self {
            at,
            act,
            by: by.map(|(name, _)| name.to_owned()),
            role: by.map(|(_, role)| role),
            submission: None,
            version: None,
            author: None,
            from: None,
            to: None,
            reason_code: None,
            causes: Vec::new(),
            waited_ms: None,
            about: None,
        }
    }

    /// One that makes of a submission what it is next.
    #[must_use]
    pub fn changing(self, before: &Submission, after: &Submission) -> Self {
        let waited = before.case().map(|case| self.at.since(case.since));
        Self {
            submission: Some(after.id.clone()),
            version: Some(after.version + 1),
            author: Some(after.author.clone()),
            from: Some(before.state.as_str().to_owned()),
            to: Some(after.state.as_str().to_owned()),
            reason_code: after.decision.as_ref().and_then(|decision| decision.reason_code.clone()),
            causes: before.cause_kinds(),
            waited_ms: waited.map(|waited| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX)),
            ..self
        }
    }
}
