//! Cases, and decisions about them that are taken back.

use super::*;
use crate::domain::moderator::Role;

fn in_review() -> Submission {
    let mut submission = begun(true, 1);
    submission.apply(&judged(TEXT, Suggest::Pass), T0);
    submission.apply(&judged(FIRST, Suggest::Review), T0.plus(MINUTE));
    Submission { version: 5, ..submission }
}

#[test]
fn what_waits_for_people_is_a_case_that_tells_what_filters_ask_for() {
    let mut submission = in_review();
    let case = submission.case().unwrap();
    assert_eq!((case.class, case.since, case.cause), (Class::Ordinary, T0.plus(MINUTE), "doubtful"));
    assert_eq!((case.scene, case.channel.clone()), (submission.scene, submission.channel.clone()));
    assert_eq!(submission.escalate(), Ok(true));
    assert_eq!(submission.case().unwrap(), Case { class: Class::Escalated, ..case });
    assert_eq!(submission.escalate(), Ok(false));
    let moderator = ModeratorDecision { role: Some(Role::Moderator), ..decision(&submission, true) };
    assert_eq!(submission.decide(moderator, T0), Err(NotDecided::ForALead));
    let lead = ModeratorDecision { role: Some(Role::Lead), ..decision(&submission, true) };
    submission.decide(lead, T0).unwrap();
    assert_eq!((submission.case(), submission.escalated), (None, false));
    assert_eq!(submission.escalate(), Err(NotDecided::Moved));
}

#[test]
fn a_decision_about_a_case_is_taken_back_within_a_minute_by_whoever_made_it() {
    for escalated in [false, true] {
        let before = Submission { escalated, ..in_review() };
        let mut decided = before.clone();
        let decided_at = T0.plus(HOUR);
        decided.decide(decision(&before, true), decided_at).unwrap();
        let version = decided.moved;
        let decided = Submission { version, ..decided };
        let undone = |moderator: &str, version, now| {
            let mut one = decided.clone();
            one.reopen(moderator, version, now).map(|()| one)
        };
        let undone_at = decided_at.plus(UNDO_WITHIN);
        let back = undone("li", version, undone_at).unwrap();
        assert_eq!((back.state, back.since, back.escalated), (before.state, before.since, escalated));
        assert!(!back.moderated && back.case() == before.case());
        // It is told as something new, though the case is back in its old place.
        assert_eq!(back.moved_at(), undone_at);
        assert_eq!(back.telling(version + 1)["data"]["decision"]["reopened"], true);
        assert_eq!(stored_and_read(&back), back);
        assert_eq!(undone("li", version, Timestamp(undone_at.0 + 1)), Err(NotUndone::TooLate));
        assert_eq!(undone("wang", version, decided_at), Err(NotUndone::Followed));
        assert_eq!(undone("li", version - 1, decided_at), Err(NotUndone::Followed));
        assert_eq!(back.clone().reopen("li", version, undone_at), Err(NotUndone::Followed));
        // A verdict that came meanwhile is something new to look at.
        let mut judged_since = decided.clone();
        assert!(judged_since.apply(&judged_in(FIRST, 0, Suggest::Risky), decided_at));
        assert_eq!(judged_since.reopen("li", version, decided_at), Err(NotUndone::Followed));
    }
}

#[test]
fn only_a_case_is_reopened_and_nothing_that_is_erased() {
    let mut approved = begun(true, 0);
    approved.apply(&judged(TEXT, Suggest::Pass), T0);
    approved.decide(decision(&approved, false), T0).unwrap();
    assert_eq!(approved.undo, None, "what was public was no case");
    let mut gone = Submission { retain: Retain::UntilDecided, ..in_review() };
    gone.decide(decision(&gone, false), T0).unwrap();
    assert_eq!(gone.undo, None);
    let mut withdrawn = in_review();
    withdrawn.decide(decision(&withdrawn, true), T0).unwrap();
    assert!(withdrawn.undo.is_some());
    withdrawn.withdraw(Actor::Author, T0);
    assert_eq!(withdrawn.undo, None);
}
