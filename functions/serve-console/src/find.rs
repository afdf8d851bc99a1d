//! Finds a submission by its id, or by the owner's own name for it; and an author by theirs.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::query;
use greenlight::api::problem::Problem;
use greenlight::domain::ids::{AuthorId, SubmissionId};
use greenlight::domain::submission::Submission;
use greenlight::domain::text::stored_form;
use greenlight::table::{Consistency, MOST_OF_AN_EXTERNAL_ID};
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::visit::{Door, Visit};

/// One of several that were found.
struct FoundView {
    id: String,
    state: &'static str,
    made: String,
}

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPage<'a> {
    f: Frame<'a>,
    external_id: String,
    found: Vec<FoundView>,
    /// There may be more than are shown.
    cut: bool,
}

/// The submissions of an app that bear an external_id, newest first, and whether there may be more.
async fn by_external_id(
    console: &ServeConsole,
    visit: &Visit,
    external_id: &str,
) -> Result<(Vec<Submission>, bool), Problem> {
    let app = &visit.moderator.app;
    let ids = console.table.by_external_id(app, external_id).await?;
    let mut found = console.table.submissions(&ids).await?;
    found.retain(|one| one.app == *app && one.external_id.as_deref() == Some(external_id));
    found.sort_by_key(|one| std::cmp::Reverse(one.created_at));
    Ok((found, ids.len() >= MOST_OF_AN_EXTERNAL_ID))
}

/// The submission of that id, if it is one of this moderator's app.
async fn by_id(console: &ServeConsole, visit: &Visit, id: &str) -> Result<Option<Submission>, Problem> {
    let Ok(id) = SubmissionId::parse(id) else { return Ok(None) };
    let found = console.table.submission(&id, Consistency::Strong).await?;
    Ok(found.filter(|submission| submission.app == visit.moderator.app))
}

/// The author of that id, if it is one of this moderator's app.
async fn by_author(console: &ServeConsole, visit: &Visit, id: &str) -> Result<Option<AuthorId>, Problem> {
    let Ok(id) = AuthorId::parse(id) else { return Ok(None) };
    let found = console.table.author(&visit.moderator.app, &id, Consistency::Strong).await?;
    Ok(found.map(|_| id))
}

/// Leads from an id, an external_id or an author's id that somebody has to its page, or to a choice of them.
pub(crate) async fn find(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let query = query(head.uri.query());
        let typed = query.iter().find(|(name, _)| name == "id").map(|(_, typed)| typed.as_str()).unwrap_or_default();
        let named = typed.trim();
        if named.is_empty() {
            return Err(Problem::not_found());
        }
        let (mut found, mut cut) = match by_id(&console, &visit, named).await? {
            Some(submission) => (vec![submission], false),
            None => by_external_id(&console, &visit, named).await?,
        };
        // The owner's own name may begin or end with a space.
        if found.is_empty() && typed != named {
            (found, cut) = by_external_id(&console, &visit, typed).await?;
        }
        match found.as_slice() {
            [] => match by_author(&console, &visit, named).await? {
                Some(author) => Ok(see_other(&format!("{}/authors/{author}", door.base))),
                None => Err(Problem::not_found()),
            },
            [one] => Ok(see_other(&format!("{}/submissions/{}", door.base, one.id))),
            several => {
                let f = Frame::of(&visit);
                let w = f.w;
                let view = |one: &Submission| FoundView {
                    id: one.id.to_string(),
                    state: w.state_name(one.state),
                    made: one.created_at.in_beijing(),
                };
                let found = several.iter().map(view).collect();
                let template = FoundPage { external_id: stored_form(named.to_owned()), found, cut, f };
                Ok(page(StatusCode::OK, w.tag(), &template))
            }
        }
    };
    answer(&door, reply.await)
}
