//! Coming in and going: a link's page spends nothing, its button does.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::domain::moderator::{Moderator, Pass};
use greenlight::moderation::let_in;
use http::header::SET_COOKIE;
use http::{HeaderValue, StatusCode};

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::visit::{Door, LANGUAGE_COOKIE, Visit};

#[derive(Template)]
#[template(path = "link.html")]
struct LinkPage<'a> {
    f: Frame<'a>,
    moderator: &'a Moderator,
    role: &'a str,
    link: &'a str,
}

#[derive(Template)]
#[template(path = "entered.html")]
struct EnteredPage<'a> {
    f: Frame<'a>,
    until: String,
}

#[derive(Template)]
#[template(path = "left.html")]
struct LeftPage<'a> {
    f: Frame<'a>,
}

type InPath = Result<Path<String>, PathRejection>;

fn dead_link() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "dead_link",
        "这个链接已经用过、过期或被撤销。请索取新的链接。",
        "This link was used, has expired, or was revoked. Ask for a new one.",
    )
}

fn set_cookie(response: &mut Response, cookie: &str) {
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

fn link_in(path: InPath) -> Result<(Pass, String), Problem> {
    let text = path.map(|Path(text)| text).unwrap_or_default();
    Ok((Pass::parse(&text).ok_or_else(dead_link)?, text))
}

pub(crate) async fn show(State(console): State<Arc<ServeConsole>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let (link, text) = link_in(path)?;
        let named = (&link.app, &link.moderator, &link.token);
        let moderator = console.table.link(named, console.clock.now()).await?.ok_or_else(dead_link)?;
        let f = Frame::before(&door);
        let role = f.w.role_name(moderator.role);
        let template = LinkPage { f, moderator: &moderator, role, link: &text };
        Ok(page(StatusCode::OK, door.words().tag(), &template))
    };
    answer(&door, reply.await)
}

pub(crate) async fn enter(State(console): State<Arc<ServeConsole>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        door.must_be_ours(&head.headers)?;
        let (link, _) = link_in(path)?;
        let entered = let_in::enter(&console.table, &console.clock, &link).await?.ok_or_else(dead_link)?;
        let template = EnteredPage { f: Frame::before(&door), until: entered.until.in_beijing() };
        let mut response = page(StatusCode::OK, door.words().tag(), &template);
        let seconds = entered.until.since(console.clock.now()).as_secs();
        set_cookie(&mut response, &door.session_cookie(Some((&entered.session, seconds))));
        Ok(response)
    };
    answer(&door, reply.await)
}

pub(crate) async fn leave(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, _) = Visit::with_form(&console, request).await?;
        let_in::leave(&console.table, &visit.session).await?;
        let mut response = page(StatusCode::OK, door.words().tag(), &LeftPage { f: Frame::before(&door) });
        set_cookie(&mut response, &door.session_cookie(None));
        Ok(response)
    };
    answer(&door, reply.await)
}

pub(crate) async fn choose_language(
    State(console): State<Arc<ServeConsole>>,
    path: InPath,
    request: Request,
) -> Response {
    let (head, _) = request.into_parts();
    let door = Door::of(&console, &head);
    let reply = async {
        let chosen = path.map(|Path(text)| text).unwrap_or_default();
        if !["zh", "en"].contains(&chosen.as_str()) {
            return Err(Problem::not_found());
        }
        let mut response = see_other(&door.base);
        set_cookie(
            &mut response,
            &format!("{LANGUAGE_COOKIE}={chosen}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax"),
        );
        Ok(response)
    };
    answer(&door, reply.await)
}
