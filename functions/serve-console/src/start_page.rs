//! The start page: my day, what waits, and what the shift before has left to say.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::domain::desk::Handover;
use greenlight::moderation::share_desk;
use greenlight::table::MOST_COUNTED;
use http::StatusCode;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::visit::{Door, Visit};

#[derive(Template)]
#[template(path = "start.html")]
struct StartPage<'a> {
    f: Frame<'a>,
    until: String,
    approved: u32,
    rejected: u32,
    waiting: String,
    oldest: Option<String>,
    handover: Option<&'a Handover>,
    handover_at: String,
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let visit = Visit::of(&console, &head).await?;
        let (app, key) = (&visit.moderator.app, visit.moderator.key());
        let table = &console.table;
        let (backlog, work, desk) = tokio::try_join!(table.backlog(app), table.work(app, &key), table.desk(app))?;
        let f = Frame::of(&visit);
        let w = f.w;
        let (approved, rejected) = work.today(visit.now);
        let counted = backlog.cases;
        let template = StartPage {
            f,
            until: visit.until.in_beijing(),
            approved,
            rejected,
            waiting: if counted >= MOST_COUNTED { format!("{counted}+") } else { counted.to_string() },
            oldest: backlog.oldest.map(|oldest| w.duration(visit.now.since(oldest))),
            handover_at: desk.handover.as_ref().map(|note| note.at.in_beijing()).unwrap_or_default(),
            handover: desk.handover.as_ref(),
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}

pub(crate) async fn leave_note(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        share_desk::leave_note(&console.table, &console.clock, &visit.moderator, form.get("text")).await?;
        Ok(see_other(&door.base))
    };
    answer(&door, reply.await)
}
