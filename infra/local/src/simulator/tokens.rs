//! Access tokens: the stable ones, and those of `/cgi-bin/token`, which know nothing of each other.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use greenlight::clock::Timestamp;
use greenlight::ids::AppId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::vocabulary::api::{Api, Refusal};
use super::vocabulary::call::Call;
use super::world::{Shared, World};

/// A forced renewal within so long of the last one changes nothing (获取稳定版接口调用凭据.md).
const FORCED_APART: Duration = Duration::from_secs(30);
/// So many forced renewals a day (same page).
const FORCED_A_DAY: u32 = 20;

/// Which of an app's two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Of `/cgi-bin/stable_token`.
    Stable,
    /// Of `/cgi-bin/token`.
    Plain,
}

/// A token that was given out at some time.
#[derive(Clone, Debug)]
pub(super) struct IssuedToken {
    app_id: AppId,
    kind: TokenKind,
    expires_at: Timestamp,
    overwritten_at: Option<Timestamp>,
}

/// The tokens of one app that are given out now.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    stable: Option<String>,
    plain: Option<String>,
    forced_at: Option<Timestamp>,
    forced_day: Option<Timestamp>,
    forced_calls: u32,
}

impl World {
    /// The app that `token` belongs to, valid or not.
    pub(super) fn app_of_token(&self, token: &str) -> Option<&AppId> {
        self.issued.get(token).map(|issued| &issued.app_id)
    }

    /// The app that `token` speaks for now.
    ///
    /// 41001 without one, 40014 for what was never a token, 42001 for one that expired, and 40001 for one that
    /// is not the latest (`wechat-api.md` §7).
    pub(super) fn admit_token(&self, token: Option<&str>, now: Timestamp) -> Result<AppId, Refusal> {
        let token = token.filter(|token| !token.is_empty()).ok_or(Refusal::of(41001))?;
        let issued = self.issued.get(token).ok_or(Refusal::of(40014))?;
        if issued.overwritten_at.is_some_and(|at| at <= now) {
            return Err(Refusal::of(40001));
        }
        if issued.expires_at <= now {
            return Err(Refusal::of(42001));
        }
        Ok(issued.app_id.clone())
    }

    fn current(&self, app_id: &AppId, kind: TokenKind) -> Option<&str> {
        let tokens = &self.apps.get(app_id)?.tokens;
        match kind {
            TokenKind::Stable => tokens.stable.as_deref(),
            TokenKind::Plain => tokens.plain.as_deref(),
        }
    }

    /// Gives out a new token; the one before it ends at `overwrites_at`, if that is given.
    fn issue(
        &mut self,
        app_id: &AppId,
        kind: TokenKind,
        now: Timestamp,
        overwrites_at: Option<Timestamp>,
    ) -> Option<String> {
        let lifetime = Duration::from_secs(self.apps.get(app_id)?.behaviour.token_lifetime_s);
        if let Some(at) = overwrites_at {
            let former = self.current(app_id, kind).map(str::to_owned);
            if let Some(issued) = former.and_then(|former| self.issued.get_mut(&former)) {
                issued.overwritten_at = Some(at);
            }
        }
        // About as long as real ones; the documentation asks to keep room for 512 characters.
        let token = (0..4).fold(String::from("86_"), |token, _| token + &BASE64URL_NOPAD.encode(&self.fresh_bytes()));
        let issued = IssuedToken { app_id: app_id.clone(), kind, expires_at: now.plus(lifetime), overwritten_at: None };
        self.issued.insert(token.clone(), issued);
        let tokens = &mut self.apps.get_mut(app_id)?.tokens;
        match kind {
            TokenKind::Stable => tokens.stable = Some(token.clone()),
            TokenKind::Plain => tokens.plain = Some(token.clone()),
        }
        Some(token)
    }

    /// How long the token that is given out now lives on; nothing if there is none.
    fn remaining(&self, app_id: &AppId, kind: TokenKind, now: Timestamp) -> Duration {
        let issued = self.current(app_id, kind).and_then(|token| self.issued.get(token));
        issued.map_or(Duration::ZERO, |issued| issued.expires_at.since(now))
    }

    fn stable_token(&mut self, app_id: &AppId, force: bool, now: Timestamp) -> Result<Value, Refusal> {
        let app = self.apps.get_mut(app_id).ok_or(Refusal::of(40013))?;
        let overlap = app.behaviour.token_overlap();
        let apart = app.tokens.forced_at.is_none_or(|at| now.since(at) >= FORCED_APART);
        if force && apart {
            let today = now.next_beijing_midnight();
            if app.tokens.forced_day != Some(today) {
                (app.tokens.forced_day, app.tokens.forced_calls) = (Some(today), 0);
            }
            // The documentation names the limit, but not its errcode; 45009 is that of all daily limits.
            if app.tokens.forced_calls >= FORCED_A_DAY {
                return Err(Refusal::of(45009));
            }
            app.tokens.forced_calls += 1;
            app.tokens.forced_at = Some(now);
            self.issue(app_id, TokenKind::Stable, now, Some(now));
        } else if self.remaining(app_id, TokenKind::Stable, now) <= overlap {
            // A renewal leaves the old token its last minutes.
            self.issue(app_id, TokenKind::Stable, now, None);
        }
        self.told(app_id, TokenKind::Stable, now)
    }

    /// The answer to a call for a token. It has no errcode (获取稳定版接口调用凭据.md).
    fn told(&self, app_id: &AppId, kind: TokenKind, now: Timestamp) -> Result<Value, Refusal> {
        let token = self.current(app_id, kind).ok_or(Refusal::of(-1))?;
        Ok(json!({ "access_token": token, "expires_in": self.remaining(app_id, kind, now).as_secs() }))
    }

    /// Lets both tokens of an app expire now.
    pub(super) fn expire_tokens(&mut self, app_id: &AppId, now: Timestamp) {
        for issued in self.issued.values_mut().filter(|issued| issued.app_id == *app_id && issued.expires_at > now) {
            issued.expires_at = now;
        }
    }

    /// Overwrites the stable token, as a forced renewal from elsewhere does.
    pub(super) fn overwrite_token(&mut self, app_id: &AppId, now: Timestamp) {
        for issued in self.issued.values_mut() {
            if issued.app_id == *app_id && issued.kind == TokenKind::Stable && issued.overwritten_at.is_none() {
                issued.overwritten_at = Some(now);
            }
        }
        self.issue(app_id, TokenKind::Stable, now, Some(now));
    }

    /// Checks who asks: 41002 and 41004 for what is missing, 40013 and 40125 for what is wrong.
    pub(super) fn admit_secret(&self, app_id: Option<&str>, secret: Option<&str>) -> Result<AppId, Refusal> {
        let app_id = app_id.filter(|text| !text.is_empty()).ok_or(Refusal::of(41002))?;
        let secret = secret.filter(|text| !text.is_empty()).ok_or(Refusal::of(41004))?;
        let app_id = AppId::parse(app_id).map_err(|_| Refusal::of(40013))?;
        let app = self.apps.get(&app_id).ok_or(Refusal::of(40013))?;
        if app.settings.app_secret == secret { Ok(app_id) } else { Err(Refusal::of(40125)) }
    }
}

#[derive(Deserialize)]
struct StableTokenBody {
    grant_type: Option<String>,
    appid: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    force_refresh: bool,
}

/// `POST /cgi-bin/stable_token`.
pub(super) fn stable_token(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let body: StableTokenBody = call.json()?;
    if body.grant_type.as_deref() != Some("client_credential") {
        return Err(Refusal::of(40002));
    }
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_secret(body.appid.as_deref(), body.secret.as_deref())?;
    world.spend(&app_id, Api::StableToken, now)?;
    world.stable_token(&app_id, body.force_refresh, now)
}

/// `GET /cgi-bin/token`: every call gives out a new token and ends the one before, after the overlap.
pub(super) fn plain_token(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    if call.parameter("grant_type") != Some("client_credential") {
        return Err(Refusal::of(40002));
    }
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_secret(call.parameter("appid"), call.parameter("secret"))?;
    world.spend(&app_id, Api::Token, now)?;
    let overlap = world.apps.get(&app_id).map(|app| app.behaviour.token_overlap()).unwrap_or_default();
    world.issue(&app_id, TokenKind::Plain, now, Some(now.plus(overlap)));
    world.told(&app_id, TokenKind::Plain, now)
}
