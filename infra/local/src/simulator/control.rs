//! The control API under `/simulator`: what is told to the simulator from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use bytes::Bytes;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::pushes::{self, ReleaseOrder};
use super::shared::Shared;
use super::vocabulary::api::Api;
use super::vocabulary::behaviour::Behaviour;
use super::vocabulary::ids::openid_of;
use super::vocabulary::media_check::MediaEvent;
use super::vocabulary::verdict::ForcedVerdict;
use super::world::App;

/// How many records one answer lists.
const LISTED: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/simulator", get(state))
        .route("/simulator/checks", get(checks))
        .route("/simulator/pushes", get(sent))
        .route("/simulator/hangs/release", post(release_hangs))
        .route("/simulator/apps/{app_id}/behaviour", get(behaviour).put(behave))
        .route("/simulator/apps/{app_id}/push_url", put(set_push_url))
        .route("/simulator/apps/{app_id}/pushes", post(push))
        .route("/simulator/apps/{app_id}/pushes/release", post(release))
        .route("/simulator/apps/{app_id}/token/{action}", post(change_token))
        .route("/simulator/apps/{app_id}/users/{openid}/{action}", post(change_user))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path has other methods")
        })
        .route("/simulator/{*rest}", axum::routing::any(async || Problem::not_found("there is no such path")))
}

/// What is wrong with a control call.
struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        written(self.status, &json!({ "code": self.code, "message": self.message }))
    }
}

fn written(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(body) = serde_json::to_vec_pretty(value) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn parsed<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    // An absent body asks for the defaults.
    let body = if body.is_empty() { b"{}".as_slice() } else { body };
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "invalid_body", error.to_string()))
}

impl Shared {
    fn known(&self, app_id: &str) -> Result<AppId, Problem> {
        let known = AppId::parse(app_id).ok().filter(|app_id| self.world().apps.contains_key(app_id));
        known.ok_or_else(|| Problem::not_found(format!("the simulator knows no app {app_id:?}")))
    }
}

#[derive(Serialize)]
struct WorldState<'a> {
    now: String,
    apps: BTreeMap<&'a AppId, AppState<'a>>,
}

#[derive(Serialize)]
struct AppState<'a> {
    push_url: &'a str,
    users: BTreeMap<&'a str, UserState>,
    calls: &'a BTreeMap<Api, u64>,
    held_pushes: &'a [MediaEvent],
    behaviour: &'a Behaviour,
}

#[derive(Serialize)]
struct UserState {
    active_at: Option<String>,
}

async fn state(State(shared): State<Arc<Shared>>) -> Response {
    let now = shared.clock.now();
    let world = shared.world();
    let apps = world.apps.iter().map(|(app_id, app)| (app_id, app_state(app))).collect();
    written(StatusCode::OK, &WorldState { now: now.to_string(), apps })
}

fn app_state(app: &App) -> AppState<'_> {
    let active_at = |at: Option<Timestamp>| UserState { active_at: at.map(|at| at.to_string()) };
    AppState {
        push_url: &app.settings.push_url,
        users: app.users.iter().map(|(openid, user)| (openid.as_str(), active_at(user.active_at))).collect(),
        calls: &app.calls,
        held_pushes: &app.held,
        behaviour: &app.behaviour,
    }
}

async fn checks(State(shared): State<Arc<Shared>>) -> Response {
    written(StatusCode::OK, &shared.world().checks.iter().rev().take(LISTED).collect::<Vec<_>>())
}

async fn sent(State(shared): State<Arc<Shared>>) -> Response {
    written(StatusCode::OK, &shared.world().pushes.iter().rev().take(LISTED).collect::<Vec<_>>())
}

async fn release_hangs(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.hangs.release();
    StatusCode::NO_CONTENT
}

async fn behaviour(State(shared): State<Arc<Shared>>, Path(app_id): Path<String>) -> Result<Response, Problem> {
    let app_id = shared.known(&app_id)?;
    let behaviour = shared.world().apps.get(&app_id).map(|app| app.behaviour.clone()).unwrap_or_default();
    Ok(written(StatusCode::OK, &behaviour))
}

async fn behave(
    State(shared): State<Arc<Shared>>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let app_id = shared.known(&app_id)?;
    let behaviour: Behaviour = parsed(&body)?;
    shared.change(&app_id, |app| app.behaviour = behaviour.clone());
    Ok(written(StatusCode::OK, &behaviour))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PushUrl {
    url: String,
}

async fn set_push_url(
    State(shared): State<Arc<Shared>>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let app_id = shared.known(&app_id)?;
    let PushUrl { url } = parsed(&body)?;
    if !url.is_empty() && reqwest::Url::parse(&url).is_err() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_body", "url is no URL"));
    }
    shared.change(&app_id, |app| app.settings.push_url = url);
    Ok(StatusCode::NO_CONTENT)
}

/// A verdict again, or another one in its name; or a message of any kind.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    trace_id: Option<String>,
    verdict: Option<ForcedVerdict>,
    message: Option<String>,
}

async fn push(State(shared): State<Arc<Shared>>, Path(app_id): Path<String>, body: Bytes) -> Result<Response, Problem> {
    let app_id = shared.known(&app_id)?;
    let accepted = match parsed(&body)? {
        Push { trace_id: Some(trace_id), verdict, message: None } => {
            pushes::repeat(&shared, &app_id, &trace_id, verdict.as_ref())
                .await
                .ok_or_else(|| Problem::not_found("there is no such check, or it has no verdict yet"))?
        }
        Push { trace_id: None, verdict: None, message: Some(message) } => {
            pushes::send(&shared, &app_id, None, &openid_of(&app_id, "nobody"), &message).await
        }
        Push { .. } => {
            let message = "give a trace_id, and a verdict if it is to be another one; or a message";
            return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_body", message));
        }
    };
    Ok(written(StatusCode::OK, &json!({ "accepted": accepted })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Release {
    #[serde(default)]
    order: ReleaseOrder,
}

async fn release(
    State(shared): State<Arc<Shared>>,
    Path(app_id): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let app_id = shared.known(&app_id)?;
    let Release { order } = parsed(&body)?;
    let pushed = pushes::release(&shared, &app_id, order).await.unwrap_or_default();
    Ok(written(StatusCode::OK, &pushed))
}

async fn change_token(
    State(shared): State<Arc<Shared>>,
    Path((app_id, action)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let app_id = shared.known(&app_id)?;
    let now = shared.clock.now();
    match action.as_str() {
        "expire" => shared.world().expire_tokens(&app_id, now),
        "overwrite" => shared.world().overwrite_token(&app_id, now),
        _ => return Err(Problem::not_found("a token can expire or overwrite")),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn change_user(
    State(shared): State<Arc<Shared>>,
    Path((app_id, openid, action)): Path<(String, String, String)>,
) -> Result<StatusCode, Problem> {
    let app_id = shared.known(&app_id)?;
    if greenlight::domain::ids::OpenId::parse(&openid).is_err() {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_openid", "this is no openid"));
    }
    let now = shared.clock.now();
    let known = match action.as_str() {
        "visit" => shared.change(&app_id, |app| app.visit(&openid, now)).is_some(),
        "leave" => shared.change(&app_id, |app| app.leave(&openid)).unwrap_or_default(),
        "forget" => shared.change(&app_id, |app| app.forget(&openid)).unwrap_or_default(),
        _ => return Err(Problem::not_found("a user can visit, leave, or be forgotten with forget")),
    };
    shared.save();
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found("there is no such user")) }
}
