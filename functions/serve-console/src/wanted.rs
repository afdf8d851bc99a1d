//! Which deeds an address asks for: the days, the filter, and where to go on.

use greenlight::api::problem::Problem;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::deed::{Act, Doer};
use greenlight::domain::deed_filter::{DeedFilter, Found};
use greenlight::domain::submission::State;
use greenlight::domain::verdict::{Label, Suggest};
use greenlight::table::is_day;
use http::StatusCode;

/// How many days are looked at together.
pub(crate) const MOST_DAYS: usize = 7;

/// What an address asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The days, in their order; at least one.
    pub(crate) days: Vec<String>,
    /// Which deeds of them.
    pub(crate) filter: DeedFilter,
    /// Behind which place of the first day.
    pub(crate) after: Option<String>,
}

pub(crate) fn no_day() -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        "invalid_form",
        "日期须写成 2026-11-29 这样（北京时间），最多连续 7 天；文件从 1 数起；筛选条件请从页面上选择。",
        "A day is written as 2026-11-29, and is Beijing's; at most 7 in a row; files are counted from 1; filters are chosen on \
         the page.",
    )
}

/// The day so many days after one, or before it; none where that can not be written.
pub(crate) fn day_from(day: &str, days: i64) -> Option<String> {
    let noon = Timestamp::parse_rfc3339(&format!("{day}T12:00:00+08:00")).ok()?;
    let other = Timestamp(noon.0 + days * 24 * 3600 * 1000).beijing_day();
    is_day(&other).then_some(other)
}

/// The days from one to another, both of them; none where that is not in order, or too long.
pub(crate) fn days(first: &str, last: &str) -> Option<Vec<String>> {
    if !is_day(first) || !is_day(last) {
        return None;
    }
    let days: Vec<String> =
        std::iter::successors(Some(first.to_owned()), |day| day_from(day, 1)).take(MOST_DAYS).collect();
    let end = days.iter().position(|day| day == last)?;
    days.get(..=end).map(<[String]>::to_vec)
}

impl Wanted {
    /// Reads an address; without a day it asks for today.
    pub(crate) fn parse(query: &[(String, String)], now: Timestamp) -> Result<Self, Problem> {
        let value = |name: &str| {
            let value = query.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let today = now.beijing_day();
        let first = value("day").unwrap_or(&today);
        let days = days(first, value("until").unwrap_or(first)).ok_or_else(no_day)?;
        let suggests = [Suggest::Pass, Suggest::Review, Suggest::Risky];
        let label = match value("label") {
            None => None,
            Some("none") => Some(None),
            Some(number) => Some(Some(Label(number.parse().map_err(|_| no_day())?))),
        };
        let filter = DeedFilter {
            act: chosen(value("act"), &Act::ALL, Act::as_str)?,
            made: value("made").map(|made| made == "yes"),
            to: chosen(value("to"), &State::ALL, State::as_str)?,
            found: chosen(value("found"), &Found::ALL, Found::as_str)?,
            hour: value("hour").map(hour).transpose()?,
            doer: chosen(value("who").filter(|who| *who != MODERATORS), &Doer::ALL, Doer::as_str)?,
            by_moderators: value("who") == Some(MODERATORS),
            // A name may begin or end with a space.
            by: query.iter().find(|(own, value)| own == "by" && !value.is_empty()).map(|(_, name)| name.clone()),
            suggest: chosen(value("suggest"), &suggests, Suggest::as_str)?,
            label,
        };
        Ok(Self { days, filter, after: value("after").map(str::to_owned) })
    }

    /// The same as an address has it.
    pub(crate) fn query(&self) -> String {
        let filter = &self.filter;
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                address.append_pair(name, value);
            }
        };
        let (first, last) = (self.days.first(), self.days.last());
        add("day", first.map(String::as_str));
        add("until", last.filter(|last| Some(*last) != first).map(String::as_str));
        add("act", filter.act.map(Act::as_str));
        add("made", filter.made.map(|made| if made { "yes" } else { "no" }));
        add("to", filter.to.map(State::as_str));
        add("found", filter.found.map(Found::as_str));
        add("hour", filter.hour.map(|hour| hour.to_string()).as_deref());
        add("who", filter.doer.map(Doer::as_str).or(filter.by_moderators.then_some(MODERATORS)));
        add("by", filter.by.as_deref());
        add("suggest", filter.suggest.map(Suggest::as_str));
        let label = filter.label.map(|label| label.map_or("none".to_owned(), |label| label.0.to_string()));
        add("label", label.as_deref());
        add("after", self.after.as_deref());
        address.finish()
    }
}

fn hour(text: &str) -> Result<u8, Problem> {
    text.parse().ok().filter(|hour| *hour < 24).ok_or_else(no_day)
}

/// Who decides besides those that are no persons.
pub(crate) const MODERATORS: &str = "moderators";

fn chosen<T: Copy>(name: Option<&str>, all: &[T], as_str: fn(T) -> &'static str) -> Result<Option<T>, Problem> {
    let Some(name) = name else { return Ok(None) };
    all.iter().copied().find(|one| as_str(*one) == name).map(Some).ok_or_else(no_day)
}

#[cfg(test)]
mod tests {
    use greenlight::api::body::query;

    use super::*;

    #[test]
    fn days_are_those_from_one_to_another_and_no_more_than_seven() {
        assert_eq!(days("2026-02-27", "2026-03-01").unwrap(), ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!(days("2026-02-27", "2026-02-27").unwrap().len(), 1);
        assert_eq!(days("2026-11-23", "2026-11-29").unwrap().len(), 7);
        for (first, last) in
            [("2026-11-23", "2026-11-30"), ("2026-11-24", "2026-11-23"), ("x", "x"), ("2026-11-23", "")]
        {
            assert_eq!(days(first, last), None, "{first} {last}");
        }
    }

    #[test]
    fn a_day_before_or_after_one_is_a_day_or_none() {
        assert_eq!(day_from("2026-03-01", -1).as_deref(), Some("2026-02-28"));
        assert_eq!(day_from("2026-12-31", 1).as_deref(), Some("2027-01-01"));
        for (day, days) in [("0000-01-01", -1), ("9999-12-31", 1), ("x", 1)] {
            assert_eq!(day_from(day, days), None, "{day} {days}");
        }
    }

    #[test]
    fn an_address_is_read_as_it_was_made() {
        let now = Timestamp(1_764_000_000_000);
        let all = Wanted::parse(&[], now).unwrap();
        assert_eq!(all, Wanted { days: vec![now.beijing_day()], filter: DeedFilter::default(), after: None });
        let filter = DeedFilter {
            act: Some(Act::Decided),
            made: Some(true),
            to: Some(State::Rejected),
            found: Some(Found::InReview),
            hour: Some(23),
            doer: Some(Doer::Clock),
            by_moderators: false,
            by: Some(" 王 &=+#".to_owned()),
            suggest: Some(Suggest::Risky),
            label: Some(None),
        };
        let people = DeedFilter { by_moderators: true, label: Some(Some(Label(20002))), ..DeedFilter::default() };
        for filter in [filter, people] {
            let days = days("2026-11-23", "2026-11-29").unwrap();
            let wanted = Wanted { days, filter, after: Some("1#2#3".to_owned()) };
            assert_eq!(Wanted::parse(&query(Some(&wanted.query())), now).unwrap(), wanted);
        }
        for wrong in [
            "day=x",
            "day=2026-11-29&until=2026-11-28",
            "to=public",
            "found=approved",
            "hour=24",
            "hour=x",
            "who=me",
            "act=a",
            "suggest=b",
            "label=x",
        ] {
            assert!(Wanted::parse(&query(Some(wrong)), now).is_err(), "{wrong}");
        }
    }
}
