//! Chains of edits: never two of one are public, whatever happens to them in whatever order.

use proptest::prelude::*;

use super::*;

/// A chain as the table keeps it: each change of one and what it changes in the others, or nothing.
struct Kept(Vec<Submission>);

impl Kept {
    fn new() -> Self {
        Self(vec![submission(true, 0)])
    }

    fn root(&self) -> &Submission {
        &self.0[0]
    }

    /// Writes what `change` makes of one, with all that it moves.
    fn change<T>(&mut self, index: usize, change: impl FnOnce(&mut Submission) -> T) {
        let before = self.0[index].clone();
        let mut after = before.clone();
        let _ = change(&mut after);
        self.write(Some(&before), after);
    }

    fn write(&mut self, before: Option<&Submission>, mut after: Submission) {
        if after.moves_chain(before) {
            let ids = self.root().members();
            let edited = after.replaces.as_ref().filter(|_| before.is_none()).map(|own| &own.id);
            let is_read = |one: &&Submission| {
                one.id != after.id && (one.id == self.root().id || ids.contains(&one.id) || edited == Some(&one.id))
            };
            let mut others: Vec<_> = self.0.iter().filter(is_read).cloned().collect();
            after.move_chain(before, &mut others);
            for other in others {
                self.put(other);
            }
        }
        self.put(after);
    }

    fn put(&mut self, mut one: Submission) {
        one.version += 1;
        match self.0.iter_mut().find(|own| own.id == one.id) {
            Some(own) => *own = stored_and_read(&one),
            None => self.0.push(stored_and_read(&one)),
        }
    }

    /// An edit of one, with what WeChat says of it at once, if it does.
    fn edit(&mut self, edited: usize, at_once: Option<Suggest>, now: Timestamp) -> Result<usize, NotEditable> {
        let replaces = self.root().edit_of(&self.0[edited])?;
        let new = NewSubmission { replaces: Some(replaces), ..new_submission(Some("改过的"), 0) };
        let mut edit = Submission::new(new, now);
        begin(&mut edit, now);
        if let Some(suggest) = at_once {
            edit.apply(&judged(TEXT, suggest), now);
        }
        self.write(None, edit);
        Ok(self.0.len() - 1)
    }

    fn judge(&mut self, index: usize, suggest: Suggest) {
        self.change(index, |one| one.apply(&judged(TEXT, suggest), T0));
    }

    fn states(&self) -> Vec<State> {
        self.0.iter().map(|one| one.state).collect()
    }
}

use State::{Approved, InReview, Pending, Rejected, Withdrawn};

/// A root whose verdict is on its way, and so many edits of it.
fn waiting(edits: usize) -> Kept {
    let mut kept = Kept::new();
    kept.change(0, |root| begin(root, T0));
    for _ in 0..edits {
        kept.edit(0, None, T0).unwrap();
    }
    kept
}

#[test]
fn an_edit_takes_the_place_of_what_it_replaces_once_it_passes() {
    let mut kept = waiting(1);
    kept.judge(0, Suggest::Pass);
    assert_eq!(kept.states(), [Approved, Pending]);
    kept.judge(1, Suggest::Pass);
    assert_eq!(kept.states(), [Withdrawn, Approved]);
    assert_eq!(kept.root().replaced_by.as_ref(), Some(&kept.0[1].id));
    assert!(kept.root().content.is_empty() && kept.root().replaces.is_none());
    // What comes late about the old one changes nothing.
    for suggest in [Suggest::Pass, Suggest::Risky] {
        kept.judge(0, suggest);
        assert_eq!(kept.states(), [Withdrawn, Approved]);
    }
    // An edit of an edit; what is replaced already may be named too, for a phone may not have heard of it.
    kept.edit(1, Some(Suggest::Pass), T0).unwrap();
    kept.edit(0, Some(Suggest::Pass), T0).unwrap();
    assert_eq!(kept.states(), [Withdrawn, Withdrawn, Withdrawn, Approved]);
}

#[test]
fn a_rejected_edit_leaves_all_as_it_was() {
    for suggest in [Suggest::Risky, Suggest::Review] {
        let mut kept = waiting(1);
        kept.judge(0, Suggest::Pass);
        kept.judge(1, suggest);
        assert_eq!(kept.states(), [Approved, if suggest == Suggest::Risky { Rejected } else { InReview }]);
        // Until a person lets it pass.
        kept.change(1, |edit| edit.decide(decision(edit, true), T0).unwrap());
        assert_eq!(kept.states(), [Withdrawn, Approved]);
    }
}

#[test]
fn of_two_edits_of_the_same_the_newer_is_public_in_either_order() {
    for order in [[1, 2], [2, 1]] {
        let mut kept = waiting(2);
        kept.judge(0, Suggest::Pass);
        for index in order {
            kept.judge(index, Suggest::Pass);
        }
        assert_eq!(kept.states(), [Withdrawn, Withdrawn, Approved]);
    }
    let mut kept = waiting(2);
    kept.judge(1, Suggest::Pass);
    assert_eq!(kept.states(), [Withdrawn, Approved, Pending], "the newer one still waits to take its place");
}

#[test]
fn an_edit_goes_with_what_it_is_an_edit_of() {
    // The public one takes all with it.
    let mut kept = waiting(2);
    kept.judge(0, Suggest::Pass);
    kept.judge(2, Suggest::Risky);
    kept.change(0, |root| root.withdraw(Actor::Owner, T0));
    assert_eq!(kept.states(), [Withdrawn, Withdrawn, Withdrawn]);
    assert!(kept.0.iter().all(|one| one.decision.as_ref().unwrap().decider == Decider::Owner));
    assert_eq!(kept.edit(1, None, T0), Err(NotEditable::Withdrawn));
    // Another takes those that were to replace it.
    let mut kept = waiting(2);
    kept.edit(1, None, T0).unwrap();
    kept.change(1, |edit| edit.withdraw(Actor::Author, T0));
    assert_eq!(kept.states(), [Pending, Withdrawn, Pending, Withdrawn]);
    kept.change(0, |root| root.withdraw(Actor::Author, T0));
    assert_eq!(kept.states(), [Withdrawn, Withdrawn, Withdrawn, Withdrawn]);
}

#[test]
fn an_edit_that_comes_in_while_all_is_taken_back_is_taken_back_too() {
    let mut kept = waiting(0);
    let replaces = kept.root().edit_of(kept.root()).unwrap();
    kept.change(0, |root| root.withdraw(Actor::Author, T0));
    let mut edit = Submission::new(NewSubmission { replaces: Some(replaces), ..new_submission(Some("改"), 0) }, T0);
    edit.apply(&judged(TEXT, Suggest::Pass), T0);
    kept.write(None, edit);
    assert_eq!(kept.states(), [Withdrawn, Withdrawn]);
}

#[test]
fn so_many_wait_and_no_more() {
    let mut kept = waiting(MAX_CHAIN - 1);
    assert_eq!(kept.edit(0, None, T0), Err(NotEditable::TooMany));
    kept.judge(MAX_CHAIN - 1, Suggest::Pass);
    assert_eq!(kept.root().members().len(), 1);
    kept.edit(0, None, T0).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Edit { edited: usize, at_once: Option<Suggest> },
    Judge { index: usize, suggest: Suggest },
    Decide { index: usize, approve: bool },
    Withdraw { index: usize },
}

fn any_step() -> impl Strategy<Value = Step> {
    let any_suggest = || prop::sample::select(&[Suggest::Pass, Suggest::Pass, Suggest::Review, Suggest::Risky][..]);
    prop_oneof![
        (any::<usize>(), prop::option::of(any_suggest())).prop_map(|(edited, at_once)| Step::Edit { edited, at_once }),
        (any::<usize>(), any_suggest()).prop_map(|(index, suggest)| Step::Judge { index, suggest }),
        (any::<usize>(), any::<bool>()).prop_map(|(index, approve)| Step::Decide { index, approve }),
        any::<usize>().prop_map(|index| Step::Withdraw { index }),
    ]
}

proptest! {
    #[test]
    fn never_two_of_a_chain_are_public(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut kept = waiting(0);
        for step in steps {
            let count = kept.0.len();
            let public = |kept: &Kept| kept.0.iter().position(|one| one.state == Approved);
            let (before, was_public) = (kept.states(), public(&kept));
            match step {
                Step::Edit { edited, at_once } => {
                    let _ = kept.edit(edited % count, at_once, T0);
                }
                Step::Judge { index, suggest } => kept.judge(index % count, suggest),
                Step::Decide { index, approve } => kept.change(index % count, |one| one.decide(decision(one, approve), T0)),
                Step::Withdraw { index } => kept.change(index % count, |one| one.withdraw(Actor::Author, T0)),
            }
            let states = kept.states();
            prop_assert!(states.iter().filter(|state| **state == Approved).count() <= 1, "{states:?}");
            // What is public is replaced by newer ones alone.
            if let (Some(was), Some(is)) = (was_public, public(&kept)) {
                prop_assert!(is >= was, "{before:?} {states:?}");
            }
            // What its author took back is final, and nothing that was to replace it is left.
            for (index, one) in kept.0.iter().enumerate() {
                prop_assert!(before.get(index) != Some(&Withdrawn) || one.state == Withdrawn);
                let taken_back = one.state == Withdrawn && one.replaced_by.is_none();
                let left = |edit: &Submission| edit.state != Withdrawn && edit.replaces.as_ref().is_some_and(|own| own.id == one.id);
                prop_assert!(!taken_back || !kept.0.iter().any(left), "{states:?}");
            }
            let standing: Vec<_> = kept.0.iter().filter(|one| one.state != Withdrawn).map(|one| one.id.clone()).collect();
            if kept.root().chain.is_some() {
                prop_assert_eq!(kept.root().members(), standing);
            }
        }
    }
}
