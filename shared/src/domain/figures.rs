//! What the record adds up to: how many deeds of which kind, and how long things took. Each number is that of a filter, so that
//! the record shows exactly what it counts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::deed::{Act, Deed, Doer};
use super::deed_filter::{DeedFilter, Found};
use super::durations::Durations;
use super::submission::State;
use super::verdict::{Label, Suggest};

/// Submissions that were made.
pub fn submitted() -> DeedFilter {
    DeedFilter { made: Some(true), ..DeedFilter::default() }
}

/// Deeds of one kind.
pub fn of_act(act: Act) -> DeedFilter {
    DeedFilter { act: Some(act), ..DeedFilter::default() }
}

/// Those of one kind that were no moderator's, but this one's.
pub fn of_doer(act: Act, doer: Doer) -> DeedFilter {
    DeedFilter { doer: Some(doer), ..of_act(act) }
}

/// Submissions that came into a state.
pub fn reached(state: State) -> DeedFilter {
    DeedFilter { to: Some(state), ..DeedFilter::default() }
}

/// What moderators decided, by whatever way.
pub fn decided_by_people() -> DeedFilter {
    DeedFilter { by_moderators: true, ..of_act(Act::Decided) }
}

/// What they decided of that which waited for them.
pub fn worked_off() -> DeedFilter {
    DeedFilter { found: Some(Found::InReview), ..decided_by_people() }
}

/// What became public and had not been decided before.
pub fn made_public() -> DeedFilter {
    DeedFilter { found: Some(Found::Undecided), ..reached(State::Approved) }
}

/// What was decided and had not been before.
pub fn first_decided() -> DeedFilter {
    DeedFilter { found: Some(Found::Undecided), ..of_act(Act::Decided) }
}

/// All that is asked of each deed.
fn questions() -> Vec<DeedFilter> {
    let mut all = vec![
        DeedFilter::default(),
        submitted(),
        of_doer(Act::Decided, Doer::Wechat),
        of_doer(Act::LeftToPeople, Doer::Wechat),
        of_doer(Act::LeftToPeople, Doer::Clock),
        of_doer(Act::Withdrew, Doer::Author),
        of_doer(Act::Withdrew, Doer::Owner),
        decided_by_people(),
        worked_off(),
        made_public(),
        first_decided(),
    ];
    all.extend(Act::ALL.map(of_act));
    all.extend(State::ALL.map(reached));
    all
}

/// The figures of some deeds. Each deed is added once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    asked: Vec<(DeedFilter, u64)>,
    verdicts: BTreeMap<(Reverse<Suggest>, Option<Label>), u64>,
    deciders: BTreeMap<String, u64>,
    hours: [u64; 24],
    /// How old submissions were as they became public, having been undecided.
    pub to_public: Durations,
    /// How old they were as they were decided first.
    pub to_decision: Durations,
    /// How long those waited that people decided.
    pub waiting: Durations,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            asked: questions().into_iter().map(|filter| (filter, 0)).collect(),
            verdicts: BTreeMap::new(),
            deciders: BTreeMap::new(),
            hours: [0; 24],
            to_public: Durations::default(),
            to_decision: Durations::default(),
            waiting: Durations::default(),
        }
    }
}

impl Figures {
    /// Counts a deed.
    pub fn add(&mut self, deed: &Deed) {
        for (filter, number) in &mut self.asked {
            *number += u64::from(filter.matches(deed));
        }
        if let Some(verdict) = deed.verdict {
            *self.verdicts.entry((Reverse(verdict.suggest), verdict.label)).or_default() += 1;
        }
        if let Some(name) = deed.by.as_ref().filter(|_| deed.act == Act::Decided) {
            *self.deciders.entry(name.clone()).or_default() += 1;
        }
        if submitted().matches(deed)
            && let Some(number) = self.hours.get_mut(usize::from(deed.at.beijing_hour()))
        {
            *number += 1;
        }
        for (filter, took, durations) in [
            (made_public(), deed.age_ms, &mut self.to_public),
            (first_decided(), deed.age_ms, &mut self.to_decision),
            (worked_off(), deed.waited_ms, &mut self.waiting),
        ] {
            if let Some(ms) = took.filter(|_| filter.matches(deed)) {
                durations.add(ms);
            }
        }
    }

    /// Counts those of another as well.
    pub fn merge(&mut self, other: &Self) {
        for ((_, number), (_, more)) in self.asked.iter_mut().zip(&other.asked) {
            *number += more;
        }
        for (verdict, more) in &other.verdicts {
            *self.verdicts.entry(*verdict).or_default() += more;
        }
        for (name, more) in &other.deciders {
            *self.deciders.entry(name.clone()).or_default() += more;
        }
        for (number, more) in self.hours.iter_mut().zip(other.hours) {
            *number += more;
        }
        self.to_public.merge(&other.to_public);
        self.to_decision.merge(&other.to_decision);
        self.waiting.merge(&other.waiting);
    }

    /// How many there are of one of the filters above, or of all.
    pub fn number(&self, filter: &DeedFilter) -> u64 {
        let asked = self.asked.iter().find(|(own, _)| own == filter);
        debug_assert!(asked.is_some(), "not asked of each deed: {filter:?}");
        asked.map_or(0, |(_, number)| *number)
    }

    /// What WeChat said at worst of what it decided or left to people, the worst first.
    pub fn verdicts(&self) -> impl Iterator<Item = (DeedFilter, u64)> {
        self.verdicts.iter().map(|((Reverse(suggest), label), number)| {
            (DeedFilter { suggest: Some(*suggest), label: Some(*label), ..DeedFilter::default() }, *number)
        })
    }

    /// Who of the moderators decided how much, whoever decided most first.
    pub fn deciders(&self) -> Vec<(DeedFilter, u64)> {
        let mut deciders: Vec<_> = self.deciders.iter().collect();
        deciders.sort_by_key(|(_, number)| Reverse(**number));
        let of_name = |name: &String| DeedFilter { by: Some(name.clone()), ..of_act(Act::Decided) };
        deciders.into_iter().map(|(name, number)| (of_name(name), *number)).collect()
    }

    /// How much was submitted in each hour in Beijing.
    pub fn hours(&self) -> impl Iterator<Item = (DeedFilter, u64)> {
        (0..).zip(self.hours).map(|(hour, number)| (DeedFilter { hour: Some(hour), ..submitted() }, number))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::ids::SubmissionId;
    use crate::domain::moderator::Role;
    use crate::domain::verdict::Verdict;

    /// Some hundred deeds of all kinds, as they may stand in the record.
    fn deeds() -> Vec<Deed> {
        let states = [None, Some("pending"), Some("in_review"), Some("approved"), Some("rejected"), Some("withdrawn")];
        let verdicts = [(Suggest::Pass, None), (Suggest::Pass, Some(Label(100))), (Suggest::Risky, Some(Label(20001)))];
        (0..400_usize)
            .map(|number| {
                let act = Act::ALL[number % Act::ALL.len()];
                let at = Timestamp(1_764_000_000_000 + number as i64 * 700_000);
                let is_persons = number % 3 == 0;
                let by = is_persons.then_some((["li", "wang", " li"][number % 5 % 3], Role::Lead));
                let (suggest, label) = verdicts[number % verdicts.len()];
                Deed {
                    doer: (!is_persons).then_some(Doer::ALL[number % Doer::ALL.len()]),
                    submission: (number % 7 > 0).then(SubmissionId::random),
                    from: states[number % states.len()].map(str::to_owned),
                    to: states[number / 5 % states.len()].map(str::to_owned),
                    age_ms: Some(number as u64 * 1_000),
                    waited_ms: (number % 2 == 0).then_some(500),
                    verdict: (!is_persons).then_some(Verdict { suggest, label }),
                    ..Deed::new(at, act, by)
                }
            })
            .collect()
    }

    fn figures(deeds: &[Deed]) -> Figures {
        let mut figures = Figures::default();
        deeds.iter().for_each(|deed| figures.add(deed));
        figures
    }

    #[test]
    fn each_number_is_how_many_its_filter_lets_through() {
        let deeds = deeds();
        let figures = figures(&deeds);
        let counted = |filter: &DeedFilter| deeds.iter().filter(|deed| filter.matches(deed)).count() as u64;
        let of_questions = questions().into_iter().map(|filter| (filter.clone(), figures.number(&filter)));
        let all: Vec<_> =
            of_questions.chain(figures.verdicts()).chain(figures.deciders()).chain(figures.hours()).collect();
        assert!(all.iter().filter(|(_, number)| *number > 0).count() > 50);
        for (filter, number) in all {
            assert_eq!(number, counted(&filter), "{filter:?}");
        }
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let figures = figures(&deeds());
        let sum = |filters: Vec<DeedFilter>| filters.iter().map(|filter| figures.number(filter)).sum::<u64>();
        assert_eq!(sum(Act::ALL.map(of_act).to_vec()), 400);
        assert_eq!(figures.number(&DeedFilter::default()), 400);
        let by_name: u64 = figures.deciders().iter().map(|(_, number)| number).sum();
        assert_eq!(by_name, figures.number(&decided_by_people()));
        assert_eq!(figures.hours().map(|(_, number)| number).sum::<u64>(), figures.number(&submitted()));
    }

    #[test]
    fn days_together_are_as_if_counted_at_once() {
        let deeds = deeds();
        let mut first = figures(&deeds[..150]);
        first.merge(&figures(&deeds[150..]));
        assert_eq!(first, figures(&deeds));
    }

    #[test]
    fn what_took_long_is_counted_of_what_was_undecided() {
        let decided = |from: &str, age_ms| Deed {
            submission: Some(SubmissionId::random()),
            from: Some(from.to_owned()),
            to: Some("approved".to_owned()),
            age_ms: Some(age_ms),
            waited_ms: (from == "in_review").then_some(60_000),
            ..Deed::new(Timestamp(0), Act::Decided, Some(("li", Role::Lead)))
        };
        let figures = figures(&[decided("in_review", 0), decided("pending", 0), decided("rejected", 9_000_000)]);
        assert_eq!(figures.number(&made_public()), 2);
        assert_eq!(figures.to_public.percentile(90), Some(Duration::ZERO));
        assert_eq!(figures.to_decision.percentile(90), Some(Duration::ZERO));
        let waited = figures.waiting.percentile(50).unwrap().as_secs_f64();
        assert!((57.0..63.0).contains(&waited), "{waited}");
    }
}
