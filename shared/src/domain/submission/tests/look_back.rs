//! The rules about what is kept for looking back: how attempts ended, and where a submission stood.

use super::*;

/// How each attempt at a part ended: when, with which errcode, with which verdict.
fn ends(submission: &Submission, name: PartName) -> Vec<(Option<Timestamp>, Option<i64>, Option<Suggest>)> {
    let part = part(submission, name);
    let end = |(index, attempt): (usize, &Attempt)| {
        (attempt.ended_at(), attempt.errcode, part.verdict_of(index).map(|verdict| verdict.suggest))
    };
    part.attempts.iter().enumerate().map(end).collect()
}

#[test]
fn an_attempt_keeps_when_it_ended_and_with_which_errcode_or_verdict() {
    let mut submission = begun(false, 1);
    let failed = Event::Failed { part: FIRST, attempt: 0, failure: Failure::NoVerdict, errcode: Some(-1008) };
    submission.apply(&taken(FIRST, 0), T0);
    submission.apply(&failed, T0.plus(SECOND));
    let again = T0.plus(HOUR);
    begin(&mut submission, again);
    assert_eq!(ends(&submission, FIRST), [(Some(T0.plus(SECOND)), Some(-1008), None), (None, None, None)]);
    submission.apply(&judged_in(FIRST, 1, Suggest::Pass), again.plus(SECOND));
    let submission = stored_and_read(&submission);
    assert_eq!(
        ends(&submission, FIRST),
        [(Some(T0.plus(SECOND)), Some(-1008), None), (Some(again.plus(SECOND)), None, Some(Suggest::Pass))]
    );
    assert_eq!(part(&submission, FIRST).attempts[1].verdict, None, "it is the part's, and written once");
}

#[test]
fn an_attempt_keeps_its_verdict_when_a_worse_one_holds() {
    let mut submission = begun(false, 1);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    let known = Event::Known { part: FIRST, verdict: verdict(Suggest::Risky), trace_id: None, findings: Vec::new() };
    submission.apply(&known, T0.plus(SECOND));
    let submission = stored_and_read(&submission);
    let own = part(&submission, FIRST);
    assert_eq!(ends(&submission, FIRST), [(Some(T0), None, Some(Suggest::Pass))]);
    assert_eq!((own.known_at, own.known_verdict()), (Some(T0.plus(SECOND)), Some(verdict(Suggest::Risky))));
}

#[test]
fn a_verdict_of_an_attempt_that_had_failed_is_kept_with_both() {
    let mut submission = begun(false, 1);
    submission.apply(&Event::Failed { part: FIRST, attempt: 0, failure: Failure::NoVerdict, errcode: Some(-1) }, T0);
    submission.apply(&judged(FIRST, Suggest::Review), T0.plus(SECOND));
    assert_eq!(ends(&submission, FIRST), [(Some(T0.plus(SECOND)), Some(-1), Some(Suggest::Review))]);
}

#[test]
fn a_pass_without_proof_ends_its_attempt_and_is_no_verdict() {
    let mut submission = submission(false, 1);
    submission.begin_checks(Paused::default(), T0, |_| true);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    assert!(part(&submission, FIRST).attempts[0].unproven);
    assert_eq!(ends(&submission, FIRST), [(Some(T0), None, None)]);
}

#[test]
fn what_is_not_taken_keeps_its_errcode_until_it_is_tried_again() {
    let mut submission = begun(true, 0);
    let away = Event::Failed { part: TEXT, attempt: 0, failure: Failure::AuthorAway, errcode: Some(61010) };
    submission.apply(&away, T0);
    assert_eq!(ends(&submission, TEXT), [(Some(T0), Some(61010), None)]);
    submission.apply(&Event::AuthorReturned { active_at: T0 }, T0);
    begin(&mut submission, T0);
    assert_eq!(ends(&submission, TEXT), [(None, None, None)]);
}

#[test]
fn the_last_attempt_that_an_older_release_wrote_is_the_one_that_was_judged() {
    let mut submission = begun(true, 0);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    submission.parts[0].attempts[0].took_ms = None;
    assert_eq!(ends(&submission, TEXT), [(None, None, Some(Suggest::Review))]);
}

#[test]
fn what_is_approved_at_once_keeps_no_history() {
    let mut submission = begun(true, 0);
    submission.apply(&judged(TEXT, Suggest::Pass), T0.plus(SECOND));
    assert!(submission.history.is_empty());
    let changes: Vec<_> = submission.changes().into_iter().map(|past| (past.state, past.at, past.by)).collect();
    assert_eq!(changes, [(State::Pending, T0, None), (State::Approved, T0.plus(SECOND), Some(By::Wechat))]);
}

#[test]
fn of_25_changes_of_state_the_last_20_are_kept() {
    let mut submission = begun(true, 0);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    let moment = |change: u32| T0.plus(MINUTE * change);
    for change in 2..=25 {
        let by = decision(&submission, change % 2 == 0);
        submission.decide(by, moment(change)).unwrap();
    }
    let submission = stored_and_read(&submission);
    let changes = submission.changes();
    assert_eq!(changes[0], Past { state: State::Pending, at: T0, by: None });
    let kept: Vec<Timestamp> = changes[1..].iter().map(|past| past.at).collect();
    assert_eq!(kept, (6..=25).map(moment).collect::<Vec<_>>());
    assert!(changes[1..].iter().all(|past| past.by == Some(By::Moderator)));
    assert_eq!((changes[20].state, changes[19].state), (State::Rejected, State::Approved));
}

#[test]
fn a_decision_that_is_taken_back_is_a_change_of_its_own() {
    let mut submission = begun(true, 0);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    submission.decide(decision(&submission, true), T0.plus(MINUTE)).unwrap();
    let back = T0.plus(MINUTE).plus(SECOND);
    submission.reopen("li", submission.moved, back).unwrap();
    submission.decide(decision(&submission, false), T0.plus(HOUR)).unwrap();
    let changes: Vec<_> = submission.changes().into_iter().map(|past| (past.state, past.at, past.by)).collect();
    assert_eq!(
        changes,
        [
            (State::Pending, T0, None),
            (State::InReview, T0, None),
            (State::Approved, T0.plus(MINUTE), Some(By::Moderator)),
            (State::InReview, back, Some(By::Moderator)),
            (State::Rejected, T0.plus(HOUR), Some(By::Moderator)),
        ]
    );
}

#[test]
fn the_parts_that_people_look_at_are_named_with_their_causes() {
    let mut submission = begun(true, 2);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    submission.apply(&failed(SECOND_MEDIUM, 0, Failure::Refused), T0);
    assert_eq!(submission.doubted_parts(), ["text: doubtful", "media/1: given_up"]);
}
