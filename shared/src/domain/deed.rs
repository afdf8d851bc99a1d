//! What was done, as the record keeps it: who did what to what, when and by which rule; no content, no openid, no free text.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{AuthorId, SubmissionId};
use super::moderator::Role;
use super::submission::{Decider, GivenUp, PartState, State, Submission};
use super::verdict::Verdict;

/// What somebody did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Submitted something that is not decided at once.
    Submitted,
    /// Decided about a submission.
    Decided,
    /// Left a submission to people.
    LeftToPeople,
    /// Took a submission back for good.
    Withdrew,
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
    /// Took a day of the record, or all about a submission or an author, away as a file.
    Exported,
    /// Put a hold on a submission: nothing of it is erased.
    Held,
    /// Took a hold away.
    Released,
    /// Looked at what is under seal.
    OpenedSeal,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Submitted,
        Self::Decided,
        Self::LeftToPeople,
        Self::Withdrew,
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
        Self::Held,
        Self::Released,
        Self::OpenedSeal,
    ];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Decided => "decided",
            Self::LeftToPeople => "left_to_people",
            Self::Withdrew => "withdrew",
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
            Self::Held => "held",
            Self::Released => "released",
            Self::OpenedSeal => "opened_seal",
        }
    }
}

/// Who did it, where it was no moderator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doer {
    /// The author.
    Author,
    /// The owner's backend.
    Owner,
    /// WeChat, by its verdicts.
    Wechat,
    /// The clock: WeChat was asked in vain for too long.
    Clock,
}

impl Doer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Author, Self::Owner, Self::Wechat, Self::Clock];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Owner => "owner",
            Self::Wechat => "wechat",
            Self::Clock => "clock",
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
    /// Who, by the name that the owner's backend gave; none where no person is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Who, where it was no moderator; with neither the owner's backend did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doer: Option<Doer>,
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
    /// How old the submission was, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// The worst that WeChat had said of it, where WeChat or the clock decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
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
            doer: None,
            role: by.map(|(_, role)| role),
            submission: None,
            version: None,
            author: None,
            from: None,
            to: None,
            reason_code: None,
            causes: Vec::new(),
            waited_ms: None,
            age_ms: None,
            verdict: None,
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
            waited_ms: waited.map(milliseconds),
            age_ms: Some(milliseconds(self.at.since(after.created_at))),
            ..self
        }
    }

    /// What a write of a submission that a rule made, its author or its owner is in the record: one that changed its state, which
    /// was `before`, or made it. None of a moderator's, which stands there already, in the same transaction.
    pub fn of_turn(before: Option<State>, after: &Submission) -> Option<Self> {
        if before == Some(after.state) || after.is_decided_by_moderator() {
            return None;
        }
        let act = match after.state {
            State::Pending => Act::Submitted,
            State::Approved | State::Rejected => Act::Decided,
            State::InReview => Act::LeftToPeople,
            State::Withdrawn => Act::Withdrew,
        };
        let in_vain = |why: &GivenUp| matches!(why, GivenUp::Attempts | GivenUp::Time);
        let is_given_up =
            after.parts.iter().any(|part| matches!(&part.state, PartState::GivenUp { why } if in_vain(why)));
        let doer = match (after.state, after.decision.as_ref().map(|decision| &decision.decider)) {
            (State::Pending, _) | (_, Some(Decider::Author)) => Doer::Author,
            (_, Some(Decider::Owner)) => Doer::Owner,
            (State::InReview, _) if is_given_up => Doer::Clock,
            _ => Doer::Wechat,
        };
        let by_rule = matches!(doer, Doer::Wechat | Doer::Clock);
        let worst = after.parts.iter().filter_map(|part| part.verdict()).max_by_key(|verdict| verdict.suggest);
        let at = after.moved_at();
        Some(Self {
            doer: Some(doer),
            submission: Some(after.id.clone()),
            version: Some(after.version),
            author: Some(after.author.clone()),
            from: before.map(|before| before.as_str().to_owned()),
            to: Some(after.state.as_str().to_owned()),
            causes: if after.state == State::InReview { after.cause_kinds() } else { Vec::new() },
            age_ms: Some(milliseconds(at.since(after.created_at))),
            verdict: worst.filter(|_| by_rule),
            ..Self::new(at, act, None)
        })
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
