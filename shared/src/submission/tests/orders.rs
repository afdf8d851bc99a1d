//! Every order in which a submission's events can come, against an oracle that knows no order.

use super::*;

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

    /// Where it must stand once all of `done` has happened. It asks what happened, and when only where a moderator
    /// looked at something old.
    fn oracle(&self, done: &[Happening]) -> State {
        let at = |wanted: Happening| done.iter().position(|happening| *happening == wanted);
        if at(Happening::Withdraw).is_some() {
            return State::Withdrawn;
        }
        if let (Some((approve, saw)), Some(position)) = (self.moderator, at(Happening::Moderator)) {
            // Whatever happens first changes something, so what was seen at first is old by then.
            if saw == Saw::Newest || position == 0 {
                return if approve { State::Approved } else { State::Rejected };
            }
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
                let evidence = Some((0, trace(TEXT, 0)));
                submission.apply(&Event::Judged { part: TEXT, verdict: verdict(self.text), evidence }, now)
            }
            Happening::Taken => submission.apply(&taken(FIRST, 0), now),
            Happening::Push => submission.apply(&pushed(self.first), now),
            Happening::PushAgain => submission.apply(&pushed(self.first_again), now),
            Happening::SecondPush => submission.apply(&judged(SECOND_MEDIUM, self.second), now),
            Happening::Moderator => {
                let (approve, saw) = self.moderator.unwrap();
                let version = if saw == Saw::Newest { submission.version } else { 1 };
                submission.decide(ModeratorsWord { version, ..word(submission, approve) }, now).is_ok()
            }
            Happening::Withdraw => submission.withdraw(Withdrawer::Author, now),
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
fn a_moderators_word_holds_in_every_order_if_it_was_about_what_stands() {
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
