//! The record of what was done, for leads: a day on a page, and as a file; and the author behind an openid.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::deed::{Act, Deed, Doer};
use greenlight::domain::deed_filter::DeedFilter;
use greenlight::domain::ids::OpenId;
use greenlight::domain::submission;
use greenlight::domain::verdict::Suggest;
use greenlight::moderation::look_back::{author_of, export_day};
use greenlight::table::is_day;
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::queue::Choice;
use crate::visit::{Door, Visit};
use crate::wanted::{MODERATORS, Wanted, no_day};
use crate::words::Words;

/// How many deeds stand on a page.
const ON_A_PAGE: usize = 100;
/// How many files a day has at most: a million deeds.
const MOST_FILES: u32 = 100;
/// The columns of a file.
const COLUMNS: [&str; 17] = [
    "at",
    "act",
    "by",
    "doer",
    "role",
    "submission",
    "version",
    "author",
    "from",
    "to",
    "reason_code",
    "causes",
    "waited_ms",
    "age_ms",
    "suggest",
    "label",
    "about",
];

/// A deed, on the page.
struct DeedView {
    at: String,
    act: &'static str,
    by: String,
    submission: Option<String>,
    change: String,
    more: String,
}

#[derive(Template)]
#[template(path = "record.html")]
struct RecordPage<'a> {
    f: Frame<'a>,
    title: String,
    day: String,
    until: String,
    states: Vec<Choice>,
    doers: Vec<Choice>,
    is_filtered: bool,
    deeds: Vec<DeedView>,
    next: Option<String>,
}

fn choice(value: &'static str, name: &'static str, chosen: bool) -> Choice {
    Choice { value, name, chosen }
}

fn doers(w: &Words, filter: &DeedFilter) -> Vec<Choice> {
    let others = Doer::ALL.iter().map(|doer| choice(doer.as_str(), w.doer_name(*doer), filter.doer == Some(*doer)));
    others.chain([choice(MODERATORS, w.moderators, filter.by_moderators)]).collect()
}

fn view(w: &Words, deed: &Deed) -> DeedView {
    let state = |state: &Option<String>| state.as_deref().map(|state| w.state_named(state)).unwrap_or_default();
    let verdict =
        deed.verdict.filter(|verdict| verdict.suggest != Suggest::Pass).map(|verdict| w.verdict_name(verdict));
    let causes = (!deed.causes.is_empty())
        .then(|| deed.causes.iter().map(|kind| w.kind_name(kind)).collect::<Vec<_>>().join(", "));
    let more = [deed.reason_code.clone(), deed.about.clone(), verdict, causes];
    DeedView {
        at: deed.at.in_beijing(),
        act: w.act_name(deed.act),
        by: deed.by.clone().unwrap_or_else(|| w.doer_name(deed.doer.unwrap_or(Doer::Owner)).to_owned()),
        submission: deed.submission.as_ref().map(ToString::to_string),
        change: match (&deed.from, &deed.to) {
            (Some(_), Some(_)) => format!("{} → {}", state(&deed.from), state(&deed.to)),
            (None, Some(_)) => state(&deed.to).to_owned(),
            _ => String::new(),
        },
        more: more.into_iter().flatten().collect::<Vec<_>>().join(" · "),
    }
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        visit.must_be_lead()?;
        let wanted = Wanted::parse(&query(head.uri.query()), visit.now)?;
        let (mut deeds, mut next, mut after) = (Vec::new(), None, wanted.after.clone());
        for (index, day) in wanted.days.iter().enumerate() {
            let limit = ON_A_PAGE.saturating_sub(deeds.len());
            let mut more = None;
            // Of a day behind a page that is full nothing is known yet.
            if limit > 0 {
                let asked = (limit, &wanted.filter);
                let (found, rest) = console.table.deeds_of(&visit.moderator.app, day, after.as_deref(), asked).await?;
                deeds.extend(found);
                more = rest;
            }
            after = None;
            if more.is_some() || limit == 0 {
                let days = wanted.days.get(index..).unwrap_or_default().to_vec();
                next = Some(Wanted { days, filter: wanted.filter.clone(), after: more }.query());
                break;
            }
        }
        let f = Frame::of(&visit);
        let w = f.w;
        let (first, last) = (wanted.days.first().cloned().unwrap_or_default(), wanted.days.last().cloned());
        let last = last.filter(|last| *last != first);
        let title = last.as_ref().map_or(first.clone(), |last| format!("{first} – {last}"));
        let template = RecordPage {
            deeds: deeds.iter().map(|deed| view(w, deed)).collect(),
            states: submission::State::ALL
                .iter()
                .map(|state| choice(state.as_str(), w.state_name(*state), wanted.filter.to == Some(*state)))
                .collect(),
            doers: doers(w, &wanted.filter),
            is_filtered: wanted.filter != DeedFilter::default(),
            title,
            day: first,
            until: last.unwrap_or_default(),
            next,
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}

/// A cell of a file that spreadsheets open: what they would take for a formula is text. (OWASP, "CSV Injection".)
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn csv(deeds: &[Deed]) -> String {
    // So that spreadsheets read it as UTF-8.
    let mut file = format!("\u{feff}{}\r\n", COLUMNS.join(","));
    for deed in deeds {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let cells = [
            deed.at.to_string(),
            deed.act.as_str().to_owned(),
            text(&deed.by),
            deed.doer.map(|doer| doer.as_str().to_owned()).unwrap_or_default(),
            deed.role.map(|role| role.as_str().to_owned()).unwrap_or_default(),
            deed.submission.as_ref().map(ToString::to_string).unwrap_or_default(),
            number(deed.version),
            deed.author.as_ref().map(ToString::to_string).unwrap_or_default(),
            text(&deed.from),
            text(&deed.to),
            text(&deed.reason_code),
            deed.causes.join(" "),
            number(deed.waited_ms),
            number(deed.age_ms),
            deed.verdict.map(|verdict| verdict.suggest.as_str().to_owned()).unwrap_or_default(),
            number(deed.verdict.and_then(|verdict| verdict.label).map(|label| u64::from(label.0))),
            text(&deed.about),
        ];
        file.push_str(&cells.map(|text| cell(&text)).join(","));
        file.push_str("\r\n");
    }
    file
}

fn json_lines(deeds: &[Deed]) -> String {
    let line = |deed: &Deed| {
        let mut fields = serde_json::to_value(deed).unwrap_or_default();
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("at".to_owned(), deed.at.to_string().into());
        }
        format!("{fields}\n")
    };
    deeds.iter().map(line).collect()
}

pub(crate) async fn export(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let day = form.get("day").to_owned();
        let number = form.get("file").parse::<u32>().ok().filter(|file| (1..=MOST_FILES).contains(file));
        let (true, Some(number)) = (is_day(&day), number) else { return Err(no_day()) };
        let exported = export_day(&console.table, &console.clock, &visit.moderator, (&day, number));
        let (deeds, more) = exported.await?.ok_or_else(Problem::not_found)?;
        // Whoever takes it away sees that it is not all.
        let name =
            if more { format!("record-{day}-file-{number}-of-more") } else { format!("record-{day}-file-{number}") };
        let (media_type, extension, file) = match form.get("format") {
            "csv" => ("text/csv; charset=utf-8", "csv", csv(&deeds)),
            _ => ("application/x-ndjson; charset=utf-8", "jsonl", json_lines(&deeds)),
        };
        let mut response = Response::new(Body::from(file));
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, media_type.to_owned()),
            (CACHE_CONTROL, "private, no-store".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{extension}\"")),
        ] {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| Problem::internal())?);
        }
        Ok(response)
    };
    answer(&door, reply.await)
}

/// Leads from an openid to its author. It is posted, so that it stands in no address, and is recorded without the openid.
pub(crate) async fn find_openid(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let openid = OpenId::parse(form.get("openid")).map_err(|_| Problem::not_found())?;
        let author = author_of(&console.table, &console.clock, &visit.moderator, &openid).await?;
        Ok(see_other(&format!("{}/authors/{author}", door.base)))
    };
    answer(&door, reply.await)
}

impl Words {
    pub(crate) fn doer_name(&self, doer: Doer) -> &'static str {
        match doer {
            Doer::Author => self.author,
            Doer::Owner => self.owner,
            Doer::Wechat => self.wechat,
            Doer::Clock => self.clock,
        }
    }

    pub(crate) fn act_name(&self, act: Act) -> &'static str {
        let (zh, en) = match act {
            Act::Submitted => ("提交", "submitted"),
            Act::Decided => ("决定", "decided"),
            Act::LeftToPeople => ("转人工", "left to people"),
            Act::Withdrew => ("撤回", "withdrew"),
            Act::Reopened => ("撤销决定", "took a decision back"),
            Act::Escalated => ("转交组长", "left to a lead"),
            Act::Lifted => ("允许再次出现", "allowed again"),
            Act::Banned => ("禁言", "banned an author"),
            Act::Unbanned => ("解除禁言", "lifted a ban"),
            Act::LetIn => ("让审核员进入", "let a moderator in"),
            Act::LockedOut => ("停用审核员", "locked a moderator out"),
            Act::SetRules => ("修改规则", "changed the rules"),
            Act::SearchedOpenid => ("按 openid 查找", "searched by openid"),
            Act::Exported => ("导出", "took away as a file"),
            Act::Held => ("保全", "put on hold"),
            Act::Released => ("解除保全", "took a hold away"),
            Act::OpenedSeal => ("查看封存内容", "opened a seal"),
        };
        self.language.choose(zh, en)
    }
}

#[cfg(test)]
mod tests {
    use greenlight::domain::clock::Timestamp;

    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_none_ends_early() {
        for (text, expected) in [
            ("li", "li"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=a,b", "\"'=a,b\""),
            ("a=b", "a=b"),
        ] {
            assert_eq!(cell(text), expected, "{text}");
        }
        let deed = Deed { by: Some("=HYPERLINK(\"x\")".into()), ..Deed::new(Timestamp(0), Act::LetIn, None) };
        let file = csv(std::slice::from_ref(&deed));
        assert!(file.contains("1970-01-01T00:00:00Z,let_in,\"'=HYPERLINK(\"\"x\"\")\",,"), "{file}");
        assert_eq!(
            json_lines(&[deed]),
            "{\"act\":\"let_in\",\"at\":\"1970-01-01T00:00:00Z\",\"by\":\"=HYPERLINK(\\\"x\\\")\"}\n"
        );
    }
}
