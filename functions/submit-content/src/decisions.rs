//! What people decide: the review queue, decisions and bans, all by server key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::caller::Caller;
use greenlight::api::fields::Fields;
use greenlight::api::language::Language;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{json, respond};
use greenlight::domain::clock::Timestamp;
use greenlight::domain::submission::{self, ModeratorDecision, NotDecided};
use greenlight::moderation::ban::{NewBan, ban as set_ban};
use greenlight::moderation::decide::{DecideError, decide as take_decision};
use greenlight::moderation::tell;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::SubmitContent;
use crate::paging::{Entry, List, Paging};
use crate::request::{InPath, find, named, take_openid};
use crate::view::{Viewer, view};

const REASON_CHARS: usize = 500;
const MODERATOR_CHARS: usize = 100;

pub(crate) async fn reviews(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        caller.must_be_owner()?;
        let paging = Paging::parse(&query(head.uri.query()), &[])?;
        let (app, now) = (&caller.app.id, function.clock.now());
        let list = List {
            secrets: &function.secrets,
            apps: &caller.apps,
            list: format!("reviews/{app}"),
            asker: caller.name(),
        };
        let after = paging.after(&list, now).await?;
        let page = function.checker.table.reviews(app, after.as_deref(), paging.limit).await?;
        let next = page.entries.last().filter(|_| page.more).map(|last| last.place.clone());
        let mut submissions = function.load(page.entries, &[]).await?;
        // The index may still show what was decided a moment ago.
        submissions.retain(|(_, one)| one.state == submission::State::InReview && one.app == *app);
        let (language, url) = (Language::of(&head.headers), &function.checker.public_url);
        let entries = submissions
            .iter()
            .map(|(place, one)| Entry { place: place.clone(), view: view(one, Viewer::OWNER, language, url) });
        Ok(list.page([], entries, next, now))
    };
    respond(&head.headers, reply.await)
}

fn take_decision_fields(fields: &mut Fields) -> Option<ModeratorDecision> {
    let approve = match fields.text("decision").as_deref() {
        Some("approve") => Some(true),
        Some("reject") => Some(false),
        _ => {
            fields.fault("decision", "必须是 approve 或 reject。", "It must be approve or reject.");
            None
        }
    };
    let reason = fields.short_text("reason", REASON_CHARS);
    let moderator = fields.short_text("moderator", MODERATOR_CHARS);
    let version = fields.required_number("version");
    let (listed, role) = (None, None);
    Some(ModeratorDecision {
        approve: approve?,
        reason: reason?,
        listed,
        moderator: moderator?,
        role,
        version: version?,
    })
}

pub(crate) async fn decide(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let (caller, mut fields) = function.owners_fields(&head.headers, body).await?;
        let decision = take_decision_fields(&mut fields);
        let decision = fields.finish("invalid_decision", decision)?;
        let table = &function.checker.table;
        let submission = find(table, &named(path)).await?;
        if submission.app != caller.app.id {
            return Err(Problem::not_found());
        }
        let submission = take_decision(table, &function.clock, submission, decision).await.map_err(refused)?;
        let language = Language::of(&head.headers);
        Ok(json(StatusCode::OK, &view(&submission, Viewer::OWNER, language, &function.checker.public_url)))
    };
    respond(&head.headers, reply.await)
}

fn refused(error: DecideError) -> Problem {
    match error {
        DecideError::Table(error) => error.into(),
        DecideError::NotDecided { why: NotDecided::Moved | NotDecided::ForALead, .. } => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "内容的状态已经变化，请重新读取后再决定。",
            "It has changed meanwhile; read it again before you decide.",
        ),
        DecideError::NotDecided { why: NotDecided::Withdrawn, .. } => Problem::new(
            StatusCode::CONFLICT,
            "withdrawn",
            "内容已撤回并删除，不能再决定。",
            "It was withdrawn and erased; nothing is left to decide.",
        ),
        DecideError::NotDecided { why: NotDecided::Erased, .. } => Problem::new(
            StatusCode::CONFLICT,
            "erased",
            "内容按 retain 的约定已在决定后删除，不能再通过。",
            "It was erased with the decision, as `retain` has it; it cannot be restored.",
        ),
    }
}

#[derive(Serialize)]
struct BanView<'a> {
    openid: &'a str,
    until: Option<String>,
}

pub(crate) async fn ban(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let (caller, mut fields) = function.owners_fields(&head.headers, body).await?;
        let openid = take_openid(&mut fields);
        let until = take_until(&mut fields);
        let reason = fields.short_text("reason", REASON_CHARS);
        let moderator = fields.short_text("moderator", MODERATOR_CHARS);
        let read = openid.zip(reason).zip(moderator);
        let ((openid, reason), moderator) = fields.finish("invalid_ban", read)?;
        let new = NewBan { until, reason, moderator };
        set_ban(&function.checker.table, &function.clock, &caller.app.id, &openid, new).await?;
        let until = until.as_ref().map(Timestamp::to_string);
        Ok(json(StatusCode::OK, &BanView { openid: openid.as_str(), until }))
    };
    respond(&head.headers, reply.await)
}

/// Tells the owner's backend once more what it could not be told for a day.
pub(crate) async fn tell_again(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let (caller, fields) = function.owners_fields(&head.headers, body).await?;
        fields.finish("invalid_retry", Some(()))?;
        let told_again = tell::tell_again(&function.checker.table, &function.clock, &caller.app.id).await?;
        Ok(json(StatusCode::OK, &serde_json::json!({ "retried": told_again })))
    };
    respond(&head.headers, reply.await)
}

/// Takes the end of a ban: a time, or `null` to lift it. It must be there, so that nobody lifts one by a slip.
fn take_until(fields: &mut Fields) -> Option<Timestamp> {
    match fields.take_even_null("until") {
        Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let until = Timestamp::parse_rfc3339(&text).ok().filter(|until| until.can_be_written());
            if until.is_none() {
                fields.fault("until", "必须是 RFC 3339 时间。", "It must be a time in RFC 3339.");
            }
            until
        }
        _ => {
            fields.fault("until", "必填：时间，或 null 表示解除。", "It is required: a time, or null to lift the ban.");
            None
        }
    }
}
