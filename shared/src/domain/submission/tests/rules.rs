//! A test for every rule in the life of a submission.

use super::*;

fn apply(submission: &mut Submission, events: &[Event], now: Timestamp) {
    for event in events {
        submission.apply(event, now);
    }
}

/// Gives a part up: WeChat refuses its latest attempt for good.
fn give_up(submission: &mut Submission, name: PartName, now: Timestamp) {
    let attempt = part(submission, name).attempts.len() - 1;
    assert!(submission.apply(&failed(name, attempt, Failure::Refused), now));
}

/// A submission of a text and a medium in each state that WeChat can bring about.
fn in_each_state() -> [Submission; 4] {
    let in_state = |first: Option<Suggest>, state: State| {
        let mut submission = begun(true, 1);
        submission.apply(&judged(TEXT, Suggest::Pass), T0);
        if let Some(suggest) = first {
            submission.apply(&judged(FIRST, suggest), T0);
        }
        assert_eq!(submission.state, state);
        submission
    };
    [
        in_state(None, State::Pending),
        in_state(Some(Suggest::Review), State::InReview),
        in_state(Some(Suggest::Pass), State::Approved),
        in_state(Some(Suggest::Risky), State::Rejected),
    ]
}

fn withdrawn(text: bool, media: usize) -> Submission {
    let mut submission = begun(text, media);
    assert!(submission.withdraw(Actor::Author, T0));
    submission
}

// The picture.

#[test]
fn all_parts_pass_and_it_is_approved() {
    let mut submission = begun(true, 2);
    apply(&mut submission, &[judged(TEXT, Suggest::Pass), judged(FIRST, Suggest::Pass)], T0);
    assert_eq!(submission.state, State::Pending);
    submission.apply(&judged(SECOND_MEDIUM, Suggest::Pass), T0.plus(MINUTE));
    assert_eq!((submission.state, submission.since), (State::Approved, T0.plus(MINUTE)));
    assert_eq!(submission.decision, Some(Decision::by(Decider::Wechat)));
    assert_eq!(submission.decided_at(), Some(T0.plus(MINUTE)));
    assert!(submission.reasons().is_empty());
}

#[test]
fn a_moderator_decides_at_any_time() {
    for submission in in_each_state() {
        for approve in [true, false] {
            let mut submission = submission.clone();
            submission.decide(decision(&submission, approve), T0.plus(HOUR)).unwrap();
            assert_eq!(submission.state, if approve { State::Approved } else { State::Rejected });
            let decider = Decider::Moderator("li".into());
            assert_eq!(submission.decision, Some(Decision { reason: Some("because".into()), ..Decision::by(decider) }));
            assert_eq!(submission.since, T0.plus(HOUR));
            assert_eq!(begin(&mut submission, T0.plus(HOUR * 2)), [], "WeChat is asked nothing more");
        }
    }
}

#[test]
fn a_moderator_takes_down_what_is_approved_and_restores_what_is_rejected() {
    let [.., mut approved, mut rejected] = in_each_state();
    approved.decide(decision(&approved, false), T0).unwrap();
    rejected.decide(decision(&rejected, true), T0).unwrap();
    assert_eq!((approved.state, rejected.state), (State::Rejected, State::Approved));
    // And another moderator may see it otherwise.
    approved.decide(decision(&approved, true), T0).unwrap();
    assert_eq!(approved.state, State::Approved);
}

#[test]
fn the_author_or_the_owner_withdraws_at_any_time() {
    for submission in in_each_state() {
        for (withdrawer, decider) in [(Actor::Author, Decider::Author), (Actor::Owner, Decider::Owner)] {
            let mut submission = submission.clone();
            assert!(submission.withdraw(withdrawer, T0.plus(HOUR)));
            assert_eq!((submission.state, submission.since), (State::Withdrawn, T0.plus(HOUR)));
            assert_eq!(submission.decision, Some(Decision::by(decider)));
        }
    }
}

#[test]
fn a_moderators_approval_does_not_outlive_the_withdrawal() {
    for approve in [true, false] {
        let mut submission = begun(true, 1);
        submission.decide(decision(&submission, approve), T0).unwrap();
        assert!(submission.withdraw(Actor::Author, T0));
        assert_eq!(submission.state, State::Withdrawn);
    }
}

// Fail closed.

#[test]
fn only_an_explicit_and_valid_pass_approves() {
    let answers = [
        (Some("pass"), Some(100), State::Approved),
        (Some("pass"), None, State::Approved),
        (Some("pass"), Some(20002), State::InReview),
        (Some("PASS"), Some(100), State::InReview),
        (Some("ok"), Some(100), State::InReview),
        (Some(""), Some(100), State::InReview),
        (None, Some(100), State::InReview),
        (None, Some(99999), State::InReview),
        (None, None, State::InReview),
        (Some("review"), Some(100), State::InReview),
        (Some("risky"), Some(100), State::Rejected),
    ];
    for (suggest, label, state) in answers {
        let mut submission = begun(true, 0);
        let verdict = Verdict::from_result(suggest, label);
        submission.apply(&Event::Judged { part: TEXT, attempt: 0, verdict, findings: Vec::new(), trace_id: None }, T0);
        assert_eq!(submission.state, state, "{suggest:?} {label:?}");
    }
}

#[test]
fn a_pass_for_one_part_says_nothing_of_another() {
    let mut submission = begun(true, 2);
    apply(&mut submission, &[judged(FIRST, Suggest::Pass), judged(FIRST, Suggest::Pass)], T0);
    assert!(!submission.apply(&judged(PartName::Medium(2), Suggest::Pass), T0), "there is no such part");
    assert_eq!(submission.state, State::Pending);
    assert_eq!(part(&submission, SECOND_MEDIUM).verdict(), None);
}

#[test]
fn no_failure_ever_approves() {
    let failures = [
        Failure::NoVerdict,
        Failure::Paused { until: T0.plus(HOUR) },
        Failure::AuthorAway,
        Failure::TooOften,
        Failure::NotAsked,
        Failure::Refused,
    ];
    for failure in failures {
        let mut submission = begun(true, 0);
        for attempt in 0..8 {
            submission.apply(&failed(TEXT, attempt, failure), T0.plus(HOUR));
            begin(&mut submission, T0.plus(HOUR * 5));
            assert!(matches!(submission.state, State::Pending | State::InReview), "{failure:?}");
        }
    }
}

#[test]
fn what_has_nothing_to_judge_is_not_approved_for_that() {
    let mut submission = submission(false, 0);
    submission.apply(&judged(TEXT, Suggest::Pass), T0);
    begin(&mut submission, T0.plus(PATIENCE));
    assert_eq!(submission.state, State::Pending);
}

// Verdicts.

#[test]
fn the_first_risky_rejects_at_once() {
    let mut submission = begun(true, 2);
    submission.apply(&judged(FIRST, Suggest::Risky), T0.plus(SECOND));
    assert_eq!((submission.state, submission.since), (State::Rejected, T0.plus(SECOND)));
    assert_eq!(submission.queue(), None, "nobody waits for the rest");
    assert_eq!(begin(&mut submission, T0.plus(HOUR)), []);
    assert_eq!(submission.reasons(), [Reason { part: FIRST, why: Why::Judged(Some(Label(20002))) }]);
    // Nor does the rest make it better.
    let rest = [judged(TEXT, Suggest::Pass), judged(FIRST, Suggest::Pass), judged(SECOND_MEDIUM, Suggest::Pass)];
    apply(&mut submission, &rest, T0.plus(MINUTE));
    assert_eq!((submission.state, submission.since), (State::Rejected, T0.plus(SECOND)));
}

#[test]
fn in_review_begins_when_every_part_is_settled_or_given_up_and_not_all_pass() {
    let mut doubted = begun(true, 1);
    doubted.apply(&judged(TEXT, Suggest::Review), T0);
    assert_eq!(doubted.state, State::Pending, "the picture may yet be risky");
    let mut unanswered = doubted.clone();
    doubted.apply(&judged(FIRST, Suggest::Pass), T0.plus(MINUTE));
    give_up(&mut unanswered, FIRST, T0.plus(MINUTE));
    for submission in [&doubted, &unanswered] {
        assert_eq!((submission.state, submission.since), (State::InReview, T0.plus(MINUTE)));
        assert_eq!((submission.decided_at(), &submission.decision), (None, &None));
    }
    let doubt = Reason { part: TEXT, why: Why::Judged(Some(Label(20002))) };
    assert_eq!(doubted.reasons(), std::slice::from_ref(&doubt));
    assert_eq!(unanswered.reasons(), [doubt, Reason { part: FIRST, why: Why::NotJudged }]);
}

#[test]
fn a_later_risky_rejects_what_is_approved() {
    let [_, _, mut submission, _] = in_each_state();
    assert!(!submission.apply(&judged(FIRST, Suggest::Review), T0.plus(MINUTE)), "a doubt comes too late");
    assert_eq!(submission.state, State::Approved);
    assert!(submission.apply(&judged(FIRST, Suggest::Risky), T0.plus(HOUR)));
    assert_eq!((submission.state, submission.since), (State::Rejected, T0.plus(HOUR)));
    assert_eq!(submission.reasons(), [Reason { part: FIRST, why: Why::Judged(Some(Label(20002))) }]);
}

#[test]
fn a_later_risky_rejects_what_is_in_review() {
    let [_, mut doubted, ..] = in_each_state();
    doubted.apply(&judged(FIRST, Suggest::Risky), T0.plus(HOUR));
    let mut given_up = begun(false, 1);
    give_up(&mut given_up, FIRST, T0);
    given_up.apply(&judged(FIRST, Suggest::Risky), T0.plus(HOUR));
    assert_eq!((doubted.state, given_up.state), (State::Rejected, State::Rejected));
}

#[test]
fn the_missing_passes_complete_a_review_that_was_only_given_up() {
    let mut submission = begun(true, 2);
    submission.apply(&judged(TEXT, Suggest::Pass), T0);
    give_up(&mut submission, FIRST, T0);
    give_up(&mut submission, SECOND_MEDIUM, T0);
    assert_eq!(submission.state, State::InReview);
    submission.apply(&judged(FIRST, Suggest::Pass), T0.plus(MINUTE));
    assert_eq!(submission.state, State::InReview, "one is missing yet");
    submission.apply(&judged(SECOND_MEDIUM, Suggest::Pass), T0.plus(HOUR));
    assert_eq!((submission.state, submission.since), (State::Approved, T0.plus(HOUR)));
}

#[test]
fn passes_do_not_complete_a_review_that_wechat_doubted() {
    let mut submission = begun(true, 1);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    give_up(&mut submission, FIRST, T0);
    apply(&mut submission, &[judged(FIRST, Suggest::Pass), judged(TEXT, Suggest::Pass)], T0.plus(HOUR));
    assert_eq!((submission.state, submission.since), (State::InReview, T0));
}

#[test]
fn a_verdict_never_overrides_a_moderator() {
    for suggest in [Suggest::Pass, Suggest::Review, Suggest::Risky] {
        for approve in [true, false] {
            for mut submission in in_each_state() {
                submission.decide(decision(&submission, approve), T0).unwrap();
                let (state, decision) = (submission.state, submission.decision.clone());
                apply(&mut submission, &[judged(TEXT, suggest), judged(FIRST, suggest)], T0.plus(HOUR));
                assert_eq!((submission.state, submission.since, &submission.decision), (state, T0, &decision));
            }
        }
    }
}

#[test]
fn a_verdict_never_revives_what_is_withdrawn() {
    let mut submission = withdrawn(true, 1);
    let before = submission.clone();
    for event in [judged(TEXT, Suggest::Pass), judged(FIRST, Suggest::Pass), judged(FIRST, Suggest::Risky)] {
        assert!(!submission.apply(&event, T0.plus(HOUR)));
    }
    assert_eq!(submission, before);
}

#[test]
fn a_verdict_for_an_earlier_attempt_of_the_same_part_counts() {
    let mut submission = begun(false, 1);
    submission.apply(&taken(FIRST, 0), T0);
    assert_eq!(begin(&mut submission, T0.plus(PUSH_WITHIN)).len(), 1);
    let second = T0.plus(PUSH_WITHIN);
    submission.apply(&taken(FIRST, 1), second);
    let known: Vec<_> = submission.open_traces().map(|(part, attempt, trace)| (part, attempt, trace.clone())).collect();
    assert_eq!(known, [(FIRST, 0, trace(FIRST, 0)), (FIRST, 1, trace(FIRST, 1))]);
    submission.apply(&judged(FIRST, Suggest::Pass), second.plus(MINUTE));
    assert_eq!(submission.state, State::Approved);
    assert_eq!(submission.open_traces().count(), 0);
}

#[test]
fn a_failure_of_an_earlier_attempt_does_not_count() {
    let mut submission = begun(false, 1);
    submission.apply(&taken(FIRST, 0), T0);
    begin(&mut submission, T0.plus(PUSH_WITHIN));
    submission.apply(&taken(FIRST, 1), T0.plus(PUSH_WITHIN));
    let before = submission.clone();
    for failure in [Failure::NoVerdict, Failure::AuthorAway, Failure::TooOften, Failure::Refused] {
        assert!(!submission.apply(&failed(FIRST, 0, failure), T0.plus(HOUR)));
    }
    assert_eq!(submission, before);
}

#[test]
fn a_failing_push_that_comes_twice_fails_its_part_once() {
    let mut submission = begun(false, 1);
    submission.apply(&taken(FIRST, 0), T0);
    assert!(submission.apply(&failed(FIRST, 0, Failure::NoVerdict), T0));
    let before = submission.clone();
    // Were it to count again, each look of the sweep would put the next attempt off.
    assert!(!submission.apply(&failed(FIRST, 0, Failure::NoVerdict), T0.plus(SECOND)));
    assert_eq!(submission, before);
    assert_eq!(submission.open_traces().count(), 0, "nothing more can come of it unnoticed");
    submission.apply(&judged(FIRST, Suggest::Pass), T0.plus(SECOND));
    assert_eq!(submission.state, State::Approved, "a verdict counts all the same");
}

#[test]
fn while_it_is_pending_the_worst_that_was_said_of_a_part_holds() {
    for (one, other) in [(Suggest::Review, Suggest::Pass), (Suggest::Pass, Suggest::Review)] {
        let mut submission = begun(true, 1);
        apply(&mut submission, &[judged(FIRST, one), judged(FIRST, other), judged(TEXT, Suggest::Pass)], T0);
        assert_eq!(submission.state, State::InReview);
    }
}

#[test]
fn a_push_before_our_own_write_is_not_undone_by_it() {
    let mut submission = begun(false, 1);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    submission.apply(&taken(FIRST, 0), T0.plus(SECOND));
    assert_eq!(submission.state, State::Approved);
    assert_eq!(part(&submission, FIRST).verdict(), Some(verdict(Suggest::Pass)));
    assert_eq!(part(&submission, FIRST).attempts[0].trace_id, Some(trace(FIRST, 0)), "the record is complete");
}

#[test]
fn nothing_is_decided_twice() {
    for suggest in [Suggest::Pass, Suggest::Review, Suggest::Risky] {
        let mut submission = begun(false, 1);
        assert!(submission.apply(&judged(FIRST, suggest), T0));
        let before = submission.clone();
        assert!(!submission.apply(&judged(FIRST, suggest), T0.plus(HOUR)));
        assert_eq!(submission, before);
    }
}

#[test]
fn everything_public_is_judged() {
    let fields: [fn(&mut Content) -> &mut Option<String>; 4] = [
        |content| &mut content.title,
        |content| &mut content.text,
        |content| &mut content.nickname,
        |content| &mut content.signature,
    ];
    for field in fields {
        let mut new = new_submission(None, 0);
        *field(&mut new.content) = Some("你好".into());
        let submission = Submission::new(new, T0);
        assert_eq!(submission.parts, [Part::queued(TEXT, T0)]);
        assert_eq!(submission.content.judged(), "你好");
    }
    let names = submission(true, MAX_MEDIA).parts.into_iter().map(|part| part.name);
    let media = (0..9).map(PartName::Medium);
    assert!(names.eq([TEXT].into_iter().chain(media)));
}

// Who sees it.

#[test]
fn everyone_sees_the_approved_its_author_the_rest_and_nobody_the_withdrawn() {
    let seen = in_each_state().map(|submission| submission.visible_to());
    assert_eq!(seen, [VisibleTo::Author, VisibleTo::Author, VisibleTo::Everyone, VisibleTo::Author]);
    assert_eq!(withdrawn(true, 1).visible_to(), VisibleTo::Nobody);
}

#[test]
fn withdrawn_is_final() {
    let mut submission = withdrawn(true, 2);
    let before = submission.clone();
    let returned = Event::AuthorReturned { active_at: T0.plus(HOUR) };
    for event in [taken(FIRST, 0), failed(TEXT, 0, Failure::NoVerdict), judged(TEXT, Suggest::Risky), returned] {
        assert!(!submission.apply(&event, T0.plus(HOUR)));
    }
    for approve in [true, false] {
        assert_eq!(submission.decide(decision(&submission, approve), T0), Err(NotDecided::Withdrawn));
    }
    assert!(!submission.withdraw(Actor::Owner, T0.plus(HOUR)));
    assert_eq!(begin(&mut submission, T0.plus(HOUR)), []);
    assert_eq!(submission, before);
}

#[test]
fn a_moderator_decides_on_what_was_seen_and_on_nothing_else() {
    for submission in in_each_state() {
        let mut submission = Submission { version: 3, moved: 3, ..submission };
        let before = submission.clone();
        for version in [0, 2, 4] {
            let by = ModeratorDecision { version, ..decision(&submission, true) };
            assert_eq!(submission.decide(by, T0), Err(NotDecided::Moved));
        }
        assert_eq!(submission, before);
        submission.decide(decision(&submission, true), T0).unwrap();
    }
}

#[test]
fn a_doubt_during_a_review_is_not_forgotten() {
    let mut submission = begun(false, 2);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    give_up(&mut submission, SECOND_MEDIUM, T0);
    submission.apply(&judged(FIRST, Suggest::Review), T0.plus(MINUTE));
    submission.apply(&judged(SECOND_MEDIUM, Suggest::Pass), T0.plus(HOUR));
    assert_eq!(submission.state, State::InReview);
}

#[test]
fn an_earlier_attempts_failure_does_not_end_a_pause() {
    let mut submission = begun(false, 1);
    begin(&mut submission, T0.plus(ASK_LEASE));
    submission.apply(&failed(FIRST, 1, Failure::Paused { until: T0.plus(HOUR * 10) }), T0.plus(ASK_LEASE));
    let before = part(&submission, FIRST).state;
    submission.apply(&failed(FIRST, 0, Failure::NoVerdict), T0.plus(ASK_LEASE + SECOND));
    assert_eq!(part(&submission, FIRST).state, before);
}

#[test]
fn the_clock_stands_for_a_check_that_is_lost_during_a_pause() {
    let mut submission = submission(false, 1);
    let asked = T0.plus(HOUR * 23 + MINUTE * 30);
    begin(&mut submission, asked);
    submission.apply(&taken(FIRST, 0), asked);
    let paused = Paused { text: None, media: Some(T0.plus(HOUR * 30)) };
    submission.begin_checks(paused, asked.plus(PUSH_WITHIN), |_| true);
    assert_eq!(submission.state, State::Pending);
}

#[test]
fn a_check_that_was_taken_after_all_is_watched() {
    let mut submission = begun(false, 1);
    submission.apply(&failed(FIRST, 0, Failure::NoVerdict), T0);
    submission.apply(&taken(FIRST, 0), T0.plus(SECOND));
    assert_eq!(submission.open_traces().count(), 1);
}

/// A submission of one medium whose check WeChat has taken, and has read nothing of.
fn unread() -> Submission {
    let mut submission = submission(false, 1);
    submission.begin_checks(Paused::default(), T0, |_| true);
    submission.apply(&taken(FIRST, 0), T0);
    submission
}

#[test]
fn a_pass_without_having_read_is_checked_once_more_and_then_people_look() {
    let mut submission = unread();
    assert!(submission.apply(&judged(FIRST, Suggest::Pass), T0.plus(MINUTE)));
    assert_eq!((submission.state, submission.due), (State::Pending, Some(T0.plus(MINUTE))));
    assert_eq!(submission.open_traces().count(), 0);
    let checks = submission.begin_checks(Paused::default(), T0.plus(MINUTE), |_| true);
    assert_eq!(checks.iter().map(|check| check.attempt).collect::<Vec<_>>(), [1]);
    submission.apply(&judged_in(FIRST, 1, Suggest::Pass), T0.plus(HOUR));
    assert_eq!((submission.state, submission.decision.as_ref()), (State::InReview, None));
    assert_eq!(submission.reasons(), [Reason { part: FIRST, why: Why::NotRead }]);
}

#[test]
fn a_pass_counts_once_all_was_read_in_whatever_ranges() {
    let piece = |first, last| Event::Fetched { part: FIRST, attempt: 0, first, last };
    let mut submission = unread();
    assert!(submission.apply(&piece(500, SIZE - 1), T0) && !submission.apply(&piece(600, 700), T0));
    let mut too_early = submission.clone();
    too_early.apply(&judged(FIRST, Suggest::Pass), T0);
    assert_eq!(too_early.state, State::Pending);
    submission.apply(&piece(0, 499), T0);
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    assert_eq!(submission.state, State::Approved);
}

#[test]
fn what_was_read_in_one_check_proves_nothing_about_another() {
    let mut submission = unread();
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    submission.begin_checks(Paused::default(), T0, |_| true);
    assert!(!submission.apply(&read(FIRST, 0), T0), "that check is over");
    assert!(!submission.apply(&judged(FIRST, Suggest::Pass), T0), "and so is its verdict");
    let mut other_way = submission.clone();
    submission.apply(&read(FIRST, 1), T0);
    submission.apply(&judged_in(FIRST, 1, Suggest::Pass), T0);
    assert_eq!(submission.state, State::Approved);
    other_way.apply(&judged_in(FIRST, 1, Suggest::Pass), T0);
    assert_eq!(other_way.state, State::InReview);
    assert!(!other_way.apply(&read(FIRST, 1), T0), "a verdict that precedes the reading is not about what was read");
}

#[test]
fn doubt_and_refusal_need_no_proof() {
    for (suggest, state) in [(Suggest::Review, State::InReview), (Suggest::Risky, State::Rejected)] {
        let mut submission = unread();
        submission.apply(&judged(FIRST, suggest), T0);
        assert_eq!(submission.state, state);
        assert_eq!(submission.reasons(), [Reason { part: FIRST, why: Why::Judged(Some(Label(20002))) }]);
    }
}

#[test]
fn a_late_pass_without_proof_does_not_disturb_the_check_that_is_under_way() {
    let mut submission = unread();
    begin(&mut submission, T0.plus(PUSH_WITHIN));
    submission.apply(&taken(FIRST, 1), T0.plus(PUSH_WITHIN));
    let before = part(&submission, FIRST).state;
    assert!(submission.apply(&judged(FIRST, Suggest::Pass), T0.plus(PUSH_WITHIN)));
    assert_eq!(part(&submission, FIRST).state, before);
    submission.apply(&judged_in(FIRST, 1, Suggest::Pass), T0.plus(HOUR));
    assert_eq!(submission.state, State::Approved);
}

#[test]
fn a_pass_without_proof_in_the_last_attempt_is_left_to_people_as_such() {
    let mut submission = unread();
    for attempt in 0..3 {
        submission.apply(&failed(FIRST, attempt, Failure::NoVerdict), T0.plus(HOUR));
        submission.begin_checks(Paused::default(), T0.plus(HOUR * 2), |_| true);
    }
    submission.apply(&judged_in(FIRST, 3, Suggest::Pass), T0.plus(HOUR * 2));
    assert_eq!(submission.reasons(), [Reason { part: FIRST, why: Why::NotRead }]);
}

#[test]
fn a_verdict_that_is_known_about_the_same_bytes_is_taken_over() {
    let known = |suggest| Event::Known {
        part: FIRST,
        verdict: verdict(suggest),
        trace_id: Some(trace(FIRST, 7)),
        findings: Vec::new(),
    };
    for (suggest, state) in
        [(Suggest::Pass, State::Approved), (Suggest::Review, State::InReview), (Suggest::Risky, State::Rejected)]
    {
        let mut submission = submission(false, 1);
        assert!(submission.apply(&known(suggest), T0));
        assert_eq!((submission.state, part(&submission, FIRST).known.as_ref()), (state, Some(&trace(FIRST, 7))));
        assert!(begin(&mut submission, T0).is_empty());
    }
}

#[test]
fn a_note_that_changes_nothing_to_decide_about_is_no_conflict_for_a_moderator() {
    let mut submission = Submission { version: 1, ..unread() };
    let seen = decision(&submission, true);
    submission.apply(&read(FIRST, 0), T0);
    submission.version += 1;
    assert_eq!(submission.clone().decide(seen.clone(), T0), Ok(()));
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    submission.version += 1;
    assert_eq!(submission.decide(seen, T0), Err(NotDecided::Moved));
}
