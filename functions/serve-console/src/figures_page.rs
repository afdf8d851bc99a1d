//! The figures of a day or a week, for leads. Each leads to what it counts in the record.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::deed::{Act, Doer};
use greenlight::domain::deed_filter::DeedFilter;
use greenlight::domain::durations::Durations;
use greenlight::domain::figures::{
    Figures, decided_by_people, first_decided, made_public, of_act, of_doer, reached, submitted, worked_off,
};
use greenlight::domain::submission;
use greenlight::domain::verdict::{Label, Suggest};
use greenlight::table::MOST_COUNTED;
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page};
use crate::chart::Bar;
use crate::visit::{Door, Visit};
use crate::wanted::{MOST_DAYS, Wanted, day_from, days, no_day};
use crate::words::Words;

/// How many moderators are named, of those who decided most.
const MOST_NAMED: usize = 20;

/// A number, by a name, and the query of the record's page that shows what it counts.
struct Row {
    name: String,
    number: u64,
    query: String,
}

/// A verdict, what it was for, and how often it was given.
struct VerdictRow {
    suggest: &'static str,
    label: String,
    number: u64,
    query: String,
}

/// How long something took.
struct TimesRow {
    of: Row,
    half: String,
    most: String,
}

#[derive(Template)]
#[template(path = "figures.html")]
struct FiguresPage<'a> {
    f: Frame<'a>,
    title: String,
    day: &'a str,
    is_week: bool,
    before: Option<String>,
    after: Option<String>,
    submitted: Row,
    bars: Vec<Bar>,
    /// What the bars stand for: each hour, or each day.
    parts: Vec<Row>,
    states: Vec<Row>,
    verdicts: Vec<VerdictRow>,
    deciders: Vec<Row>,
    is_more: bool,
    others: Vec<Row>,
    times: Vec<TimesRow>,
    waiting: String,
    oldest: Option<String>,
    queue: Vec<Row>,
    acts: Vec<Row>,
}

/// What makes rows of these days.
struct Rows<'a> {
    w: &'static Words,
    days: &'a [String],
    figures: &'a Figures,
}

impl Rows<'_> {
    fn row(&self, name: &str, (filter, number): (DeedFilter, u64)) -> Row {
        let query = Wanted { days: self.days.to_vec(), filter, after: None }.query();
        Row { name: name.to_owned(), number, query }
    }

    /// A number that is asked of each deed.
    fn asked(&self, name: &str, filter: DeedFilter) -> Row {
        let number = self.figures.number(&filter);
        self.row(name, (filter, number))
    }

    fn verdicts(&self) -> Vec<VerdictRow> {
        let rows = self.figures.verdicts().map(|(filter, number)| {
            let label = filter.label.flatten();
            let suggest = self.w.suggest_name(filter.suggest.unwrap_or(Suggest::Review));
            let Row { query, number, .. } = self.row("", (filter, number));
            VerdictRow { suggest, label: self.w.label_named(label), number, query }
        });
        rows.collect()
    }

    fn deciders(&self) -> Vec<Row> {
        let w = self.w;
        let together = [
            self.asked(w.any, of_act(Act::Decided)),
            self.asked(w.wechat, of_doer(Act::Decided, Doer::Wechat)),
            self.asked(w.moderators_together, decided_by_people()),
        ];
        let each = self.figures.deciders().into_iter().take(MOST_NAMED).map(|(filter, number)| {
            let name = filter.by.clone().unwrap_or_default();
            self.row(&name, (filter, number))
        });
        together.into_iter().chain(each).collect()
    }

    /// What became of submissions and is no decision.
    fn others(&self) -> Vec<Row> {
        let w = self.w;
        let by_whom = [
            (Act::LeftToPeople, Doer::Wechat),
            (Act::LeftToPeople, Doer::Clock),
            (Act::Withdrew, Doer::Author),
            (Act::Withdrew, Doer::Owner),
        ];
        let by_whom = by_whom
            .map(|(act, doer)| self.asked(&format!("{} · {}", w.act_name(act), w.doer_name(doer)), of_doer(act, doer)));
        let by_moderators = [Act::Reopened, Act::Escalated].map(|act| self.asked(w.act_name(act), of_act(act)));
        by_whom.into_iter().chain(by_moderators).collect()
    }

    fn times(&self) -> Vec<TimesRow> {
        let (w, figures) = (self.w, self.figures);
        let row = |name, filter, took: &Durations| TimesRow {
            of: self.asked(name, filter),
            half: took.percentile(50).map(|took| w.exact(took)).unwrap_or_default(),
            most: took.percentile(90).map(|took| w.exact(took)).unwrap_or_default(),
        };
        vec![
            row(w.to_public, made_public(), &figures.to_public),
            row(w.to_decision, first_decided(), &figures.to_decision),
            row(w.in_queue, worked_off(), &figures.waiting),
        ]
    }

    /// All that is in the record, by what was done; the last is the sum.
    fn acts(&self) -> Vec<Row> {
        let each = Act::ALL.iter().map(|act| self.asked(self.w.act_name(*act), of_act(*act)));
        each.chain([self.asked(self.w.sum, DeedFilter::default())]).collect()
    }
}

/// What an address asks for: the days, the last of which it names, and whether they are a week.
fn asked(query: &[(String, String)], now: Timestamp) -> Result<(Vec<String>, bool), Problem> {
    let value = |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.trim());
    let today = now.beijing_day();
    let last = value("day").filter(|day| !day.is_empty()).unwrap_or(&today);
    let is_week = match value("span") {
        None | Some("" | "day") => false,
        Some("week") => true,
        Some(_) => return Err(no_day()),
    };
    let first = if is_week { day_from(last, 1 - MOST_DAYS as i64) } else { Some(last.to_owned()) };
    let days = first.and_then(|first| days(&first, last)).ok_or_else(no_day)?;
    Ok((days, is_week))
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        visit.must_be_lead()?;
        let (days, is_week) = asked(&query(head.uri.query()), visit.now)?;
        let app = &visit.moderator.app;
        let mut of_days = Vec::new();
        for day in &days {
            let mut figures = Figures::default();
            console.table.each_deed(app, day, |deed| figures.add(deed)).await?;
            of_days.push(figures);
        }
        let backlog = console.table.backlog(app).await?;
        let mut figures = Figures::default();
        of_days.iter().for_each(|of_day| figures.merge(of_day));

        let f = Frame::of(&visit);
        let w = f.w;
        let rows = Rows { w, days: &days, figures: &figures };
        let (first, last) = (days.first().map_or("", String::as_str), days.last().map_or("", String::as_str));
        let parts: Vec<Row> = if is_week {
            let each = days.iter().zip(&of_days);
            each.map(|(day, figures)| Rows { w, days: std::slice::from_ref(day), figures }.asked(day, submitted()))
                .collect()
        } else {
            figures
                .hours()
                .map(|of_hour| rows.row(&format!("{:02}:00", of_hour.0.hour.unwrap_or(0)), of_hour))
                .collect()
        };
        let counted = backlog.cases;
        let step = days.len() as i64;
        let template = FiguresPage {
            title: if is_week { format!("{first} – {last}") } else { first.to_owned() },
            day: last,
            is_week,
            before: day_from(last, -step),
            after: day_from(last, step),
            submitted: rows.asked(w.act_name(Act::Submitted), submitted()),
            bars: Bar::all(parts.iter().map(|part| (part.name.as_str(), part.number))),
            states: submission::State::ALL.map(|state| rows.asked(w.state_name(state), reached(state))).into(),
            verdicts: rows.verdicts(),
            deciders: rows.deciders(),
            is_more: figures.deciders().len() > MOST_NAMED,
            others: rows.others(),
            times: rows.times(),
            waiting: if counted >= MOST_COUNTED { format!("{counted}+") } else { counted.to_string() },
            oldest: backlog.oldest.map(|oldest| w.duration(visit.now.since(oldest))),
            queue: vec![
                rows.asked(w.came_to_people, reached(submission::State::InReview)),
                rows.asked(w.worked_off, worked_off()),
            ],
            acts: rows.acts(),
            parts,
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}

impl Words {
    fn label_named(&self, label: Option<Label>) -> String {
        match label {
            None => self.no_label.to_owned(),
            Some(label) => format!("{} {}", label.0, self.language.choose(label.name_zh(), label.name_en())),
        }
    }

    /// How long something took, to a twentieth of it at worst.
    fn exact(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        let (number, unit) = match took.as_secs() {
            0..2 => (seconds * 1000.0, self.milliseconds),
            2..120 => (seconds, self.seconds),
            120..7_200 => (seconds / 60.0, self.minutes),
            7_200..172_800 => (seconds / 3600.0, self.hours),
            _ => (seconds / 86_400.0, self.days),
        };
        let digits = usize::from(number < 10.0 && unit != self.milliseconds);
        format!("{number:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use greenlight::api::language::Language;

    use super::*;

    #[test]
    fn how_long_something_took_is_told_as_exactly_as_it_is_known() {
        let told = |ms| Words::of(Language::English).exact(Duration::from_millis(ms));
        for (ms, expected) in [
            (0, "0 ms"),
            (3, "3 ms"),
            (1_999, "1999 ms"),
            (2_340, "2.3 s"),
            (119_400, "119 s"),
            (179_000, "3.0 min"),
            (3_000_000, "50 min"),
            (10_000_000, "2.8 h"),
            (172_800_000, "2.0 d"),
            (1_000_000_000, "12 d"),
        ] {
            assert_eq!(told(ms), expected, "{ms}");
        }
    }

    #[test]
    fn an_address_asks_for_a_day_or_for_the_week_that_ends_on_it() {
        let now = Timestamp::parse_rfc3339("2026-11-29T16:00:00Z").unwrap();
        let asked = |address| asked(&query(Some(address)), now).ok();
        let day = |day: &str| Some((vec![day.to_owned()], false));
        assert_eq!(asked(""), day("2026-11-30"), "today, in Beijing");
        assert_eq!(asked("day=&span="), day("2026-11-30"));
        assert_eq!(asked("day=2026-03-01&span=day"), day("2026-03-01"));
        let (week, is_week) = asked("day=2026-03-01&span=week").unwrap();
        assert_eq!((week.len(), week[0].as_str(), week[6].as_str()), (7, "2026-02-23", "2026-03-01"));
        assert!(is_week);
        for wrong in ["day=x", "day=2026-02-30", "day=2026-2-3", "span=month", "day=0000-01-01&span=week"] {
            assert_eq!(asked(wrong), None, "{wrong}");
        }
    }
}
