//! What holds after any sequence of events, and where every order of the same events ends.

use proptest::prelude::*;

use super::*;

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
    Withdraw(Actor),
    /// The sweep erases, if that is due.
    Erase,
}

fn any_part() -> impl Strategy<Value = PartName> {
    prop_oneof![Just(TEXT), (0_u8..3).prop_map(PartName::Medium)]
}

fn any_duration() -> impl Strategy<Value = Duration> {
    // Around each limit of the rules, and far beyond.
    const SECONDS: [u64; 14] = [0, 1, 59, 60, 120, 121, 300, 900, 2_100, 2_400, 3_600, 20_000, 86_400, 90_000];
    prop::sample::select(&SECONDS[..]).prop_map(Duration::from_secs)
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
        (any_part(), any_verdict(), 0_usize..5, any::<bool>()).prop_map(|(part, verdict, attempt, named)| {
            Event::Judged {
                part,
                attempt,
                verdict,
                findings: Vec::new(),
                trace_id: named.then(|| trace(part, attempt)),
            }
        }),
        (any_part(), any_verdict()).prop_map(|(part, verdict)| Event::Known {
            part,
            verdict,
            trace_id: None,
            findings: Vec::new()
        }),
        (any_part(), 0_usize..5).prop_map(|(part, attempt)| read(part, attempt)),
        (any_part(), 0_usize..5, 0..SIZE, 0..SIZE)
            .prop_map(|(part, attempt, first, last)| { Event::Fetched { part, attempt, first, last } }),
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
        1 => prop_oneof![Just(Actor::Author), Just(Actor::Owner)].prop_map(Step::Withdraw),
        1 => Just(Step::Erase),
    ]
}

/// A submission that has something to judge, and what happens to it, each step so long after the one before.
fn any_life() -> impl Strategy<Value = (Submission, Vec<(Duration, Step)>)> {
    let made = prop_oneof![Just((true, 0)), (any::<bool>(), 1_usize..=3)];
    let steps = prop::collection::vec((any_duration(), any_step()), 0..40);
    (made, steps).prop_map(|((text, media), steps)| (submission(text, media), steps))
}

/// What `step` does, and whether it was a person's decision that was taken.
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
                assert_eq!(part.attempts[check.attempt].secret, check.secret);
                assert_ne!(Some(check.part), *held_back);
            }
            false
        }
        Step::Moderate { approve, stale } => {
            let mut by = decision(submission, *approve);
            by.version += u64::from(*stale);
            let refused = *stale || submission.state == State::Withdrawn;
            assert_eq!(submission.decide(by, now).is_err(), refused);
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
    assert!(submission.parts.iter().all(|part| part.attempts_made() <= MAX_ATTEMPTS));
    let queue = match submission.queue() {
        None => matches!(submission.state, State::InReview | State::Rejected | State::Withdrawn),
        Some(Queue::Due { .. }) => matches!(submission.state, State::Pending | State::Withdrawn),
        Some(Queue::Feed { .. }) => submission.state == State::Approved,
    };
    assert!(queue, "{:?} stands in {:?}", submission.state, submission.queue());
    assert_eq!(submission.case().is_some(), submission.state == State::InReview);
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
            if let Step::Apply(Event::Judged { part, verdict, .. } | Event::Known { part, verdict, .. }) = &step {
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
        // WeChat is silent from now on, and nothing more is paused: attempts and the day run out.
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
    fn any_event_that_comes_twice_changes_nothing_the_second_time(
        (mut submission, steps) in any_life(), event in any_event(),
    ) {
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

/// What happens to a submission of a text and two media whose first checks were begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// WeChat's answer about the text.
    Text,
    /// Our own note that WeChat took the first medium.
    Taken,
    /// The push about the first medium.
    Push,
    /// The same push again.
    PushAgain,
    /// The push about the second medium, whose check nobody noted as taken.
    SecondPush,
    /// A moderator speaks.
    Moderator,
    /// The author takes it back.
    Withdraw,
    /// A deadline passes, and the sweep comes.
    Late,
}

/// What is said in it.
#[derive(Clone, Copy, Debug)]
struct Scenario {
    text: Suggest,
    /// None: the push says that the check failed.
    first: Option<Suggest>,
    /// What the push says when it comes again; the same, or what WeChat says of another attempt.
    first_again: Option<Suggest>,
    second: Suggest,
    /// Approves, and on what version: the newest, or the one before anything happened.
    moderator: Option<(bool, Saw)>,
    withdraw: bool,
    late: Late,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saw {
    Newest,
    First,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// The pushes count as lost, and new attempts begin.
    PushIsLost,
    /// A day has gone, and what is unsettled is given up.
    DayIsOver,
}

impl Scenario {
    fn happenings(&self) -> Vec<Happening> {
        use Happening::{Late, Moderator, Push, PushAgain, SecondPush, Taken, Text, Withdraw};
        let persons = [(Moderator, self.moderator.is_some()), (Withdraw, self.withdraw)];
        let persons = persons.into_iter().filter_map(|(happening, happens)| happens.then_some(happening));
        [Text, Taken, Push, PushAgain, SecondPush, Late].into_iter().chain(persons).collect()
    }

    /// What WeChat has said, in order, by part.
    fn said(&self, done: &[Happening]) -> Vec<(PartName, Suggest)> {
        let said = done.iter().filter_map(|happening| match happening {
            Happening::Text => Some((TEXT, Some(self.text))),
            Happening::Push => Some((FIRST, self.first)),
            Happening::PushAgain => Some((FIRST, self.first_again)),
            Happening::SecondPush => Some((SECOND_MEDIUM, Some(self.second))),
            _ => None,
        });
        said.filter_map(|(part, suggest)| suggest.map(|suggest| (part, suggest))).collect()
    }

    /// Whether it changes neither state nor verdicts, so that whoever looked before has seen what stands there after.
    fn is_a_note(&self, happening: Happening) -> bool {
        match happening {
            Happening::Taken => true,
            Happening::Push => self.first.is_none(),
            Happening::PushAgain => self.first_again.is_none(),
            Happening::Late => self.late == Late::PushIsLost,
            Happening::Text | Happening::SecondPush | Happening::Moderator | Happening::Withdraw => false,
        }
    }

    /// Where it must stand once all of `done` has happened. It asks what happened, and when only where a moderator
    /// looked at something old.
    fn oracle(&self, done: &[Happening]) -> State {
        let at = |wanted: Happening| done.iter().position(|happening| *happening == wanted);
        if at(Happening::Withdraw).is_some() {
            return State::Withdrawn;
        }
        let unmoved = |position| done.iter().take(position).all(|before| self.is_a_note(*before));
        if let (Some((approve, saw)), Some(position)) = (self.moderator, at(Happening::Moderator))
            && (saw == Saw::Newest || unmoved(position))
        {
            return if approve { State::Approved } else { State::Rejected };
        }
        let said = self.said(done);
        let heard = |part: PartName| said.iter().any(|(about, _)| *about == part);
        if said.iter().any(|(_, suggest)| *suggest == Suggest::Risky) {
            State::Rejected
        } else if [TEXT, FIRST, SECOND_MEDIUM].into_iter().all(heard) {
            let doubted = said.iter().any(|(_, suggest)| *suggest == Suggest::Review);
            if doubted { State::InReview } else { State::Approved }
        } else if self.late == Late::DayIsOver && at(Happening::Late).is_some() {
            State::InReview
        } else {
            State::Pending
        }
    }

    fn happen(&self, submission: &mut Submission, happening: Happening, now: Timestamp) {
        let pushed = |suggest: Option<Suggest>| {
            suggest.map_or(failed(FIRST, 0, Failure::NoVerdict), |suggest| judged(FIRST, suggest))
        };
        let changed = match happening {
            Happening::Text => {
                let (verdict, trace_id) = (verdict(self.text), Some(trace(TEXT, 0)));
                submission
                    .apply(&Event::Judged { part: TEXT, attempt: 0, verdict, findings: Vec::new(), trace_id }, now)
            }
            Happening::Taken => submission.apply(&taken(FIRST, 0), now),
            Happening::Push => submission.apply(&pushed(self.first), now),
            Happening::PushAgain => submission.apply(&pushed(self.first_again), now),
            Happening::SecondPush => submission.apply(&judged(SECOND_MEDIUM, self.second), now),
            Happening::Moderator => {
                let (approve, saw) = self.moderator.unwrap();
                let version = if saw == Saw::Newest { submission.version } else { 1 };
                submission.decide(ModeratorDecision { version, ..decision(submission, approve) }, now).is_ok()
            }
            Happening::Withdraw => submission.withdraw(Actor::Author, now),
            Happening::Late => {
                let before = submission.clone();
                begin(submission, now);
                *submission != before
            }
        };
        // The table's part: each write is a new version.
        submission.version += u64::from(changed);
    }
}

/// Walks through every order of what is left, and asks the oracle after each step. Returns how many orders there were.
fn walk(scenario: &Scenario, submission: &Submission, done: &mut Vec<Happening>, left: &[Happening]) -> u32 {
    if left.is_empty() {
        return 1;
    }
    let mut orders = 0;
    for happening in left {
        let late = done.contains(&Happening::Late) || *happening == Happening::Late;
        let passed = match (late, scenario.late) {
            (false, _) => Duration::ZERO,
            (true, Late::PushIsLost) => PUSH_WITHIN + MINUTE,
            (true, Late::DayIsOver) => PATIENCE + MINUTE,
        };
        let mut next = submission.clone();
        let seconds = u32::try_from(done.len()).unwrap();
        scenario.happen(&mut next, *happening, T0.plus(passed + SECOND * seconds));
        done.push(*happening);
        assert_eq!(next.state, scenario.oracle(done), "{scenario:?} in the order {done:?}");
        let rest: Vec<Happening> = left.iter().copied().filter(|other| other != happening).collect();
        orders += walk(scenario, &next, done, &rest);
        done.pop();
    }
    orders
}

fn in_every_order(scenario: Scenario) -> u32 {
    let mut submission = begun(true, 2);
    submission.version = 1;
    walk(&scenario, &submission, &mut Vec::new(), &scenario.happenings())
}

const ALL: [Suggest; 3] = [Suggest::Pass, Suggest::Review, Suggest::Risky];
const LATE: [Late; 2] = [Late::PushIsLost, Late::DayIsOver];

fn scenario(text: Suggest, first: Option<Suggest>, second: Suggest, late: Late) -> Scenario {
    Scenario { text, first, first_again: first, second, moderator: None, withdraw: false, late }
}

/// One of each kind: all pass, doubt, refusal by either part, and a push that failed.
fn of_each_kind() -> impl Iterator<Item = Scenario> {
    use Suggest::{Pass, Review, Risky};
    let kinds = [
        (Pass, Some(Pass), Pass),
        (Pass, Some(Review), Pass),
        (Pass, Some(Risky), Pass),
        (Risky, Some(Pass), Review),
        (Pass, None, Pass),
    ];
    let kinds = kinds.into_iter().flat_map(|kind| LATE.map(|late| (kind, late)));
    kinds.map(|((text, first, second), late)| scenario(text, first, second, late))
}

#[test]
fn verdicts_lead_to_the_same_state_in_every_order() {
    for (text, second, late) in ALL
        .into_iter()
        .flat_map(|text| ALL.into_iter().flat_map(move |second| LATE.into_iter().map(move |late| (text, second, late))))
    {
        for first in ALL.map(Some).into_iter().chain([None]) {
            assert_eq!(in_every_order(scenario(text, first, second, late)), 720);
        }
    }
}

#[test]
fn a_moderators_decision_holds_in_every_order_if_it_was_about_what_stands() {
    for approve in [true, false] {
        for saw in [Saw::Newest, Saw::First] {
            for scenario in of_each_kind() {
                assert_eq!(in_every_order(Scenario { moderator: Some((approve, saw)), ..scenario }), 5_040);
            }
        }
    }
}

#[test]
fn withdrawn_is_the_end_in_every_order() {
    for scenario in of_each_kind() {
        assert_eq!(in_every_order(Scenario { withdraw: true, ..scenario }), 5_040);
    }
}

#[test]
fn a_moderator_and_an_author_at_odds_end_the_same_in_every_order() {
    use Suggest::{Pass, Risky};
    // The whole set at once, 40,320 orders each; what WeChat says matters least here.
    for (approve, first, late) in [(true, Risky, Late::PushIsLost), (false, Pass, Late::DayIsOver)] {
        let scenario = scenario(Pass, Some(first), Pass, late);
        let moderator = Some((approve, Saw::Newest));
        assert_eq!(in_every_order(Scenario { moderator, withdraw: true, ..scenario }), 40_320);
    }
}

#[test]
fn two_attempts_that_disagree_end_at_the_worse_or_at_what_was_decided_before() {
    use Happening::{Late as Sweep, Push, PushAgain, SecondPush, Taken, Text};
    // Here the order matters in one case: a doubt that comes after the approval is too late, a refusal is not.
    for (one, other) in ALL.into_iter().flat_map(|one| ALL.map(|other| (one, other))) {
        let scenario = Scenario {
            first_again: Some(other),
            ..scenario(Suggest::Pass, Some(one), Suggest::Pass, Late::PushIsLost)
        };
        for order in permutations(&[Text, Taken, Push, PushAgain, SecondPush, Sweep]) {
            let mut submission = begun(true, 2);
            let mut approved = false;
            for (index, happening) in order.iter().enumerate() {
                let lost = order[..=index].contains(&Sweep);
                let now = T0.plus(if lost { PUSH_WITHIN + MINUTE } else { Duration::ZERO });
                scenario.happen(&mut submission, *happening, now);
                let expected = match scenario.oracle(&order[..=index]) {
                    State::InReview if approved => State::Approved,
                    expected => expected,
                };
                assert_eq!(submission.state, expected, "{scenario:?} in the order {order:?}");
                approved = submission.state == State::Approved;
            }
        }
    }
}

fn permutations(of: &[Happening]) -> Vec<Vec<Happening>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let begin_with = |first: &Happening| {
        let rest: Vec<Happening> = of.iter().copied().filter(|other| other != first).collect();
        permutations(&rest).into_iter().map(|rest| [&[*first][..], &rest].concat()).collect::<Vec<_>>()
    };
    of.iter().flat_map(begin_with).collect()
}
