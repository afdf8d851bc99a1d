//! One page an author: what they submitted, and whether they are banned.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::ids::{AuthorId, SubmissionId};
use greenlight::domain::submission;
use greenlight::table::{Consistency, Standing};
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page};
use crate::case_view::{CaseView, ReasonView, reasons};
use crate::queue::Flash;
use crate::visit::{Door, Visit};

/// How many of an author's submissions are shown, the newest: as many as one deed may be about.
const SHOWN: usize = 50;

#[derive(Template)]
#[template(path = "author.html")]
struct AuthorPage<'a> {
    f: Frame<'a>,
    flash: Flash,
    author: String,
    banned_until: Option<String>,
    ban_reason: String,
    cases: Vec<CaseView>,
    /// Those of them that wait for people.
    waiting: Vec<(String, u64)>,
    reasons: Vec<ReasonView<'a>>,
    back: String,
}

pub(crate) async fn show(
    State(console): State<Arc<ServeConsole>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let id = path.ok().and_then(|Path(id)| AuthorId::parse(&id).ok()).ok_or_else(Problem::not_found)?;
        let (table, app) = (&console.table, &visit.moderator.app);
        let (author, listed, desk) = tokio::try_join!(
            table.author(app, &id, Consistency::Strong),
            table.by_author(app, &id, None, SHOWN),
            table.desk(app),
        )?;
        let author = author.ok_or_else(Problem::not_found)?;
        let ids: Vec<SubmissionId> = listed.entries.into_iter().map(|entry| entry.id).collect();
        let submissions = table.submissions(&ids).await?;
        let f = Frame::of(&visit);
        let w = f.w;
        let who = (visit.moderator.name.as_str(), visit.moderator.role);
        let ban = author.ban().filter(|ban| ban.until > visit.now);
        let waits = |one: &&submission::Submission| one.state == submission::State::InReview;
        let waiting = submissions.iter().filter(waits).filter(|one| !one.escalated || visit.moderator.role.is_lead());
        let template = AuthorPage {
            flash: Flash::of(&f, &query(head.uri.query())),
            author: id.to_string(),
            banned_until: ban.map(|ban| ban.until.in_beijing()),
            ban_reason: ban.map(|ban| ban.reason.clone()).unwrap_or_default(),
            waiting: waiting.map(|one| (one.id.to_string(), one.version)).collect(),
            cases: submissions.iter().map(|one| CaseView::of(w, one, &Standing::default(), who, visit.now)).collect(),
            reasons: reasons(w, &desk.reasons),
            back: id.to_string(),
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}
