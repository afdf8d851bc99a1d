//! Passes each call to its API, lets it go wrong where it is told to, and writes the answer.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::domain::ids::AppId;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;

use crate::cuttable_listener::Connection;

use super::apis::{clear_quota, login, media, pictures, text, tokens};
use super::shared::Shared;
use super::vocabulary::api::{Api, Refusal};
use super::vocabulary::behaviour::{Failure, Fault};
use super::vocabulary::call::{Call, pairs};
use super::world::World;

/// More than any API takes; what is larger is refused with 45001 unread.
const LARGEST_BODY: usize = 16 << 20;

/// Answers one call to WeChat.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(api) = Api::at(parts.uri.path()) else {
        return refused(&shared, None, Refusal::of(40066));
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return refused(&shared, Some(api), Refusal::of(45001));
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = pairs(parts.uri.query().unwrap_or_default());
    let call = Call { api, body, content_type, method: parts.method, query };

    match note(&shared, &call) {
        None => carry_out(&shared, &call).await,
        Some(failure) => fail(&shared, &call, failure, &connection).await,
    }
}

/// Counts the call, and says what is to go wrong with it.
fn note(shared: &Shared, call: &Call) -> Option<Failure> {
    let mut world = shared.world();
    let app_id = caller(call, &world)?;
    let app = world.apps.get_mut(&app_id)?;
    *app.calls.entry(call.api).or_default() += 1;
    app.behaviour.take_failure(call.api)
}

/// The app that calls, as far as that can be known before anything is checked.
fn caller(call: &Call, world: &World) -> Option<AppId> {
    #[derive(Deserialize)]
    struct Named {
        appid: String,
    }
    let by_token = || call.parameter("access_token").and_then(|token| world.app_of_token(token)).cloned();
    let named = || AppId::parse(call.parameter("appid")?).ok();
    let named_in_body = || AppId::parse(&serde_json::from_slice::<Named>(&call.body).ok()?.appid).ok();
    let the_only_one = || world.apps.keys().next().filter(|_| world.apps.len() == 1).cloned();
    by_token().or_else(named).or_else(named_in_body).or_else(the_only_one)
}

async fn carry_out(shared: &Arc<Shared>, call: &Call) -> Response {
    let outcome = match call.check_method() {
        Err(refusal) => Err(refusal),
        Ok(()) => match call.api {
            Api::StableToken => tokens::stable_token(shared, call),
            Api::Token => tokens::plain_token(shared, call),
            Api::Jscode2session => login::jscode2session(shared, call),
            Api::MsgSecCheck => text::msg_sec_check(shared, call),
            Api::MediaCheckAsync => media::media_check_async(shared, call).await,
            Api::ImgSecCheck => pictures::img_sec_check(shared, call).await,
            Api::ClearQuota | Api::ClearQuotaV2 => clear_quota::clear_quota(shared, call),
        },
    };
    match outcome {
        Ok(body) => response(StatusCode::OK, Some(call.api), body.to_string()),
        Err(refusal) => refused(shared, Some(call.api), refusal),
    }
}

/// Lets a call go wrong as it was told.
async fn fail(shared: &Arc<Shared>, call: &Call, failure: Failure, connection: &Connection) -> Response {
    let usual = if failure.after_work { Some(carry_out(shared, call).await) } else { None };
    match failure.how {
        Fault::Errcode(errcode) => return refused(shared, Some(call.api), Refusal::of(errcode)),
        Fault::HttpStatus(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return response(status, None, "<html><body>upstream error</body></html>".to_owned());
        }
        Fault::NotJson => return response(StatusCode::OK, None, "<html><body>busy</body></html>".to_owned()),
        Fault::Empty => return response(StatusCode::OK, None, String::new()),
        Fault::Close => {
            // The response that follows cannot be written any more, and with that the connection ends.
            connection.cut();
            return response(StatusCode::OK, None, String::new());
        }
        // If the caller goes away meanwhile, the server drops this future, and the call was never answered.
        Fault::Hang => shared.hangs.hang().await,
        Fault::SlowMs(ms) => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
    }
    match usual {
        Some(usual) => usual,
        None => carry_out(shared, call).await,
    }
}

/// HTTP 200 with errcode and errmsg: so WeChat refuses.
fn refused(shared: &Shared, api: Option<Api>, refusal: Refusal) -> Response {
    let now = shared.clock.now();
    let rid = shared.world().fresh_id(now);
    let body = json!({ "errcode": refusal.errcode, "errmsg": format!("{} rid: {rid}", refusal.message()) });
    response(StatusCode::OK, api, body.to_string())
}

fn response(status: StatusCode, api: Option<Api>, body: String) -> Response {
    let content_type = match api {
        // Reported from the field, although it is JSON.
        Some(Api::Jscode2session) => "text/plain",
        Some(_) => "application/json; encoding=utf-8",
        None => "text/html",
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
