//! `stable_token` and `token`: access tokens of two kinds.

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::call::Call;
use crate::simulator::world::{TokenKind, World};

#[derive(Deserialize)]
struct StableTokenBody {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    force_refresh: bool,
}

/// `POST /cgi-bin/stable_token`.
pub(crate) fn stable_token(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let body: StableTokenBody = call.json()?;
    if body.grant_type.as_deref() != Some("client_credential") {
        return Err(Refusal::of(40002));
    }
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_secret(body.appid.as_deref(), body.secret.as_deref())?;
    world.spend(&app_id, Api::StableToken, now)?;
    world.renew_stable_token(&app_id, body.force_refresh, now)?;
    answer(&world, &app_id, TokenKind::Stable, now)
}

/// `GET /cgi-bin/token`: every call gives out a new token and ends the one before, after the overlap.
pub(crate) fn plain_token(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    if call.parameter("grant_type") != Some("client_credential") {
        return Err(Refusal::of(40002));
    }
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_secret(call.parameter("appid"), call.parameter("secret"))?;
    world.spend(&app_id, Api::Token, now)?;
    let overlap = world.apps.get(&app_id).map(|app| app.behaviour.token_overlap()).unwrap_or_default();
    world.issue_token(&app_id, TokenKind::Plain, now, Some(now.plus(overlap)));
    answer(&world, &app_id, TokenKind::Plain, now)
}

/// It has no errcode (获取稳定版接口调用凭据).
fn answer(world: &World, app_id: &AppId, kind: TokenKind, now: Timestamp) -> Result<Value, Refusal> {
    let token = world.current_token(app_id, kind).ok_or(Refusal::of(-1))?;
    Ok(json!({ "access_token": token, "expires_in": world.remaining_lifetime(app_id, kind, now).as_secs() }))
}
