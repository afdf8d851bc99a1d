//! What people decide: the review queue, decisions and bans, all by server key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::author::{Author, Ban};
use greenlight::caller::Caller;
use greenlight::clock::Timestamp;
use greenlight::exchange::{json, query, read_body};
use greenlight::fields::Fields;
use greenlight::ids::{AuthorId, OpenId};
use greenlight::problem::{Language, Problem};
use greenlight::submission::{self, ModeratorsWord, NotDecided, Submission};
use greenlight::table::{Consistency, Saved};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use crate::SubmitContent;
use crate::feed::Paging;
use crate::reply::{InPath, ListView, Reply, Viewer, answer, named, view};

const BODY_LIMIT: usize = 16 * 1024;
const REASON_CHARS: usize = 500;
const MODERATOR_CHARS: usize = 100;

pub(crate) async fn reviews(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        caller.must_be_owner()?;
        let paging = Paging::parse(&query(head.uri.query()), &[])?;
        let (submissions, next_cursor) = function.review_page(&caller, &paging).await?;
        let (language, url) = (Language::of(&head.headers), &function.checks.public_url);
        let submissions = submissions.iter().map(|one| view(one, &Viewer::Owner, language, url)).collect();
        Ok(json(StatusCode::OK, &ListView { submissions, next_cursor }))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

impl SubmitContent {
    async fn review_page(
        &self,
        caller: &Caller,
        paging: &Paging,
    ) -> Result<(Vec<Submission>, Option<String>), Problem> {
        let list = format!("reviews/{}", caller.app.id);
        let (keys, now) = (caller.apps.session_keys(), self.clock.now());
        let after = paging.after(keys, &list, &caller.name(), now)?;
        let page = self.checks.table.reviews(&caller.app.id, after.as_deref(), paging.limit).await?;
        let next = page.entries.last().filter(|_| page.more).map(|last| last.place.clone());
        let ids: Vec<_> = page.entries.into_iter().map(|entry| entry.id).collect();
        let mut submissions = self.checks.table.submissions(&ids).await?;
        // The index may still show what was decided a moment ago.
        submissions.retain(|one| one.state == submission::State::InReview && one.app == caller.app.id);
        Ok((submissions, next.map(|after| Paging::cursor(keys, &list, &caller.name(), after, now))))
    }
}

fn take_word(fields: &mut Fields) -> Option<ModeratorsWord> {
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
    Some(ModeratorsWord { approve: approve?, reason: reason?, moderator: moderator?, version: version? })
}

pub(crate) async fn decide(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        caller.must_be_owner()?;
        let body = read_body(&head.headers, body, BODY_LIMIT).await?;
        let mut fields = Fields::parse(&body)?;
        let word = take_word(&mut fields);
        let word = fields.finish("invalid_decision", word)?;
        let mut submission = function.find(&named(path)).await?;
        if submission.app != caller.app.id {
            return Err(Problem::not_found());
        }
        submission.decide(word, function.clock.now()).map_err(refused)?;
        if submission.state == submission::State::Approved {
            function.checks.claim_media(&submission).await?;
        }
        if let Saved::Conflict(_) = function.checks.table.save_decision(&mut submission).await? {
            return Err(refused(NotDecided::Moved));
        }
        let language = Language::of(&head.headers);
        Ok(json(StatusCode::OK, &view(&submission, &Viewer::Owner, language, &function.checks.public_url)))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

fn refused(why: NotDecided) -> Problem {
    match why {
        NotDecided::Moved => Problem::new(
            StatusCode::CONFLICT,
            "version_conflict",
            "内容的状态已经变化，请重新读取后再决定。",
            "It has changed meanwhile; read it again before you decide.",
        ),
        NotDecided::Erased => Problem::new(
            StatusCode::CONFLICT,
            "withdrawn",
            "内容已撤回并删除，不能再决定。",
            "It was withdrawn and erased; nothing is left to decide.",
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
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        caller.must_be_owner()?;
        let body = read_body(&head.headers, body, BODY_LIMIT).await?;
        let mut fields = Fields::parse(&body)?;
        let openid = fields.required_text("openid").and_then(|openid| {
            let parsed = OpenId::parse(&openid).ok();
            if parsed.is_none() {
                fields.fault("openid", "openid 格式不对。", "It is not an openid.");
            }
            parsed
        });
        let until = take_until(&mut fields);
        let reason = fields.short_text("reason", REASON_CHARS);
        let moderator = fields.short_text("moderator", MODERATOR_CHARS);
        let read = openid.zip(reason).zip(moderator);
        let ((openid, reason), moderator) = fields.finish("invalid_ban", read)?;
        let (app, table, now) = (&caller.app.id, &function.checks.table, function.clock.now());
        let id = AuthorId::of(app, &openid);
        let author = table.author(app, &id, Consistency::Strong).await?;
        let author = author.unwrap_or_else(|| Author::new(app.clone(), openid.clone()));
        table
            .change(author, |author| {
                author.ban =
                    until.map(|until| Ban { until, reason: reason.clone(), moderator: moderator.clone(), since: now });
                Ok::<_, Problem>(Some(()))
            })
            .await?;
        tracing::info!(app = %app, author = %id, banned = until.is_some(), "a ban was set or lifted");
        let until = until.as_ref().map(Timestamp::to_string);
        Ok(json(StatusCode::OK, &BanView { openid: openid.as_str(), until }))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

/// Takes the end of a ban: a time, or `null` to lift it. It must be there, so that nobody lifts one by a slip.
fn take_until(fields: &mut Fields) -> Option<Timestamp> {
    match fields.take_even_null("until") {
        Some(Value::Null) => None,
        Some(Value::String(text)) => {
            let until = Timestamp::parse_rfc3339(&text).ok();
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
