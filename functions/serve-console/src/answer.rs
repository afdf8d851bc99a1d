//! What goes out: pages that nobody else may frame, keep or add to, and what is wrong said on a page.

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::domain::moderator::Moderator;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::ServeConsole;
use crate::visit::{Door, Visit};
use crate::words::Words;
use std::sync::Arc;

/// Nothing comes from elsewhere, nothing goes elsewhere, nobody shows it within a page of theirs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const STYLE: &str = include_str!("../static/console.css");
const SCRIPT: &str = include_str!("../static/console.js");
const ICON: &str = include_str!("../static/icon.svg");

/// What every page has in common.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) w: &'static Words,
    pub(crate) base: &'a str,
    pub(crate) moderator: Option<&'a Moderator>,
    pub(crate) form_secret: &'a str,
}

impl<'a> Frame<'a> {
    pub(crate) fn before(door: &'a Door) -> Self {
        Self { w: door.words(), base: &door.base, moderator: None, form_secret: "" }
    }

    pub(crate) fn of(visit: &'a Visit) -> Self {
        let moderator = Some(&visit.moderator);
        Self { moderator, form_secret: &visit.form_secret, ..Self::before(&visit.door) }
    }

    pub(crate) fn is_lead(&self) -> bool {
        self.moderator.is_some_and(|moderator| moderator.role.is_lead())
    }

    pub(crate) fn role(&self) -> &'static str {
        self.moderator.map_or("", |moderator| self.w.role_name(moderator.role))
    }
}

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble<'a> {
    f: Frame<'a>,
    status: u16,
    message: &'a str,
}

/// Headers of all that goes out.
fn dress(response: &mut Response, media_type: &'static str, cache: &'static str) {
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, media_type),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, cache),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // With no referrer at all, browsers would not say where a form comes from.
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// A page.
pub(crate) fn page(status: StatusCode, language: &'static str, template: &impl Template) -> Response {
    // It writes into memory: it fails on no template of ours.
    let text = template.render().unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    dress(&mut response, "text/html; charset=utf-8", "private, no-store");
    response.headers_mut().insert(CONTENT_LANGUAGE, HeaderValue::from_static(language));
    response
}

/// What comes after a form was taken: the page that shows what came of it.
pub(crate) fn see_other(location: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    dress(&mut response, "text/plain; charset=utf-8", "private, no-store");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A page that says what is wrong.
pub(crate) fn trouble(frame: Frame<'_>, problem: &Problem) -> Response {
    let w = frame.w;
    let message = w.language.choose(&problem.message.zh, &problem.message.en);
    let template = Trouble { f: frame, status: problem.status.as_u16(), message };
    let mut response = page(problem.status, w.tag(), &template);
    if let Some(after) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, after.as_secs().max(1).into());
    }
    response
}

/// What a handler came to, as an answer.
pub(crate) fn answer(door: &Door, reply: Result<Response, Problem>) -> Response {
    reply.unwrap_or_else(|problem| trouble(Frame::before(door), &problem))
}

fn file(media_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    dress(&mut response, media_type, "private, max-age=300");
    response
}

pub(crate) async fn style() -> Response {
    file("text/css; charset=utf-8", STYLE)
}

pub(crate) async fn script() -> Response {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(crate) async fn icon() -> Response {
    file("image/svg+xml", ICON)
}

pub(crate) async fn not_found(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    trouble(Frame::before(&door), &Problem::not_found())
}

pub(crate) async fn method_not_allowed(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    trouble(Frame::before(&door), &Problem::method_not_allowed())
}
