//! A part of a submission: what gets its own verdict.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::finding::Finding;
use crate::domain::ids::{SubmissionId, TraceId, UrlSecret};
use crate::domain::verdict::{Suggest, Verdict};

use super::fetched::Fetched;

/// Which part: the text, or the medium at an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum PartName {
    /// All of the text, however many windows it is judged in.
    Text,
    /// The medium at this index.
    Medium(u8),
}

impl fmt::Display for PartName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("text"),
            Self::Medium(index) => write!(formatter, "media/{index}"),
        }
    }
}

impl From<PartName> for String {
    fn from(name: PartName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for PartName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text == "text" {
            return Ok(Self::Text);
        }
        let index = text.strip_prefix("media/").and_then(|index| index.parse().ok());
        index.map(Self::Medium).ok_or("a part is `text` or `media/<index>`")
    }
}

/// One request to WeChat about one part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The secret in the URL that WeChat downloads a medium from; written before WeChat is asked.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<UrlSecret>,
    /// When WeChat was asked.
    #[serde(rename = "a", default)]
    pub asked_at: Timestamp,
    /// WeChat's name for the check, once it was taken.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<TraceId>,
    /// How it ended, if it ended without a verdict.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// How many milliseconds after it was asked it ended, with a verdict or without: fewer digits than a moment. None while it
    /// has not ended, and where an older release wrote it. [`Attempt::ended_at`] tells the moment.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<i64>,
    /// WeChat's errcode, if it ended with one.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub errcode: Option<i64>,
    /// The verdict it brought, where that is not the one that holds about its part: to keep items small that is written once.
    /// [`Part::verdict_of`] tells both.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What WeChat has read of the medium through this attempt's URL.
    #[serde(rename = "f", default, skip_serializing_if = "Fetched::is_empty")]
    pub fetched: Fetched,
    /// WeChat said `pass` and had not read the medium to its end: that counts for nothing.
    #[serde(rename = "u", default, skip_serializing_if = "is_false")]
    pub unproven: bool,
}

/// How an attempt ended without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It came to nothing, and that was acted upon: being told so again changes nothing.
    Failed,
    /// WeChat did not take it, so it does not count. The next attempt takes its place.
    NotTaken,
}

/// Why WeChat is not asked about a part any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenUp {
    /// All attempts failed, or their pushes were lost.
    Attempts,
    /// It took too long.
    Time,
    /// WeChat will never judge it: it refused for good.
    Refused,
}

/// Where a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// WeChat has not taken it.
    Queued {
        /// When to try (again).
        due: Timestamp,
    },
    /// WeChat has taken it and will push a verdict.
    Checking {
        /// When the push counts as lost.
        due: Timestamp,
    },
    /// WeChat wants its author to visit the app first (61010).
    WaitingForAuthor {
        /// Since when; a login after this moment queues it again.
        since: Timestamp,
        /// When to look again.
        due: Timestamp,
    },
    /// WeChat has judged it.
    Settled {
        /// The verdict that holds.
        verdict: Verdict,
    },
    /// WeChat gave no verdict; a person has to.
    GivenUp {
        /// Why.
        why: GivenUp,
    },
}

/// What gets its own verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Which one.
    #[serde(rename = "n")]
    pub name: PartName,
    /// Where it stands.
    #[serde(rename = "s")]
    pub state: PartState,
    /// The requests to WeChat about it, oldest first.
    #[serde(rename = "a", default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// WeChat's name for the check of another submission whose verdict about the same bytes holds here.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub known: Option<TraceId>,
    /// When the verdict about the same bytes was taken over.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<Timestamp>,
    /// A person has rejected the same content before, with this submission.
    #[serde(rename = "j", default, skip_serializing_if = "Option::is_none")]
    pub came_back: Option<SubmissionId>,
    /// It was not the same that was rejected, but a picture that looks like it.
    #[serde(rename = "l", default, skip_serializing_if = "is_false")]
    pub alike: bool,
    /// What WeChat found in it, where the verdict that holds is no pass; gone when the content is.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// How often in a row WeChat could not even be asked; the next try waits longer each time.
    #[serde(rename = "b", default, skip_serializing_if = "is_zero_u32")]
    pub setbacks: u32,
    /// For how many milliseconds the clock stood because an API was paused.
    #[serde(rename = "p", default, skip_serializing_if = "is_zero_i64")]
    pub paused_ms: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_u32(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero_i64(value: &i64) -> bool {
    *value == 0
}

impl Attempt {
    /// When it ended, as far as that was written.
    pub fn ended_at(&self) -> Option<Timestamp> {
        self.took_ms.map(|took| Timestamp(self.asked_at.0.saturating_add(took)))
    }

    /// Notes that it has ended now.
    pub(super) fn end_at(&mut self, now: Timestamp) {
        self.took_ms = Some(now.0.saturating_sub(self.asked_at.0));
    }
}

impl Part {
    /// A part that WeChat has not been asked about.
    pub fn queued(name: PartName, due: Timestamp) -> Self {
        Self {
            name,
            state: PartState::Queued { due },
            attempts: Vec::new(),
            known: None,
            known_at: None,
            came_back: None,
            alike: false,
            findings: Vec::new(),
            setbacks: 0,
            paused_ms: 0,
        }
    }

    /// The verdict that holds, if there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.state {
            PartState::Settled { verdict } => Some(verdict),
            _ => None,
        }
    }

    /// The verdict that an attempt brought, if it brought one that counted.
    pub fn verdict_of(&self, attempt: usize) -> Option<Verdict> {
        let one = self.attempts.get(attempt)?;
        if one.verdict.is_some() || one.ended.is_some() {
            return one.verdict;
        }
        // Older releases did not write when anything ended: there the last attempt is the one that was judged.
        let undated = self.attempts.iter().all(|other| other.took_ms.is_none()) && self.known.is_none();
        let is_last = attempt + 1 == self.attempts.len();
        let judged = one.took_ms.is_some() || (undated && is_last && self.known_at.is_none());
        self.verdict().filter(|_| judged)
    }

    /// The verdict about the same bytes that was taken over, if it is the one that holds.
    pub fn known_verdict(&self) -> Option<Verdict> {
        let is_taken_over = self.known_at.is_some() || self.known.is_some();
        let is_own = |attempt| self.attempts.get(attempt).is_some_and(|one: &Attempt| one.verdict.is_none());
        let holds_otherwise =
            (0..self.attempts.len()).any(|attempt| is_own(attempt) && self.verdict_of(attempt).is_some());
        self.verdict().filter(|_| is_taken_over && !holds_otherwise)
    }

    /// A person has to look because WeChat passed it without having read it.
    pub fn is_unproven(&self) -> bool {
        let doubtful = self.verdict() == Some(Verdict { suggest: Suggest::Review, label: None });
        doubtful && self.attempts.iter().any(|attempt| attempt.unproven)
    }

    /// How many attempts count.
    pub fn attempts_made(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.ended != Some(Ended::NotTaken)).count()
    }

    /// Nothing more is asked of WeChat about it.
    pub fn is_done(&self) -> bool {
        matches!(self.state, PartState::Settled { .. } | PartState::GivenUp { .. })
    }

    /// When something has to be done about it.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            PartState::Queued { due } | PartState::Checking { due } | PartState::WaitingForAuthor { due, .. } => {
                Some(due)
            }
            PartState::Settled { .. } | PartState::GivenUp { .. } => None,
        }
    }
}
