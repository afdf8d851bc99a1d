//! Access tokens in the world: issued, expired, overwritten. An app's two kinds know nothing of each other.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;

use super::{IssuedToken, TokenKind, World};
use crate::simulator::vocabulary::api::Refusal;

/// A forced renewal within so long of the last one changes nothing (获取稳定版接口调用凭据).
const FORCED_APART: Duration = Duration::from_secs(30);
/// So many forced renewals a day (same page).
const FORCED_A_DAY: u32 = 20;

impl World {
    /// The app that `token` belongs to, valid or not.
    pub(crate) fn app_of_token(&self, token: &str) -> Option<&AppId> {
        self.issued.get(token).map(|issued| &issued.app_id)
    }

    /// The app that `token` speaks for now.
    ///
    /// 41001 without one, 40014 for what was never a token, 42001 for one that expired, and 40001 for one that
    /// is not the latest.
    pub(crate) fn admit_token(&self, token: Option<&str>, now: Timestamp) -> Result<AppId, Refusal> {
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

    /// The token that is given out now.
    pub(crate) fn current_token(&self, app_id: &AppId, kind: TokenKind) -> Option<&str> {
        let tokens = &self.apps.get(app_id)?.tokens;
        match kind {
            TokenKind::Stable => tokens.stable.as_deref(),
            TokenKind::Plain => tokens.plain.as_deref(),
        }
    }

    /// Gives out a new token; the one before it ends at `overwrites_at`, if that is given.
    pub(crate) fn issue_token(
        &mut self,
        app_id: &AppId,
        kind: TokenKind,
        now: Timestamp,
        overwrites_at: Option<Timestamp>,
    ) -> Option<String> {
        let lifetime = Duration::from_secs(self.apps.get(app_id)?.behaviour.token_lifetime_s);
        if let Some(at) = overwrites_at {
            let former = self.current_token(app_id, kind).map(str::to_owned);
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
    pub(crate) fn remaining_lifetime(&self, app_id: &AppId, kind: TokenKind, now: Timestamp) -> Duration {
        let issued = self.current_token(app_id, kind).and_then(|token| self.issued.get(token));
        issued.map_or(Duration::ZERO, |issued| issued.expires_at.since(now))
    }

    /// Renews the stable token of an app where it is time or force, which is refused with 45009 if it comes too often.
    pub(crate) fn renew_stable_token(&mut self, app_id: &AppId, force: bool, now: Timestamp) -> Result<(), Refusal> {
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
            self.issue_token(app_id, TokenKind::Stable, now, Some(now));
        } else if self.remaining_lifetime(app_id, TokenKind::Stable, now) <= overlap {
            // A renewal leaves the old token its last minutes.
            self.issue_token(app_id, TokenKind::Stable, now, None);
        }
        Ok(())
    }

    /// Lets both tokens of an app expire now.
    pub(crate) fn expire_tokens(&mut self, app_id: &AppId, now: Timestamp) {
        for issued in self.issued.values_mut().filter(|issued| issued.app_id == *app_id && issued.expires_at > now) {
            issued.expires_at = now;
        }
    }

    /// Overwrites the stable token, as a forced renewal from elsewhere does.
    pub(crate) fn overwrite_token(&mut self, app_id: &AppId, now: Timestamp) {
        for issued in self.issued.values_mut() {
            if issued.app_id == *app_id && issued.kind == TokenKind::Stable && issued.overwritten_at.is_none() {
                issued.overwritten_at = Some(now);
            }
        }
        self.issue_token(app_id, TokenKind::Stable, now, Some(now));
    }
}
