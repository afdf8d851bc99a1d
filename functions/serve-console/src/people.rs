//! What leads do: let moderators in, lock them out, and keep the list of reasons.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::domain::desk::{LONGEST_LIMIT_MINUTES, MOST_REASONS, RejectReason};
use greenlight::domain::ids::ModeratorName;
use greenlight::domain::moderator::{Moderator, Role};
use greenlight::moderation::{let_in, share_desk};
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page};
use crate::visit::{Door, Form, Visit};

#[derive(Template)]
#[template(path = "people.html")]
struct PeoplePage<'a> {
    f: Frame<'a>,
    link: Option<String>,
    locked_out: Option<String>,
}

#[derive(Template)]
#[template(path = "reasons.html")]
struct ReasonsPage<'a> {
    f: Frame<'a>,
    lines: String,
    minutes: String,
    said: Option<&'a str>,
    is_wrong: bool,
}

fn name_in(form: &Form) -> Result<ModeratorName, Problem> {
    ModeratorName::parse(form.get("moderator")).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_form",
            "名字须是 1 到 100 个看得见的字符。",
            "A name is 1 to 100 characters that can be seen.",
        )
    })
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        visit.must_be_lead()?;
        let template = PeoplePage { f: Frame::of(&visit), link: None, locked_out: None };
        Ok(page(StatusCode::OK, door.words().tag(), &template))
    };
    answer(&door, reply.await)
}

pub(crate) async fn make_link(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let moderator = Moderator { app: visit.moderator.app.clone(), name: name_in(&form)?, role: Role::Moderator };
        let (link, _) = let_in::make_link(&console.table, &console.clock, &moderator, Some(&visit.moderator)).await?;
        let (app, key, by) = (&moderator.app, &link.moderator, visit.moderator.key());
        tracing::info!(event = "moderator_link_made", %app, moderator = %key, role = "moderator", %by, "a link into the console was made");
        let link = Some(format!("{}/links/{}", door.url(), link.expose()));
        let template = PeoplePage { f: Frame::of(&visit), link, locked_out: None };
        Ok(page(StatusCode::OK, door.words().tag(), &template))
    };
    answer(&door, reply.await)
}

pub(crate) async fn revoke(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let name = name_in(&form)?;
        let (app, lead) = (&visit.moderator.app, Some(&visit.moderator));
        let_in::revoke(&console.table, &console.clock, app, &name, lead).await?;
        let template = PeoplePage { f: Frame::of(&visit), link: None, locked_out: Some(name.to_string()) };
        Ok(page(StatusCode::OK, door.words().tag(), &template))
    };
    answer(&door, reply.await)
}

/// A list of reasons, a line each: code, Chinese, English.
fn lines_of(reasons: &[RejectReason]) -> String {
    reasons.iter().map(|reason| format!("{} | {} | {}\n", reason.code, reason.zh, reason.en)).collect()
}

/// Reads such a list; nothing where a line is wrong, a code comes twice, or there are none or too many.
fn reasons_in(lines: &str) -> Option<Vec<RejectReason>> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let reasons: Option<Vec<RejectReason>> = lines
        .map(|line| {
            let mut pieces = line.splitn(3, '|').map(str::trim);
            RejectReason::new(pieces.next()?, pieces.next()?, pieces.next()?)
        })
        .collect();
    let reasons = reasons.filter(|reasons| (1..=MOST_REASONS).contains(&reasons.len()))?;
    let codes: std::collections::BTreeSet<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    (codes.len() == reasons.len()).then_some(reasons)
}

pub(crate) async fn show_reasons(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        visit.must_be_lead()?;
        let desk = console.table.desk(&visit.moderator.app).await?;
        let (lines, minutes) = (lines_of(&desk.reasons), (desk.late_after().as_secs() / 60).to_string());
        let template = ReasonsPage { f: Frame::of(&visit), lines, minutes, said: None, is_wrong: false };
        Ok(page(StatusCode::OK, door.words().tag(), &template))
    };
    answer(&door, reply.await)
}

pub(crate) async fn set_reasons(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let (w, lines, minutes) = (door.words(), form.get("reasons").to_owned(), form.get("minutes").to_owned());
        let limit = minutes.parse::<u32>().ok().filter(|minutes| (1..=LONGEST_LIMIT_MINUTES).contains(minutes));
        let rules = reasons_in(&lines).zip(limit);
        let is_wrong = rules.is_none();
        if let Some(rules) = rules {
            share_desk::set_rules(&console.table, &console.clock, &visit.moderator, rules).await?;
        }
        let said = Some(if is_wrong { w.reasons_wrong } else { w.saved });
        let status = if is_wrong { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        Ok(page(status, w.tag(), &ReasonsPage { f: Frame::of(&visit), lines, minutes, said, is_wrong }))
    };
    answer(&door, reply.await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_reasons_reads_as_it_was_written() {
        let list = "spam | 广告 | Ads\n\n a_1|理由|a reason | with a bar \n";
        let reasons = reasons_in(list).unwrap();
        assert_eq!(reasons[1].en, "a reason | with a bar");
        assert_eq!(reasons_in(&lines_of(&reasons)).unwrap(), reasons);
        let ten: String = (0..10).map(|index| format!("c{index} | 字 | a\n")).collect();
        for wrong in ["", "spam", "spam | 广告", "spam | | Ads", "a | 字 | a\na | 字 | b", &ten] {
            assert_eq!(reasons_in(wrong), None, "{wrong}");
        }
    }
}
