//! Chains of edits: what else changes when one of a chain changes, so that never two of them are public.

use serde::{Deserialize, Serialize};

use super::{Decider, State, Submission};
use crate::domain::author::Actor;
use crate::domain::ids::SubmissionId;

/// How many of a chain may wait at once, the public one included: all of them change in one transaction, which DynamoDB ends at
/// a hundred items.
pub const MAX_CHAIN: usize = 20;

/// What an edit stands in for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaces {
    /// The submission that was edited.
    pub id: SubmissionId,
    /// The first of the chain.
    pub root: SubmissionId,
}

/// What the root of a chain, its first submission, knows of the others. Each change that could make one of them public writes
/// the root as well, so such changes come one after another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// The one that is public, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    live: Option<SubmissionId>,
    /// Those that are not withdrawn, oldest first.
    members: Vec<SubmissionId>,
}

impl Chain {
    fn place(&self, id: &SubmissionId) -> Option<usize> {
        self.members.iter().position(|member| member == id)
    }
}

/// Why a submission cannot be edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEditable {
    /// It is taken back, and with it whatever was to replace it.
    #[error("it is withdrawn")]
    Withdrawn,
    /// Too many edits of it wait already.
    #[error("too many edits wait")]
    TooMany,
}

impl Submission {
    /// The first of its chain; itself, if it is no edit.
    pub fn root(&self) -> &SubmissionId {
        self.replaces.as_ref().map_or(&self.id, |replaces| &replaces.root)
    }

    /// The members of the chain that this is the root of, itself included.
    pub fn members(&self) -> Vec<SubmissionId> {
        self.chain.as_ref().map_or_else(|| vec![self.id.clone()], |chain| chain.members.clone())
    }

    /// What an edit of `edited` replaces, which belongs to the chain that this is the root of. It may have been replaced already:
    /// a phone may not have heard of it.
    ///
    /// # Errors
    /// When it is taken back, or too many edits wait.
    pub fn edit_of(&self, edited: &Self) -> Result<Replaces, NotEditable> {
        let members = self.members();
        if members.is_empty() || edited.is_taken_back() {
            return Err(NotEditable::Withdrawn);
        }
        if members.len() >= MAX_CHAIN {
            return Err(NotEditable::TooMany);
        }
        Ok(Replaces { id: edited.id.clone(), root: self.id.clone() })
    }

    /// It is withdrawn, and not because an edit took its place.
    fn is_taken_back(&self) -> bool {
        self.state == State::Withdrawn && self.replaced_by.is_none()
    }

    /// Whether others of its chain may have to change with this change: it is new there, begins or ceases to be public, or is
    /// taken back.
    pub fn moves_chain(&self, before: Option<&Self>) -> bool {
        let is_in_one = self.replaces.is_some() || self.chain.is_some();
        is_in_one
            && before.is_none_or(|before| {
                before.state != self.state
                    && [before.state, self.state]
                        .iter()
                        .any(|state| matches!(state, State::Approved | State::Withdrawn))
            })
    }

    /// Changes the others of a chain as the change of this one demands: its root, the members that are not withdrawn, and, of
    /// what is new, what it replaces.
    ///
    /// What becomes public takes the place of what is, and of all that is older; what is newer still waits to take its own.
    /// With the one that is public its author takes back all of them, with another one those that were to replace it.
    pub fn move_chain(&mut self, before: Option<&Self>, others: &mut [Self]) {
        let now = self.since;
        let root = self.root().clone();
        let known =
            if root == self.id { self.chain.clone() } else { others.iter().find_map(|other| other.chain.clone()) };
        let mut chain = known.unwrap_or_else(|| Chain { live: None, members: vec![root.clone()] });
        if before.is_none() {
            // What it replaces was taken back while this came in.
            let edited = self.replaces.as_ref().and_then(|own| others.iter().find(|other| other.id == own.id));
            if chain.members.is_empty() || edited.is_none_or(Self::is_taken_back) {
                self.withdraw(Actor::Author, now);
            }
            chain.members.push(self.id.clone());
        }
        match self.state {
            State::Approved => {
                let own = chain.place(&self.id);
                let is_older = |other: &Self| chain.place(&other.id) < own;
                let others = others.iter_mut().filter(|other| other.state != State::Withdrawn);
                for other in others.filter(|other| other.state == State::Approved || is_older(other)) {
                    other.withdraw(Actor::Author, now);
                    other.replaced_by = Some(self.id.clone());
                    // What it took the place of is erased, so there is no way back.
                    self.undo = None;
                }
                chain.live = Some(self.id.clone());
            }
            State::Withdrawn => {
                let was_live = before.is_some_and(|before| before.state == State::Approved);
                let by_owner = self.decision.as_ref().is_some_and(|decision| decision.decider == Decider::Owner);
                let actor = if by_owner { Actor::Owner } else { Actor::Author };
                let edits: Vec<_> = others.iter().map(|other| was_live || other.is_edit_of(&self.id, others)).collect();
                for (other, _) in others.iter_mut().zip(edits).filter(|(_, goes)| *goes) {
                    other.withdraw(actor, now);
                }
            }
            State::Pending | State::InReview | State::Rejected => {}
        }
        let all = || others.iter().chain(std::iter::once(&*self));
        let stands = |id: &SubmissionId, state| all().any(|one| one.id == *id && one.state == state);
        chain.live = chain.live.filter(|live| stands(live, State::Approved));
        chain.members.retain(|member| !stands(member, State::Withdrawn));
        if root == self.id {
            self.chain = Some(chain);
        } else if let Some(root) = others.iter_mut().find(|other| other.id == root) {
            root.chain = Some(chain);
        }
    }

    /// Whether this is an edit of that one, or an edit of an edit of it.
    fn is_edit_of(&self, id: &SubmissionId, others: &[Self]) -> bool {
        let edited = |one: &Self| one.replaces.as_ref().map(|replaces| replaces.id.clone());
        let step = |edit: &SubmissionId| others.iter().find(|other| other.id == *edit).and_then(edited);
        // No longer than there are submissions: an edit is younger than what it replaces.
        std::iter::successors(edited(self), step).take(others.len() + 1).any(|edited| edited == *id)
    }
}
