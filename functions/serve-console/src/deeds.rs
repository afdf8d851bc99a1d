//! What moderators do with cases. Each deed is a form, and what comes of it is told by the page that they came from.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream;
use greenlight::api::problem::Problem;
use greenlight::domain::desk::{Desk, REASON_CHARS, RejectReason};
use greenlight::domain::ids::{AuthorId, SubmissionId};
use greenlight::domain::submission::{Decider, ModeratorDecision, NotDecided, NotUndone, Submission};
use greenlight::moderation::ban::{BanError, ban_by_moderator};
use greenlight::moderation::decide::{DecideError, decide as take_decision};
use greenlight::moderation::note::Noted;
use greenlight::moderation::reopen::{ReopenError, reopen};
use greenlight::moderation::{escalate as escalation, lift as lifting, note as notes, take_cases};
use greenlight::table::Consistency;
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{answer, see_other};
use crate::visit::{Door, Form, Visit};

/// How many submissions one deed is about at most.
const MOST_AT_ONCE: usize = 50;
/// How many of them are worked on at a time.
const AT_ONCE: usize = 8;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// No ban is longer: a hundred years.
const LONGEST_BAN_DAYS: u32 = 36_500;

/// A submission that a form names, and the version of it that its sender saw.
type Seen = (SubmissionId, u64);

fn invalid(zh: &str, en: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_form", zh, en)
}

fn conflict(zh: String, en: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "version_conflict", zh, en)
}

/// The submissions that a form names.
fn seen(form: &Form) -> Result<Vec<Seen>, Problem> {
    let seen: Option<Vec<Seen>> = form
        .all("case")
        .map(|case| {
            let (id, version) = case.split_once(':')?;
            Some((SubmissionId::parse(id).ok()?, version.parse().ok()?))
        })
        .collect();
    let seen = seen.filter(|seen| (1..=MOST_AT_ONCE).contains(&seen.len()));
    seen.ok_or_else(|| invalid("没有选中内容，或一次超过 50 条。", "Nothing was chosen, or more than 50 at once."))
}

/// The submission of that id, in the app of whoever asks: another's does not exist for them.
pub(crate) async fn find(console: &ServeConsole, visit: &Visit, id: &SubmissionId) -> Result<Submission, Problem> {
    let submission = console.table.submission(id, Consistency::Strong).await?;
    submission.filter(|submission| submission.app == visit.moderator.app).ok_or_else(Problem::not_found)
}

/// The page to go back to, with what was done: a page of ours, whatever the form says.
fn back(door: &Door, form: &Form, did: &str, more: &[(&str, String)]) -> Response {
    let mut address = url::form_urlencoded::Serializer::new(String::new());
    let back = form.get("back");
    let (page, kept) = match form.get("page") {
        "submission" => (SubmissionId::parse(back).map_or("queue".to_owned(), |id| format!("submissions/{id}")), ""),
        "author" => (AuthorId::parse(back).map_or("queue".to_owned(), |id| format!("authors/{id}")), ""),
        _ => ("queue".to_owned(), back),
    };
    for (name, value) in url::form_urlencoded::parse(kept.as_bytes()) {
        if ["channel", "scene", "cause"].contains(&name.as_ref()) {
            address.append_pair(&name, &value);
        }
    }
    address.append_pair("did", did);
    for (name, value) in more {
        address.append_pair(name, value);
    }
    see_other(&format!("{}/{page}?{}", door.base, address.finish()))
}

/// Why a decision was not taken, said to whoever came second.
fn refused(why: NotDecided, standing: &Submission) -> Problem {
    match why {
        NotDecided::Withdrawn => Problem::new(
            StatusCode::CONFLICT,
            "withdrawn",
            "内容在此期间已被撤回，没有什么可决定的了。",
            "It was withdrawn meanwhile; nothing is left to decide.",
        ),
        NotDecided::Erased => Problem::new(
            StatusCode::CONFLICT,
            "erased",
            "内容已在决定后删除，不能再通过。",
            "It was erased with the decision; it cannot be approved any more.",
        ),
        NotDecided::ForALead => Problem::new(
            StatusCode::FORBIDDEN,
            "lead_required",
            "这条已转交组长，只有组长可以决定。",
            "It was left to a lead; only a lead may decide it.",
        ),
        NotDecided::Moved => {
            let (zh, en) = match standing.decision.as_ref().map(|decision| &decision.decider) {
                Some(Decider::Moderator(name)) => {
                    (format!("{name} 先一步处理了这条内容。"), format!("{name} was first."))
                }
                Some(Decider::Wechat) => {
                    ("微信在此期间给出了结果。".to_owned(), "WeChat has decided it meanwhile.".to_owned())
                }
                Some(Decider::Owner) => {
                    ("运营方在此期间处理了这条内容。".to_owned(), "The owner has decided it meanwhile.".to_owned())
                }
                Some(Decider::Author) | None => {
                    ("内容在此期间发生了变化。".to_owned(), "It has changed meanwhile.".to_owned())
                }
            };
            let state = standing.state.as_str();
            conflict(
                format!("{zh}现在的状态：{state}。您的决定没有生效。"),
                format!("{en} It is {state} now; your decision was not taken."),
            )
        }
    }
}

/// The reason that a form gives: one of the app's by its code, or its own words.
fn reason_of(
    form: &Form,
    desk: &Desk,
    approve: bool,
    approve_reason: &str,
) -> Result<(String, Option<RejectReason>), Problem> {
    if approve {
        return Ok((approve_reason.to_owned(), None));
    }
    if let Some(listed) = desk.reason(form.get("code")) {
        return Ok((listed.zh.clone(), Some(listed.clone())));
    }
    let own = form.get("reason");
    if !(1..=REASON_CHARS).contains(&own.chars().count()) {
        return Err(invalid(
            "请选择驳回理由，或写一条（最多 200 字）。",
            "Choose a reason, or write one of at most 200 characters.",
        ));
    }
    Ok((own.to_owned(), None))
}

async fn decide_one(
    console: &ServeConsole,
    visit: &Visit,
    id: SubmissionId,
    decision: ModeratorDecision,
) -> Result<Submission, Problem> {
    let submission = find(console, visit, &id).await?;
    match take_decision(&console.table, &console.clock, submission, decision).await {
        Ok(submission) => Ok(submission),
        Err(DecideError::NotDecided { why, standing }) => Err(refused(why, &standing)),
        Err(DecideError::Table(error)) => Err(error.into()),
    }
}

pub(crate) async fn decide(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        let approve = match form.get("deed") {
            "approve" => true,
            "reject" => false,
            _ => return Err(invalid("没有说明要通过还是驳回。", "It does not say whether to approve or to reject.")),
        };
        let seen = seen(&form)?;
        let desk = console.table.desk(&visit.moderator.app).await?;
        let (reason, listed) = reason_of(&form, &desk, approve, door.words().approve_reason)?;
        let decided = seen.into_iter().map(|(id, version)| {
            let decision = ModeratorDecision {
                approve,
                reason: reason.clone(),
                listed: listed.clone(),
                moderator: visit.moderator.name.to_string(),
                role: Some(visit.moderator.role),
                version,
            };
            decide_one(&console, &visit, id, decision)
        });
        let decided = stream::iter(decided);
        let decided: Vec<Result<Submission, Problem>> = decided.buffered(AT_ONCE).collect().await;
        let (done, mut refused): (Vec<_>, Vec<_>) = decided.into_iter().partition(Result::is_ok);
        let done: Vec<Submission> = done.into_iter().flatten().collect();
        for submission in &done {
            let noted = (&submission.id, approve, false);
            take_cases::note_decision(&console.table, &console.clock, &visit.moderator, noted).await?;
        }
        if done.is_empty()
            && let Some(Err(problem)) = refused.pop()
        {
            return Err(problem);
        }
        let problems: Vec<Problem> = refused.into_iter().filter_map(Result::err).collect();
        let failed = problems.iter().filter(|problem| problem.status.is_server_error()).count();
        let counts = [("left", problems.len() - failed), ("failed", failed)];
        let mut more = vec![("done", done.len().to_string())];
        more.extend(
            counts.into_iter().filter(|(_, number)| *number > 0).map(|(name, number)| (name, number.to_string())),
        );
        let undo = done.iter().filter(|submission| submission.undo.is_some());
        more.extend(undo.map(|submission| ("case", format!("{}:{}", submission.id, submission.version))));
        Ok(back(&door, &form, if approve { "approve" } else { "reject" }, &more))
    };
    answer(&door, reply.await)
}

pub(crate) async fn undo(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        let (mut done, mut refused) = (0_usize, Vec::new());
        for (id, version) in seen(&form)? {
            let submission = find(&console, &visit, &id).await?;
            let approved = submission.state == greenlight::domain::submission::State::Approved;
            let named = (&visit.moderator, version);
            match reopen(&console.table, &console.clock, submission, named).await {
                Ok(_) => {
                    done += 1;
                    let noted = (&id, approved, true);
                    take_cases::note_decision(&console.table, &console.clock, &visit.moderator, noted).await?;
                }
                Err(ReopenError::NotUndone { why, .. }) => refused.push(why),
                Err(ReopenError::Table(error)) => return Err(error.into()),
            }
        }
        match refused.first() {
            Some(NotUndone::TooLate) if done == 0 => Err(conflict(
                "已超过一分钟，不能撤销；请重新决定。".to_owned(),
                "More than a minute has passed, so it cannot be undone; decide anew.".to_owned(),
            )),
            Some(NotUndone::Followed) if done == 0 => Err(conflict(
                "之后又发生了变化，不能撤销；请重新查看后再决定。".to_owned(),
                "Something has followed, so it cannot be undone; look again, and decide anew.".to_owned(),
            )),
            _ => {
                let mut more = vec![("done", done.to_string())];
                more.extend((!refused.is_empty()).then(|| ("left", refused.len().to_string())));
                Ok(back(&door, &form, "undo", &more))
            }
        }
    };
    answer(&door, reply.await)
}

pub(crate) async fn skip(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        for (id, _) in seen(&form)? {
            let submission = find(&console, &visit, &id).await?;
            take_cases::skip(&console.table, &visit.moderator, &submission.id).await?;
        }
        Ok(back(&door, &form, "skip", &[]))
    };
    answer(&door, reply.await)
}

pub(crate) async fn escalate(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        for (id, _) in seen(&form)? {
            let submission = find(&console, &visit, &id).await?;
            match escalation::escalate(&console.table, &console.clock, &visit.moderator, submission).await {
                Ok(_) => {}
                Err(DecideError::NotDecided { why, standing }) => return Err(refused(why, &standing)),
                Err(DecideError::Table(error)) => return Err(error.into()),
            }
            tracing::info!(event = "case_escalated", submission = %id, "a case was left to a lead");
        }
        Ok(back(&door, &form, "escalate", &[]))
    };
    answer(&door, reply.await)
}

pub(crate) async fn note(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        let text = form.get("note");
        if !(1..=notes::NOTE_CHARS).contains(&text.chars().count()) {
            return Err(invalid("备注须有 1 到 1000 个字。", "A note has 1 to 1,000 characters."));
        }
        for (id, _) in seen(&form)? {
            let submission = find(&console, &visit, &id).await?;
            let text = text.to_owned();
            match notes::add_note(&console.table, &console.clock, &visit.moderator, submission, text).await? {
                Noted::Added => {}
                Noted::TooMany => {
                    return Err(invalid("这条内容的备注已经太多了。", "There are too many notes about it already."));
                }
                Noted::Erased => {
                    return Err(conflict(
                        "内容已删除，不能再备注。".to_owned(),
                        "It is erased; notes go with it.".to_owned(),
                    ));
                }
            }
        }
        Ok(back(&door, &form, "note", &[]))
    };
    answer(&door, reply.await)
}

pub(crate) async fn lift(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        for (id, _) in seen(&form)? {
            let submission = find(&console, &visit, &id).await?;
            lifting::lift_by(&console.table, &console.clock, &visit.moderator, &submission).await?;
        }
        Ok(back(&door, &form, "lift", &[]))
    };
    answer(&door, reply.await)
}

pub(crate) async fn ban(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        let author = AuthorId::parse(form.get("author")).map_err(|_| Problem::not_found())?;
        let reason = form.get("reason");
        if !(1..=REASON_CHARS).contains(&reason.chars().count()) {
            return Err(invalid("请写明理由（最多 200 字）。", "Give a reason of at most 200 characters."));
        }
        let days = form.get("days").parse::<u32>().ok().filter(|days| *days <= LONGEST_BAN_DAYS);
        let days =
            days.ok_or_else(|| invalid("天数须是 0 到 36500；0 表示解除。", "Days are 0 to 36,500; 0 lifts the ban."))?;
        let until = (days > 0).then(|| visit.now.plus(DAY * days));
        let banned =
            ban_by_moderator(&console.table, &console.clock, &visit.moderator, &author, (until, reason.to_owned()));
        match banned.await {
            Ok(()) => Ok(back(&door, &form, "ban", &[])),
            Err(BanError::NoAuthor) => Err(Problem::not_found()),
            Err(BanError::ForALead) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "lead_required",
                "超过 7 天的禁言只有组长可以设置或解除。",
                "Only a lead may set or lift a ban of more than 7 days.",
            )),
            Err(BanError::Table(error)) => Err(error.into()),
        }
    };
    answer(&door, reply.await)
}
