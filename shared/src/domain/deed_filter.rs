//! Which deeds of the record somebody asks for.

use super::deed::{Act, Deed, Doer};
use super::submission::State;
use super::verdict::{Label, Suggest};

/// How a deed found its submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Not decided yet: pending, in review, or not there before.
    Undecided,
    /// Waiting for people.
    InReview,
}

impl Found {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Undecided, Self::InReview];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::InReview => "in_review",
        }
    }

    fn matches(self, deed: &Deed) -> bool {
        let is_from = |state: State| deed.from.as_deref() == Some(state.as_str());
        match self {
            Self::Undecided => {
                deed.to.is_some() && (deed.from.is_none() || is_from(State::Pending) || is_from(State::InReview))
            }
            Self::InReview => is_from(State::InReview),
        }
    }
}

/// Deeds with all that is named; without anything, all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeedFilter {
    /// Such deeds.
    pub act: Option<Act>,
    /// Those that made a submission, or that did not.
    pub made: Option<bool>,
    /// Those that left a submission in this state, having found it in another.
    pub to: Option<State>,
    /// Those that found a submission so.
    pub found: Option<Found>,
    /// Those of this hour in Beijing, 0 to 23.
    pub hour: Option<u8>,
    /// Of what was no moderator.
    pub doer: Option<Doer>,
    /// Of moderators.
    pub by_moderators: bool,
    /// Of the moderator of that name.
    pub by: Option<String>,
    /// About what WeChat said this of, at worst.
    pub suggest: Option<Suggest>,
    /// About what WeChat said that of, with this label; none where it gave none.
    pub label: Option<Option<Label>>,
}

impl DeedFilter {
    /// Whether a deed is one of those.
    pub fn matches(&self, deed: &Deed) -> bool {
        let is_made = deed.submission.is_some() && deed.to.is_some() && deed.from.is_none();
        self.act.is_none_or(|act| act == deed.act)
            && self.made.is_none_or(|made| made == is_made)
            && self.to.is_none_or(|to| deed.to.as_deref() == Some(to.as_str()) && deed.from != deed.to)
            && self.found.is_none_or(|found| found.matches(deed))
            && self.hour.is_none_or(|hour| deed.at.beijing_hour() == hour)
            && self.doer.is_none_or(|doer| deed.doer == Some(doer))
            && (!self.by_moderators || (deed.doer.is_none() && deed.by.is_some()))
            && self.by.as_ref().is_none_or(|by| deed.by.as_ref() == Some(by))
            && self.suggest.is_none_or(|suggest| deed.verdict.is_some_and(|verdict| verdict.suggest == suggest))
            && self.label.is_none_or(|label| deed.verdict.is_some_and(|verdict| verdict.label == label))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
    use crate::domain::ids::SubmissionId;
    use crate::domain::moderator::Role;
    use crate::domain::verdict::Verdict;

    #[test]
    fn a_filter_lets_through_what_has_all_that_it_names() {
        let by_wechat = Deed {
            doer: Some(Doer::Wechat),
            submission: Some(SubmissionId::random()),
            to: Some("rejected".to_owned()),
            verdict: Some(Verdict { suggest: Suggest::Risky, label: Some(Label(20001)) }),
            ..Deed::new(Timestamp(0), Act::Decided, None)
        };
        let by_person = Deed {
            submission: Some(SubmissionId::random()),
            from: Some("in_review".to_owned()),
            to: Some("rejected".to_owned()),
            ..Deed::new(Timestamp(0), Act::Decided, Some(("li", Role::Lead)))
        };
        let all = DeedFilter::default();
        let cases = [
            (all.clone(), true, true),
            (DeedFilter { act: Some(Act::Decided), to: Some(State::Rejected), ..all.clone() }, true, true),
            (DeedFilter { to: Some(State::Approved), ..all.clone() }, false, false),
            (DeedFilter { made: Some(true), ..all.clone() }, true, false),
            (DeedFilter { made: Some(false), ..all.clone() }, false, true),
            (DeedFilter { found: Some(Found::Undecided), ..all.clone() }, true, true),
            (DeedFilter { found: Some(Found::InReview), ..all.clone() }, false, true),
            (DeedFilter { hour: Some(8), ..all.clone() }, true, true),
            (DeedFilter { hour: Some(9), ..all.clone() }, false, false),
            (DeedFilter { doer: Some(Doer::Wechat), ..all.clone() }, true, false),
            (DeedFilter { by_moderators: true, ..all.clone() }, false, true),
            (DeedFilter { by: Some("li".to_owned()), ..all.clone() }, false, true),
            (DeedFilter { by: Some("l".to_owned()), ..all.clone() }, false, false),
            (DeedFilter { suggest: Some(Suggest::Risky), label: Some(Some(Label(20001))), ..all.clone() }, true, false),
            (DeedFilter { suggest: Some(Suggest::Risky), label: Some(None), ..all.clone() }, false, false),
            (DeedFilter { suggest: Some(Suggest::Pass), ..all }, false, false),
        ];
        for (filter, wechat, person) in cases {
            assert_eq!((filter.matches(&by_wechat), filter.matches(&by_person)), (wechat, person), "{filter:?}");
        }
    }
}
