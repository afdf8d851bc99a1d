//! Login: codes that work once, and users that are always the same.

use data_encoding::BASE64;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use serde_json::{Value, json};

use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::call::Call;
use crate::simulator::vocabulary::ids::openid_of;
use crate::simulator::world::World;

/// The user that a login code stands for: what comes before its last `-`, or else the whole code.
/// `alice-1` and `alice-2` are two logins of `alice`.
fn user_of_code(code: &str) -> &str {
    match code.rsplit_once('-') {
        Some((name, _)) if !name.is_empty() => name,
        _ => code,
    }
}

/// Uses up `code` and lets its user in: 40029 for codes that begin with `bad`, 40226 for `blocked`,
/// 40163 for one that was used before.
fn log_in(world: &mut World, app_id: &AppId, code: &str, now: Timestamp) -> Result<String, Refusal> {
    let app = world.apps.get_mut(app_id).ok_or(Refusal::of(40013))?;
    if code.starts_with("bad") {
        return Err(Refusal::of(40029));
    }
    if code.starts_with("blocked") {
        return Err(Refusal::of(40226));
    }
    if !app.used_codes.insert(code.to_owned()) {
        return Err(Refusal::of(40163));
    }
    let openid = openid_of(app_id, user_of_code(code));
    app.visit(&openid, now);
    Ok(openid)
}

/// `GET /sns/jscode2session`. Its success has no errcode (小程序登录凭证校验).
pub(crate) fn jscode2session(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_secret(call.parameter("appid"), call.parameter("secret"))?;
    world.spend(&app_id, Api::Jscode2session, now)?;
    if call.parameter("grant_type").is_some_and(|grant_type| grant_type != "authorization_code") {
        return Err(Refusal::of(40002));
    }
    let code = call.parameter("js_code").filter(|code| !code.is_empty()).ok_or(Refusal::of(41008))?;
    let openid = log_in(&mut world, &app_id, code, now)?;
    let session_key = BASE64.encode(world.fresh_bytes().get(..16).unwrap_or_default());
    drop(world);
    shared.save();
    Ok(json!({ "session_key": session_key, "openid": openid }))
}
