//! Tests of the core: what they are made of, and the rules about when: attempts, deadlines, queues, erasure, URLs.

mod cases;
mod chains;
mod look_back;
mod orders;
mod rules;

use std::time::Duration;

use super::*;
use crate::domain::ids::TraceId;
use crate::domain::verdict::{Suggest, Verdict};

const T0: Timestamp = Timestamp(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// How many bytes each medium has.
const SIZE: u64 = 1_000;
const TEXT: PartName = PartName::Text;
const FIRST: PartName = PartName::Medium(0);
const SECOND_MEDIUM: PartName = PartName::Medium(1);

fn new_submission(text: Option<&str>, media: usize) -> NewSubmission {
    let medium = |index: usize| Medium {
        media_type: MediaType::Jpeg,
        sha256: Sha256::of(&[u8::try_from(index).unwrap()]),
        size: SIZE,
        author_secret: UrlSecret::random(),
        dimensions: None,
        look: None,
        ai_label: None,
    };
    NewSubmission {
        id: SubmissionId::random(),
        app: AppId::parse("wx1").unwrap(),
        openid: OpenId::parse("o1").unwrap(),
        scene: Scene::Forum,
        content: Content { text: text.map(Into::into), ..Content::default() },
        media: (0..media).map(medium).collect(),
        channel: Some(Channel::parse("square").unwrap()),
        metadata: Some(serde_json::json!({ "order": 7 })),
        external_id: Some("theirs".into()),
        tells: false,
        replaces: None,
        reply_to: None,
        context: None,
        retain: Retain::Always,
        vouched: false,
        request_hash: Some("hash".into()),
    }
}

/// A new submission with a text, or without, and so many media.
fn submission(text: bool, media: usize) -> Submission {
    Submission::new(new_submission(text.then_some("你好"), media), T0)
}

/// One whose checks were all begun at [`T0`].
fn begun(text: bool, media: usize) -> Submission {
    let mut submission = submission(text, media);
    begin(&mut submission, T0);
    submission
}

/// Begins what is due, with no API paused and nothing held back; WeChat reads what it is given to its end.
fn begin(submission: &mut Submission, now: Timestamp) -> Vec<Check> {
    let checks = submission.begin_checks(Paused::default(), now, |_| true);
    for check in &checks {
        submission.apply(&read(check.part, check.attempt), now);
    }
    checks
}

/// WeChat reads a medium to its end.
fn read(part: PartName, attempt: usize) -> Event {
    Event::Fetched { part, attempt, first: 0, last: SIZE - 1 }
}

fn verdict(suggest: Suggest) -> Verdict {
    let label = if suggest == Suggest::Pass { Label::NORMAL } else { Label(20002) };
    Verdict { suggest, label: Some(label) }
}

fn judged(part: PartName, suggest: Suggest) -> Event {
    judged_in(part, 0, suggest)
}

fn judged_in(part: PartName, attempt: usize, suggest: Suggest) -> Event {
    Event::Judged { part, attempt, verdict: verdict(suggest), findings: Vec::new(), trace_id: None }
}

fn trace(part: PartName, attempt: usize) -> TraceId {
    TraceId::parse(&format!("{}-{attempt}", part.to_string().replace('/', "-"))).unwrap()
}

fn taken(part: PartName, attempt: usize) -> Event {
    Event::Taken { part, attempt, trace_id: trace(part, attempt) }
}

fn failed(part: PartName, attempt: usize, failure: Failure) -> Event {
    Event::Failed { part, attempt, failure, errcode: None }
}

fn part(submission: &Submission, name: PartName) -> &Part {
    submission.part(name).unwrap()
}

fn decision(submission: &Submission, approve: bool) -> ModeratorDecision {
    // What was changed and not written is seen once it is.
    let version = submission.version.max(submission.moved);
    ModeratorDecision { approve, reason: "because".into(), moderator: "li".into(), listed: None, role: None, version }
}

/// As the table keeps it, and back. Id, app and author stand in the item's keys, the version beside the document.
fn stored_and_read(submission: &Submission) -> Submission {
    let mut document = serde_json::to_value(submission).unwrap();
    document["id"] = submission.id.as_str().into();
    document["app"] = submission.app.as_str().into();
    document["author"] = submission.author.as_str().into();
    // Through text, for what JSON cannot carry would be lost there.
    let document = document.to_string();
    Submission { version: submission.version, ..serde_json::from_str(&document).unwrap() }
}

fn due(submission: &Submission, name: PartName) -> Timestamp {
    part(submission, name).due().unwrap()
}

fn given_up(why: GivenUp) -> PartState {
    PartState::GivenUp { why }
}

fn wechats_secret(submission: &Submission, attempt: usize) -> String {
    part(submission, FIRST).attempts[attempt].secret.as_ref().unwrap().as_str().to_owned()
}

// Attempts.

#[test]
fn a_part_is_queued_then_checking_then_settled() {
    let mut submission = submission(false, 1);
    assert_eq!(part(&submission, FIRST).state, PartState::Queued { due: T0 });
    begin(&mut submission, T0);
    submission.apply(&taken(FIRST, 0), T0.plus(SECOND));
    assert_eq!(part(&submission, FIRST).state, PartState::Checking { due: T0.plus(SECOND + MINUTE * 35) });
    submission.apply(&judged(FIRST, Suggest::Pass), T0.plus(MINUTE));
    assert_eq!(part(&submission, FIRST).state, PartState::Settled { verdict: verdict(Suggest::Pass) });
}

#[test]
fn a_check_that_was_begun_is_begun_by_nobody_else_for_a_while() {
    let mut submission = submission(true, 1);
    let checks = begin(&mut submission, T0);
    assert_eq!(checks.iter().map(|check| (check.part, check.attempt)).collect::<Vec<_>>(), [(TEXT, 0), (FIRST, 0)]);
    assert!(checks[0].secret.is_none() && checks[1].secret.is_some(), "a text is not downloaded");
    assert_eq!(begin(&mut submission, T0.plus(ASK_LEASE - SECOND)), []);
    // Whoever began is dead by now.
    assert_eq!(begin(&mut submission, T0.plus(ASK_LEASE)).len(), 2);
}

#[test]
fn a_failed_attempt_is_repeated_after_1_5_and_15_minutes() {
    let (mut submission, mut now) = (submission(true, 0), T0);
    for (attempt, wait) in [(0, MINUTE), (1, MINUTE * 5), (2, MINUTE * 15)] {
        assert_eq!(begin(&mut submission, now).len(), 1);
        assert!(submission.apply(&failed(TEXT, attempt, Failure::NoVerdict), now));
        assert_eq!(part(&submission, TEXT).state, PartState::Queued { due: now.plus(wait) });
        assert_eq!(begin(&mut submission, now.plus(wait - SECOND)), []);
        now = now.plus(wait);
    }
}

#[test]
fn after_4_failed_attempts_a_part_is_given_up() {
    let (mut submission, mut now) = (submission(true, 0), T0);
    for attempt in 0..4 {
        assert_eq!(submission.state, State::Pending);
        assert_eq!(begin(&mut submission, now).len(), 1);
        submission.apply(&failed(TEXT, attempt, Failure::NoVerdict), now);
        now = now.plus(HOUR);
    }
    assert_eq!(part(&submission, TEXT).state, given_up(GivenUp::Attempts));
    assert_eq!(submission.state, State::InReview);
}

#[test]
fn after_4_lost_pushes_a_part_is_given_up() {
    let (mut submission, mut now) = (submission(false, 1), T0);
    for attempt in 0..4 {
        assert_eq!(begin(&mut submission, now).len(), 1);
        submission.apply(&taken(FIRST, attempt), now);
        now = now.plus(PUSH_WITHIN);
    }
    assert_eq!(begin(&mut submission, now), []);
    assert_eq!(part(&submission, FIRST).state, given_up(GivenUp::Attempts));
    assert_eq!(submission.open_traces().count(), 4, "any of the pushes may come yet");
}

#[test]
fn after_4_attempts_that_nobody_ended_a_part_is_given_up() {
    let (mut submission, mut now) = (submission(true, 0), T0);
    for _ in 0..4 {
        assert_eq!(begin(&mut submission, now).len(), 1);
        now = now.plus(ASK_LEASE);
    }
    assert_eq!(begin(&mut submission, now), []);
    assert_eq!(part(&submission, TEXT).state, given_up(GivenUp::Attempts));
}

#[test]
fn after_24_hours_a_part_is_given_up() {
    for (waited, expected) in [(PATIENCE - SECOND, State::Pending), (PATIENCE, State::InReview)] {
        let mut submission = begun(true, 1);
        submission.apply(&judged(TEXT, Suggest::Pass), T0);
        submission.apply(&taken(FIRST, 0), T0);
        let checks = begin(&mut submission, T0.plus(waited));
        assert_eq!((submission.state, checks.len()), (expected, usize::from(expected == State::Pending)));
    }
}

#[test]
fn what_wechat_refuses_for_good_is_given_up_at_once() {
    let mut submission = begun(true, 0);
    submission.apply(&failed(TEXT, 0, Failure::Refused), T0);
    assert_eq!(part(&submission, TEXT).state, given_up(GivenUp::Refused));
    assert_eq!(submission.state, State::InReview);
}

#[test]
fn refusals_for_quota_61010_and_87020_are_no_attempts() {
    let mut now = T0;
    let mut submission = submission(false, 1);
    for _ in 0..3 {
        for failure in
            [Failure::Paused { until: now.plus(MINUTE) }, Failure::AuthorAway, Failure::TooOften, Failure::NotAsked]
        {
            let checks = begin(&mut submission, now);
            assert_eq!(checks.iter().map(|check| check.attempt).collect::<Vec<_>>(), [0], "{failure:?}");
            submission.apply(&failed(FIRST, 0, failure), now);
            assert_eq!(part(&submission, FIRST).attempts_made(), 0);
            submission.apply(&Event::AuthorReturned { active_at: now }, now);
            now = due(&submission, FIRST);
        }
    }
    assert_eq!(submission.state, State::Pending);
}

#[test]
fn what_was_submitted_too_often_rests_longer_each_time() {
    let (mut submission, mut now) = (submission(false, 1), T0);
    for minutes in [10, 20, 30, 40, 50, 60, 60] {
        begin(&mut submission, now);
        submission.apply(&failed(FIRST, 0, Failure::TooOften), now);
        assert_eq!(due(&submission, FIRST), now.plus(MINUTE * minutes));
        now = due(&submission, FIRST);
    }
    // Once WeChat takes it, that is over.
    begin(&mut submission, now);
    submission.apply(&taken(FIRST, 0), now);
    begin(&mut submission, now.plus(PUSH_WITHIN));
    submission.apply(&failed(FIRST, 1, Failure::TooOften), now.plus(PUSH_WITHIN));
    assert_eq!(due(&submission, FIRST), now.plus(PUSH_WITHIN + MINUTE * 10));
}

#[test]
fn a_part_that_waits_for_its_author_is_queued_when_the_author_next_opens_a_session() {
    let mut submission = begun(true, 0);
    submission.apply(&failed(TEXT, 0, Failure::AuthorAway), T0.plus(MINUTE));
    let waiting = part(&submission, TEXT).state;
    assert_eq!(waiting, PartState::WaitingForAuthor { since: T0, due: T0.plus(MINUTE + WAITING_LOOK) });
    assert!(
        !submission.apply(&Event::AuthorReturned { active_at: T0.minus(SECOND) }, T0.plus(HOUR)),
        "that was before"
    );
    let back = T0.plus(MINUTE * 5);
    assert!(submission.apply(&Event::AuthorReturned { active_at: back }, back));
    assert_eq!(part(&submission, TEXT).state, PartState::Queued { due: back });
    assert!(submission.is_due(back));
    assert_eq!(begin(&mut submission, back).len(), 1);
}

#[test]
fn a_part_that_waits_for_its_author_is_looked_at_each_hour_but_not_asked_about() {
    let mut submission = begun(true, 0);
    submission.apply(&failed(TEXT, 0, Failure::AuthorAway), T0);
    for hour in 1..24 {
        assert_eq!(begin(&mut submission, T0.plus(HOUR * hour)), []);
        assert_eq!(
            part(&submission, TEXT).state,
            PartState::WaitingForAuthor { since: T0, due: T0.plus(HOUR * (hour + 1)) }
        );
    }
    begin(&mut submission, T0.plus(PATIENCE));
    assert_eq!(part(&submission, TEXT).state, given_up(GivenUp::Time));
}

#[test]
fn the_clock_stands_while_an_api_is_paused() {
    let pause = HOUR * 30;
    // WeChat says that the quota is gone, or we know already.
    let mut told = begun(true, 0);
    told.apply(&failed(TEXT, 0, Failure::Paused { until: T0.plus(pause) }), T0);
    let mut known = submission(true, 0);
    let paused = Paused { text: Some(T0.plus(pause)), media: None };
    assert_eq!(known.begin_checks(paused, T0, |_| true), []);
    for mut submission in [told, known] {
        assert_eq!(due(&submission, TEXT), T0.plus(pause));
        assert_eq!(begin(&mut submission, T0.plus(PATIENCE)), [], "it rests");
        assert_eq!(submission.state, State::Pending);
        assert_eq!(begin(&mut submission, T0.plus(pause)).len(), 1, "the day has not begun yet");
        begin(&mut submission, T0.plus(pause + PATIENCE - SECOND));
        assert_eq!(submission.state, State::Pending);
        begin(&mut submission, T0.plus(pause + PATIENCE + ASK_LEASE));
        assert_eq!(part(&submission, TEXT).state, given_up(GivenUp::Time));
    }
}

#[test]
fn a_pause_of_one_api_does_not_hold_the_other() {
    let until = Some(T0.plus(HOUR));
    for (paused, asked, rests) in
        [(Paused { text: until, media: None }, FIRST, TEXT), (Paused { text: None, media: until }, TEXT, FIRST)]
    {
        let mut submission = submission(true, 1);
        let checks = submission.begin_checks(paused, T0, |_| true);
        assert_eq!(checks.iter().map(|check| check.part).collect::<Vec<_>>(), [asked]);
        assert_eq!(due(&submission, rests), T0.plus(HOUR));
        assert_eq!(part(&submission, asked).paused_ms, 0);
    }
    // A pause that is over holds nothing.
    let paused = Paused { text: Some(T0), media: Some(T0) };
    assert_eq!(submission(true, 1).begin_checks(paused, T0, |_| true).len(), 2);
}

#[test]
fn what_is_held_back_stays_due() {
    let mut submission = submission(true, 1);
    let checks = submission.begin_checks(Paused::default(), T0, |part| part == TEXT);
    assert_eq!(checks.len(), 1);
    assert_eq!(part(&submission, FIRST).state, PartState::Queued { due: T0 });
    assert!(submission.is_due(T0));
}

// Queues.

#[test]
fn it_stands_in_at_most_one_queue() {
    let mut pending = submission(true, 1);
    assert_eq!(pending.queue(), Some(Queue::Due { at: T0 }));
    begin(&mut pending, T0);
    pending.apply(&judged(TEXT, Suggest::Pass), T0);
    let (app, since) = (pending.app.clone(), T0.plus(MINUTE));
    let mut queues = [Suggest::Pass, Suggest::Review, Suggest::Risky].into_iter().map(|suggest| {
        let mut submission = pending.clone();
        submission.apply(&judged(FIRST, suggest), since);
        submission.queue()
    });
    let channel = Channel::parse("square").unwrap();
    assert_eq!(queues.next().unwrap(), Some(Queue::Feed { app, channel, since }));
    assert_eq!(queues.next().unwrap(), None, "its case waits for people");
    assert_eq!(queues.next().unwrap(), None);
}

#[test]
fn the_approved_without_a_channel_stands_in_no_queue() {
    let mut submission = Submission::new(NewSubmission { channel: None, ..new_submission(Some("你好"), 0) }, T0);
    submission.apply(&judged(TEXT, Suggest::Pass), T0);
    assert_eq!((submission.state, submission.queue()), (State::Approved, None));
}

#[test]
fn the_due_index_is_never_later_than_any_parts_own_due_time() {
    let mut submission = begun(true, 1);
    assert_eq!(submission.due, Some(T0.plus(ASK_LEASE)));
    submission.apply(&taken(FIRST, 0), T0);
    submission.apply(&judged(TEXT, Suggest::Review), T0);
    assert_eq!(submission.due, Some(T0.plus(ASK_LEASE)), "a check that was taken in time moves nothing");
    submission.apply(&failed(FIRST, 0, Failure::NoVerdict), T0);
    assert_eq!(submission.due, Some(T0.plus(MINUTE)), "what is due sooner does");
    submission.begin_checks(Paused { media: Some(T0.plus(HOUR)), text: None }, T0.plus(MINUTE), |_| true);
    assert_eq!(submission.due, Some(T0.plus(HOUR)), "the sweep makes it exact");
    assert!(!submission.is_due(T0.plus(HOUR - SECOND)) && submission.is_due(T0.plus(HOUR)));
}

// Erasure.

#[test]
fn what_is_withdrawn_stays_in_the_due_queue_until_its_bytes_are_gone_twice() {
    let mut submission = begun(true, 2);
    submission.withdraw(Actor::Author, T0.plus(HOUR));
    assert!(submission.is_due(T0.plus(HOUR)));
    submission.erased(T0.plus(HOUR));
    assert_eq!(submission.media.len(), 2, "the second pass must know what to erase");
    let Some(Queue::Due { at: second }) = submission.queue() else { panic!("the second pass is due") };
    assert!(second > T0.plus(HOUR + ASK_LEASE), "whoever was copying is done by then");
    submission.erased(second);
    assert_eq!((submission.queue(), submission.media.len()), (None, 0));
    assert_eq!(submission.state, State::Withdrawn);
}

/// One that is kept until it is decided, with a text and two media, whose checks were all begun at [`T0`].
fn kept_until_decided() -> Submission {
    let new = new_submission(Some("你\u{200b}好"), 2);
    let mut submission = Submission::new(NewSubmission { retain: Retain::UntilDecided, channel: None, ..new }, T0);
    begin(&mut submission, T0);
    submission
}

/// The same, decided in one of the four ways.
fn decided(way: usize) -> Submission {
    let mut submission = kept_until_decided();
    let suggest = if way == 1 { Suggest::Risky } else { Suggest::Pass };
    if way < 2 {
        for part in [FIRST, SECOND_MEDIUM, TEXT] {
            submission.apply(&judged(part, suggest), T0);
        }
    } else {
        submission.decide(decision(&submission, way == 2), T0).unwrap();
    }
    submission
}

#[test]
fn what_is_not_retained_is_erased_with_the_decision_whoever_made_it_and_its_hashes_stay() {
    let mut waiting = kept_until_decided();
    for part in [FIRST, SECOND_MEDIUM, TEXT] {
        assert!(!waiting.content.is_empty() && !waiting.is_erased());
        waiting.apply(&judged(part, Suggest::Review), T0);
    }
    assert_eq!((waiting.state, waiting.content.is_empty()), (State::InReview, false), "a person has to see it");
    let hashes: Vec<_> = waiting.media.iter().map(|medium| medium.sha256).collect();
    for way in 0..4 {
        let mut submission = stored_and_read(&decided(way));
        assert!(submission.content.is_empty() && submission.is_erased());
        assert_eq!(submission.text_sha256(), Some(Sha256::of("你好".as_bytes())), "of what was judged");
        assert_eq!((&submission.external_id, &submission.metadata.is_some()), (&Some("theirs".into()), &true));
        // The bytes go as those of what is withdrawn do, and no secret leads to them meanwhile.
        assert!(submission.is_due(T0) && DueKind::of(&submission) == DueKind::Erasure);
        let secret = submission.media[0].author_secret.clone();
        assert!(!submission.author_may_read(0, secret.as_str()) && !submission.everyone_may_read());
        submission.erased(T0);
        let Some(Queue::Due { at: second }) = submission.queue() else { panic!("the second pass is due") };
        submission.erased(second);
        assert_eq!(submission.queue(), None);
        assert_eq!(submission.media.iter().map(|medium| medium.sha256).collect::<Vec<_>>(), hashes);
        assert!(submission.visible_to() != VisibleTo::Nobody);
        submission.withdraw(Actor::Owner, second);
        assert_eq!((submission.queue(), submission.media.len(), submission.text_sha256()), (None, 0, None));
    }
}

#[test]
fn what_is_not_retained_is_still_decided_about_but_not_restored() {
    let mut approved = decided(0);
    approved.erased(T0);
    let mut late = approved.clone();
    late.apply(&judged(FIRST, Suggest::Risky), T0.plus(HOUR));
    assert_eq!((late.state, late.erased_once), (State::Rejected, true), "a late risky verdict holds");
    assert!(late.queue().is_some(), "the second pass is still due");
    approved.decide(decision(&approved, false), T0.plus(HOUR)).unwrap();
    assert_eq!(approved.state, State::Rejected);
    for erased in [late, approved, decided(1), decided(3)] {
        let mut again = erased.clone();
        assert_eq!(again.decide(decision(&erased, true), T0.plus(HOUR)), Err(NotDecided::Erased));
    }
}

#[test]
fn what_was_written_goes_at_once_and_the_record_stays() {
    let mut submission = begun(true, 0);
    submission.apply(&judged(TEXT, Suggest::Risky), T0);
    submission.withdraw(Actor::Author, T0);
    assert_eq!((&submission.openid, &submission.metadata), (&None, &None));
    assert_eq!(submission.content, Content::default());
    assert_eq!(submission.queue(), None, "without media there is nothing to erase");
    assert_eq!(part(&submission, TEXT).verdict(), Some(verdict(Suggest::Risky)));
    assert_eq!(submission.request_hash.as_deref(), Some("hash"), "a repeat must still be known as one");
}

#[test]
fn what_is_erased_cannot_be_restored() {
    let mut submission = begun(false, 1);
    submission.withdraw(Actor::Author, T0);
    for _ in 0..2 {
        submission.erased(T0);
        assert_eq!(submission.decide(decision(&submission, true), T0), Err(NotDecided::Withdrawn));
    }
}

// URLs.

#[test]
fn wechats_url_holds_until_its_part_is_settled() {
    let mut submission = begun(false, 2);
    let secret = wechats_secret(&submission, 0);
    assert!(submission.wechat_may_read(0, &secret, T0).is_some());
    assert!(submission.wechat_may_read(1, &secret, T0).is_none(), "it is the first medium's");
    assert!(
        submission.wechat_may_read(0, "", T0).is_none() && submission.wechat_may_read(0, &secret[..25], T0).is_none()
    );
    assert!(
        submission.wechat_may_read(2, &secret, T0).is_none() && submission.wechat_may_read(255, &secret, T0).is_none()
    );
    submission.apply(&taken(FIRST, 0), T0);
    submission.apply(&judged(SECOND_MEDIUM, Suggest::Pass), T0);
    assert!(submission.wechat_may_read(0, &secret, T0).is_some());
    submission.apply(&judged(FIRST, Suggest::Pass), T0);
    assert!(submission.wechat_may_read(0, &secret, T0).is_none());
}

#[test]
fn wechats_url_holds_for_40_minutes_and_is_new_for_each_check() {
    let mut submission = begun(false, 1);
    let first = wechats_secret(&submission, 0);
    let again = T0.plus(PUSH_WITHIN);
    begin(&mut submission, again);
    let second = wechats_secret(&submission, 1);
    assert_ne!(first, second);
    let limit = T0.plus(MINUTE * 40);
    assert!(submission.wechat_may_read(0, &first, Timestamp(limit.0 - 1)).is_some());
    assert!(submission.wechat_may_read(0, &first, limit).is_none());
    assert!(submission.wechat_may_read(0, &second, limit).is_some());
}

#[test]
fn wechats_url_never_holds_after_withdrawal() {
    let mut submission = begun(false, 1);
    let secret = wechats_secret(&submission, 0);
    submission.withdraw(Actor::Author, T0);
    assert!(submission.wechat_may_read(0, &secret, T0).is_none());
}

#[test]
fn the_authors_url_holds_while_the_author_may_see_it() {
    let mut pending = begun(false, 2);
    let secret = pending.media[0].author_secret.as_str().to_owned();
    assert_ne!(secret, wechats_secret(&pending, 0), "WeChat's secret is another");
    assert!(
        !pending.author_may_read(0, &wechats_secret(&pending, 0)) && pending.wechat_may_read(0, &secret, T0).is_none()
    );
    assert!(
        !pending.author_may_read(1, &secret) && !pending.author_may_read(0, "") && !pending.author_may_read(9, &secret)
    );
    pending.apply(&judged(FIRST, Suggest::Pass), T0);
    assert!(pending.author_may_read(0, &secret));
    for suggest in [Suggest::Pass, Suggest::Review, Suggest::Risky] {
        let mut decided = pending.clone();
        decided.apply(&judged(SECOND_MEDIUM, suggest), T0);
        assert!(decided.author_may_read(0, &secret), "{:?}", decided.state);
        decided.withdraw(Actor::Author, T0);
        assert!(!decided.author_may_read(0, &secret));
    }
}

#[test]
fn a_submission_is_stored_as_it_is_and_a_parts_name_as_a_text() {
    assert_eq!(serde_json::to_string(&[TEXT, PartName::Medium(8)]).unwrap(), r#"["text","media/8"]"#);
    for wrong in ["", "media", "media/", "media/256", "media/-1", "Text"] {
        assert!(PartName::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
    }
    let mut submission = begun(true, 2);
    submission.apply(&failed(FIRST, 0, Failure::AuthorAway), T0);
    assert_eq!(stored_and_read(&submission), submission);
}
