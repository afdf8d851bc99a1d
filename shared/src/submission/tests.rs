//! Tests of the core: what they are made of, and what holds after any sequence of events.

mod orders;
mod rules;
mod urls_and_queues;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ids::TraceId;
use crate::wechat::verdict::{Suggest, Verdict};

const T0: Timestamp = Timestamp(1_700_000_000_000);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TEXT: PartName = PartName::Text;
const FIRST: PartName = PartName::Medium(0);
const SECOND_MEDIUM: PartName = PartName::Medium(1);

fn new_submission(text: Option<&str>, media: usize) -> NewSubmission {
    let medium = |index: usize| Medium {
        media_type: MediaType::Jpeg,
        sha256: format!("hash-{index}"),
        size: 1_000,
        upload_key: format!("unclaimed/{index}"),
        authors_word: RandomWord::random(),
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

/// Begins what is due, with no API paused and nothing held back.
fn begin(submission: &mut Submission, now: Timestamp) -> Vec<Check> {
    submission.begin_checks(Paused::default(), now, |_| true)
}

fn verdict(suggest: Suggest) -> Verdict {
    let label = if suggest == Suggest::Pass { Label::NORMAL } else { Label(20002) };
    Verdict { suggest, label: Some(label) }
}

fn judged(part: PartName, suggest: Suggest) -> Event {
    Event::Judged { part, verdict: verdict(suggest), evidence: None }
}

fn trace(part: PartName, attempt: usize) -> TraceId {
    TraceId::parse(&format!("{}-{attempt}", part.to_string().replace('/', "-"))).unwrap()
}

fn taken(part: PartName, attempt: usize) -> Event {
    Event::Taken { part, attempt, trace_id: trace(part, attempt) }
}

fn failed(part: PartName, attempt: usize, failure: Failure) -> Event {
    Event::Failed { part, attempt, failure }
}

fn part(submission: &Submission, name: PartName) -> &Part {
    submission.part(name).unwrap()
}

fn word(submission: &Submission, approve: bool) -> ModeratorsWord {
    ModeratorsWord { approve, reason: "because".into(), moderator: "li".into(), version: submission.version }
}

/// As the table keeps it, and back.
fn stored_and_read(submission: &Submission) -> Submission {
    let document = serde_json::to_string(submission).unwrap();
    Submission { version: submission.version, ..serde_json::from_str(&document).unwrap() }
}

/// Anything that can happen to a submission.
#[derive(Clone, Debug)]
enum Step {
    Apply(Event),
    /// The sweep comes, or the submit itself; some APIs may be paused for so long, some parts held back.
    Begin {
        text_paused: Option<Duration>,
        media_paused: Option<Duration>,
        held_back: Option<PartName>,
    },
    Moderate {
        approve: bool,
        stale: bool,
    },
    Withdraw(Withdrawer),
    /// The sweep erases, if that is due.
    Erase,
}

fn any_part() -> impl Strategy<Value = PartName> {
    prop_oneof![Just(TEXT), (0_u8..3).prop_map(PartName::Medium)]
}

fn any_duration() -> impl Strategy<Value = Duration> {
    // Around each limit of the rules, and far beyond.
    let seconds = [0, 1, 59, 60, 120, 121, 300, 900, 2_100, 2_400, 3_600, 20_000, 86_400, 90_000];
    prop::sample::select(&seconds[..]).prop_map(Duration::from_secs)
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let said = prop::sample::select(&[Some("pass"), Some("pass"), Some("review"), Some("risky"), Some("?"), None][..]);
    (said, prop::option::of(prop::sample::select(&[100_i64, 10001, 20002, -1][..])))
        .prop_map(|(suggest, label)| Verdict::from_result(suggest, label))
}

fn any_failure() -> impl Strategy<Value = Failure> {
    prop_oneof![
        3 => Just(Failure::NoVerdict),
        1 => any_duration().prop_map(|pause| Failure::Paused { until: T0.plus(pause) }),
        1 => Just(Failure::AuthorAway),
        1 => Just(Failure::TooOften),
        1 => Just(Failure::NotAsked),
        1 => Just(Failure::Refused),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (any_part(), 0_usize..5).prop_map(|(part, attempt)| taken(part, attempt)),
        (any_part(), any_verdict(), prop::option::of(0_usize..5)).prop_map(|(part, verdict, attempt)| {
            Event::Judged { part, verdict, evidence: attempt.map(|attempt| (attempt, trace(part, attempt))) }
        }),
        (any_part(), 0_usize..4, any_failure()).prop_map(|(part, attempt, failure)| failed(part, attempt, failure)),
        any_duration().prop_map(|later| Event::AuthorReturned { active_at: T0.plus(later) }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => any_event().prop_map(Step::Apply),
        6 => (prop::option::weighted(0.2, any_duration()), prop::option::weighted(0.2, any_duration()),
            prop::option::weighted(0.1, any_part())).prop_map(|(text_paused, media_paused, held_back)| {
            Step::Begin { text_paused, media_paused, held_back }
        }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(approve, stale)| Step::Moderate { approve, stale }),
        1 => prop_oneof![Just(Withdrawer::Author), Just(Withdrawer::Owner)].prop_map(Step::Withdraw),
        1 => Just(Step::Erase),
    ]
}

/// A submission that has something to judge, and what happens to it, each step so long after the one before.
fn any_life() -> impl Strategy<Value = (Submission, Vec<(Duration, Step)>)> {
    let made = prop_oneof![Just((true, 0)), (any::<bool>(), 1_usize..=3)];
    let steps = prop::collection::vec((any_duration(), any_step()), 0..40);
    (made, steps).prop_map(|((text, media), steps)| (submission(text, media), steps))
}

/// What `step` does, and whether it was a person's word that was taken.
fn take(submission: &mut Submission, step: &Step, now: Timestamp) -> bool {
    match step {
        Step::Apply(event) => {
            let before = submission.clone();
            // A caller writes when it is told that something changed, and only then.
            assert!(submission.apply(event, now) || *submission == before);
            false
        }
        Step::Begin { text_paused, media_paused, held_back } => {
            let until = |pause: &Option<Duration>| pause.map(|pause| now.plus(pause));
            let paused = Paused { text: until(text_paused), media: until(media_paused) };
            for check in submission.begin_checks(paused, now, |part| Some(part) != *held_back) {
                let part = part(submission, check.part);
                assert_eq!(check.attempt + 1, part.attempts.len());
                assert_eq!(part.attempts[check.attempt].word, check.word);
                assert_ne!(Some(check.part), *held_back);
            }
            false
        }
        Step::Moderate { approve, stale } => {
            let mut word = word(submission, *approve);
            word.version += u64::from(*stale);
            let refused = *stale || submission.state == State::Withdrawn;
            assert_eq!(submission.decide(word, now).is_err(), refused);
            !refused
        }
        Step::Withdraw(withdrawer) => submission.withdraw(*withdrawer, now),
        Step::Erase => {
            if submission.erase_due.is_some_and(|due| due <= now) {
                submission.erased(now);
            }
            false
        }
    }
}

/// What a submission is, by what stands in it alone.
fn holds(submission: &Submission) {
    let approved_by_moderator =
        matches!(&submission.decision, Some(Decision { decider: Decider::Moderator(_), .. }) if submission.moderated);
    let passes = |part: &Part| part.verdict().is_some_and(|verdict| verdict.suggest == Suggest::Pass);
    match submission.state {
        State::Approved => assert!(approved_by_moderator || submission.parts.iter().all(passes)),
        State::InReview => {
            assert!(submission.parts.iter().all(Part::is_done) && !submission.parts.iter().all(passes));
        }
        State::Pending => {
            let due = submission.due.unwrap();
            assert!(submission.parts.iter().filter_map(Part::due).all(|own| due <= own), "the index is late");
            assert!(submission.parts.iter().any(|part| !part.is_done()), "nothing would ever end it");
        }
        State::Rejected | State::Withdrawn => {}
    }
    // The due time stands for the pending alone, and the erasure for the withdrawn: so no two queues can hold it.
    assert_eq!(submission.due.is_some(), submission.state == State::Pending);
    assert!(submission.erase_due.is_none() || submission.state == State::Withdrawn);
    let gone = submission.openid.is_none() && submission.content.is_empty() && submission.metadata.is_none();
    assert_eq!(gone, submission.state == State::Withdrawn);
    assert!(submission.parts.iter().all(|part| part.attempts.len() <= MAX_ATTEMPTS));
    let queue = match submission.queue() {
        None => submission.state == State::Rejected || submission.state == State::Withdrawn,
        Some(Queue::Due { .. }) => matches!(submission.state, State::Pending | State::Withdrawn),
        Some(Queue::Review { .. }) => submission.state == State::InReview,
        Some(Queue::Feed { .. }) => submission.state == State::Approved,
    };
    assert!(queue, "{:?} stands in {:?}", submission.state, submission.queue());
    assert_eq!(stored_and_read(submission), *submission);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_must_always_hold_holds_after_every_step_of_any_life((mut submission, steps) in any_life()) {
        let mut now = T0;
        let version = submission.version;
        // Judged by what was said, not by what was kept.
        let mut refused_by_wechat = false;
        holds(&submission);
        for (later, step) in steps {
            now = now.plus(later);
            let before = submission.clone();
            let by_a_person = take(&mut submission, &step, now);
            holds(&submission);
            prop_assert_eq!(submission.version, version, "the table counts, not the core");
            prop_assert_eq!(submission.created_at, before.created_at);
            if before.state == State::Withdrawn {
                let kept = Submission {
                    media: before.media.clone(), erase_due: before.erase_due, erased_once: before.erased_once,
                    ..submission.clone()
                };
                prop_assert_eq!(&kept, &before, "withdrawn is final");
            }
            if before.moderated && !by_a_person {
                prop_assert_eq!(
                    (submission.state, submission.since, &submission.decision),
                    (before.state, before.since, &before.decision),
                    "only a person overrides a moderator"
                );
                prop_assert!(submission.moderated);
            }
            if let Step::Apply(Event::Judged { part, verdict, .. }) = &step {
                let counts = verdict.suggest == Suggest::Risky && submission.part(*part).is_some();
                refused_by_wechat |= counts && before.state != State::Withdrawn;
            }
            if refused_by_wechat && !submission.moderated && submission.state != State::Withdrawn {
                prop_assert_eq!(submission.state, State::Rejected, "risky once is risky, unless a person says otherwise");
            }
            if submission.state != before.state {
                prop_assert_eq!(submission.since, now);
            } else if !by_a_person {
                prop_assert_eq!(submission.since, before.since);
            }
        }
    }

    #[test]
    fn any_life_ends_if_the_sweep_comes_often_enough((mut submission, steps) in any_life()) {
        let mut now = T0;
        for (later, step) in steps {
            now = now.plus(later);
            take(&mut submission, &step, now);
        }
        // WeChat is silent from now on, and no more is paused. The longest pause that can stand is 25 hours each step.
        for _ in 0..5_000 {
            let Some(Queue::Due { at }) = submission.queue() else { break };
            now = now.max(at);
            prop_assert!(submission.is_due(now));
            if submission.state == State::Withdrawn { submission.erased(now) } else { begin(&mut submission, now); }
            holds(&submission);
        }
        prop_assert!(!matches!(submission.queue(), Some(Queue::Due { .. })), "it would be due for ever");
    }

    #[test]
    fn a_verdict_or_a_taken_check_that_comes_twice_changes_nothing_the_second_time(
        (mut submission, steps) in any_life(), event in any_event(),
    ) {
        prop_assume!(!matches!(event, Event::Failed { .. }));
        let mut now = T0;
        for (later, step) in steps {
            now = now.plus(later);
            take(&mut submission, &step, now);
        }
        submission.apply(&event, now);
        let once = submission.clone();
        prop_assert!(!submission.apply(&event, now.plus(MINUTE)));
        prop_assert_eq!(submission, once);
    }
}
