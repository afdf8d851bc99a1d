//! Seals: what was withdrawn before it was public, and what a lead holds, is not erased at once; nobody sees it but a lead who
//! opens the seal, until that ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{State, Submission};
use crate::domain::clock::Timestamp;

/// A lead's order that nothing of a submission be erased until some day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The number of the document that asks for it.
    pub document: String,
    /// Until when.
    pub until: Timestamp,
    /// Who ordered it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
}

impl Submission {
    /// Until when it is held, if it is.
    pub fn held_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.hold.as_ref().map(|hold| hold.until).filter(|until| *until > now)
    }

    /// Until when what was erased of it stays under seal, if it was sealed.
    pub fn sealed_until(&self) -> Option<Timestamp> {
        let held = self.hold.as_ref().map(|hold| hold.until);
        self.sealed.map(|sealed| held.map_or(sealed, |held| held.max(sealed)))
    }

    /// Seals what the change from `before` erases, if it has to be kept: says whether. What was public is erased at once, and
    /// so is what its owner keeps, unless a lead holds it.
    pub(crate) fn seal(&mut self, before: Option<&Self>, sealed_for: Duration) -> bool {
        let Some(before) = before.filter(|before| !before.is_erased() && self.is_erased()) else { return false };
        let by_rule = self.state == State::Withdrawn && before.state != State::Approved && sealed_for > Duration::ZERO;
        if !by_rule && before.held_until(self.since).is_none() {
            return false;
        }
        self.sealed = Some(if by_rule { self.since.plus(sealed_for) } else { self.since });
        self.put_erasure_off();
        true
    }

    /// Puts a hold on it, or, without one, takes it away.
    pub fn put_on_hold(&mut self, hold: Option<Hold>) {
        self.hold = hold;
        self.put_erasure_off();
    }

    /// The bytes of what is sealed stay as long as the seal does.
    fn put_erasure_off(&mut self) {
        if !self.erased_once && self.erase_due.is_some() {
            self.erase_due = self.sealed_until().or(self.erase_due);
        }
    }
}
