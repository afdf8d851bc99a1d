//! A case: a submission that waits for people, and what its place in their queue tells.

use std::collections::BTreeSet;

use super::{GivenUp, Part, PartState, Scene, State, Submission};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, Channel};
use crate::domain::verdict::Suggest;

/// Whom a case waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Any moderator.
    Ordinary,
    /// A lead: a moderator did not want to decide it.
    Escalated,
}

/// Why a part, or all of a submission, waits for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// A person has rejected the same content before.
    CameBack,
    /// A person has rejected a picture before that looks like it.
    CameBackAlike,
    /// WeChat doubts it.
    Doubtful,
    /// WeChat passed it without having read it.
    NotRead,
    /// WeChat gave no verdict on it.
    GivenUp(GivenUp),
}

impl Cause {
    /// The kinds of causes, by the names that a queue's place and a filter have for them.
    pub const KINDS: [&'static str; 4] = ["came_back", "doubtful", "given_up", "not_read"];

    /// The name of its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::CameBack | Self::CameBackAlike => "came_back",
            Self::Doubtful => "doubtful",
            Self::NotRead => "not_read",
            Self::GivenUp(_) => "given_up",
        }
    }
}

/// What a case's place in the queue of its app tells, so that a filter need not load it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The app.
    pub app: AppId,
    /// Whom it waits for.
    pub class: Class,
    /// Since when.
    pub since: Timestamp,
    /// The feed that it would go to.
    pub channel: Option<Channel>,
    /// The scene.
    pub scene: Scene,
    /// The kind of its first cause.
    pub cause: &'static str,
}

impl Part {
    /// Why it waits for people, if it does.
    pub fn cause(&self) -> Option<Cause> {
        match self.state {
            _ if self.came_back.is_some() && self.is_done() => {
                Some(if self.alike { Cause::CameBackAlike } else { Cause::CameBack })
            }
            PartState::Settled { verdict } if verdict.suggest == Suggest::Pass => None,
            PartState::Settled { .. } if self.is_unproven() => Some(Cause::NotRead),
            PartState::Settled { .. } => Some(Cause::Doubtful),
            PartState::GivenUp { why } => Some(Cause::GivenUp(why)),
            PartState::Queued { .. } | PartState::Checking { .. } | PartState::WaitingForAuthor { .. } => None,
        }
    }
}

impl Submission {
    /// The kinds of what it waits for people for, each once; or waited for, before somebody decided.
    pub fn cause_kinds(&self) -> Vec<String> {
        let kinds: BTreeSet<&str> = self.parts.iter().filter_map(Part::cause).map(Cause::kind).collect();
        kinds.into_iter().map(str::to_owned).collect()
    }

    /// The parts that people look at, or looked at before somebody decided, each with the kind of its cause.
    pub fn doubted_parts(&self) -> Vec<String> {
        let doubted = self.parts.iter().filter_map(|part| Some(format!("{}: {}", part.name, part.cause()?.kind())));
        doubted.collect()
    }

    /// The case that it is, while it waits for people.
    pub fn case(&self) -> Option<Case> {
        if self.state != State::InReview {
            return None;
        }
        let cause = self.parts.iter().filter_map(Part::cause).min();
        Some(Case {
            app: self.app.clone(),
            class: if self.escalated { Class::Escalated } else { Class::Ordinary },
            since: self.since,
            channel: self.channel.clone(),
            scene: self.scene,
            cause: cause.unwrap_or(Cause::Doubtful).kind(),
        })
    }
}
