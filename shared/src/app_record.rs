//! What the table knows of an app: its access token, who refreshes it, and which WeChat APIs must rest.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::AppId;

/// How long whoever refreshes the token has for it.
pub const REFRESH_LEASE: Duration = Duration::from_secs(5);
/// A token is renewed so long before it expires, or at half its remaining life if that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// The first rest after 45009; it doubles up to [`LONGEST_REST`].
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// How long the one that tries whether a rested API answers again has for it.
const PROBE_LEASE: Duration = Duration::from_secs(15);

/// A WeChat API that can be out of quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// msg_sec_check.
    Text,
    /// media_check_async.
    Media,
}

/// Which quota WeChat says is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// 44991: this minute's.
    Minute,
    /// 45009: the day's, and in the field the minute's too.
    Day,
}

/// An access token as the table keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "token")]
    value: String,
    /// Until when WeChat takes it.
    pub expires_at: Timestamp,
    /// From when on it should be renewed.
    pub renew_at: Timestamp,
}

impl Token {
    /// A token that WeChat gave at `now` for another `expires_in`.
    pub fn fresh(value: &SecretString, expires_in: Duration, now: Timestamp) -> Self {
        let expires_at = now.plus(expires_in);
        let before = RENEW_BEFORE.min(expires_in / 2);
        Self { value: value.expose_secret().to_owned(), expires_at, renew_at: expires_at.minus(before) }
    }

    /// The secret itself.
    pub fn secret(&self) -> SecretString {
        self.value.clone().into()
    }

    /// Whether WeChat still takes it, as far as its expiry tells.
    pub fn lives(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Token").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// An API rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The API.
    pub api: Api,
    /// Until when it must not be called.
    pub until: Timestamp,
    /// How often in a row it had to rest for the day's quota.
    #[serde(default)]
    pub times: u32,
}

/// An app in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AppRecord {
    /// The app.
    pub app: AppId,
    /// Its token, if one was ever got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// Grows with each token; a failure that names an older one evicts nothing.
    #[serde(default)]
    pub generation: u64,
    /// Until when somebody is refreshing the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// The APIs that rest, or are being tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pauses: Vec<Pause>,
    /// How often it was written.
    #[serde(skip)]
    pub version: u64,
}

/// Whether an API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Call it.
    Free,
    /// It rested and the rest is over: one caller may try, after taking the probe.
    Probe,
    /// It rests until then.
    Rests(Timestamp),
}

impl AppRecord {
    /// An app that nothing is known of.
    pub fn new(app: AppId) -> Self {
        Self { app, token: None, generation: 0, lease_until: None, pauses: Vec::new(), version: 0 }
    }

    /// The token, if it lives.
    pub fn living_token(&self, now: Timestamp) -> Option<&Token> {
        self.token.as_ref().filter(|token| token.lives(now))
    }

    /// Takes the lease for refreshing, unless somebody holds it.
    pub fn take_lease(&mut self, now: Timestamp) -> bool {
        if self.lease_until.is_some_and(|until| until > now) {
            return false;
        }
        self.lease_until = Some(now.plus(REFRESH_LEASE));
        true
    }

    /// Puts a new token in place of the one of `generation`; a token that came meanwhile stays.
    pub fn renew(&mut self, token: Token, generation: u64) -> bool {
        if self.generation != generation {
            return false;
        }
        self.token = Some(token);
        self.generation += 1;
        self.lease_until = None;
        true
    }

    /// Whether `api` may be called.
    pub fn permission(&self, api: Api, now: Timestamp) -> Permission {
        match self.pauses.iter().find(|pause| pause.api == api) {
            None => Permission::Free,
            Some(pause) if pause.until > now => Permission::Rests(pause.until),
            Some(pause) if pause.times > 0 => Permission::Probe,
            Some(_) => Permission::Free,
        }
    }

    /// Takes the one probe of an API whose rest is over; others wait until the probe has had its time.
    pub fn take_probe(&mut self, api: Api, now: Timestamp) -> bool {
        if self.permission(api, now) != Permission::Probe {
            return false;
        }
        for pause in self.pauses.iter_mut().filter(|pause| pause.api == api) {
            pause.until = now.plus(PROBE_LEASE);
        }
        true
    }

    /// Lets `api` rest: until the next minute, or 1 minute doubling to 1 hour, at most until midnight in Beijing.
    /// Returns until when.
    pub fn pause(&mut self, api: Api, quota: Quota, now: Timestamp) -> Timestamp {
        let before = self.pauses.iter().find(|pause| pause.api == api).copied();
        self.pauses.retain(|pause| pause.api != api);
        let pause = match quota {
            Quota::Minute => Pause { api, until: now.next_minute(), times: before.map_or(0, |pause| pause.times) },
            Quota::Day => {
                // Calls that were under way when the rest began fail too; they do not double it.
                let resting = before.filter(|pause| pause.times > 0 && pause.until > now.plus(PROBE_LEASE));
                resting.unwrap_or_else(|| {
                    let times = before.map_or(0, |pause| pause.times).saturating_add(1);
                    let rest = (FIRST_REST * (1 << times.saturating_sub(1).min(6))).min(LONGEST_REST);
                    let until = now.plus(rest).min(now.next_beijing_midnight());
                    Pause { api, until, times }
                })
            }
        };
        self.pauses.push(pause);
        pause.until
    }

    /// Notes that `api` answered: it need not rest any more. Says whether anything changed.
    pub fn resume(&mut self, api: Api) -> bool {
        let before = self.pauses.len();
        self.pauses.retain(|pause| pause.api != api);
        self.pauses.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> AppRecord {
        AppRecord::new(AppId::parse("wx1").unwrap())
    }

    fn token(seconds: u64, now: i64) -> Token {
        Token::fresh(&SecretString::from("secret"), Duration::from_secs(seconds), Timestamp(now))
    }

    #[test]
    fn a_token_is_renewed_five_minutes_early_or_at_half_its_life() {
        assert_eq!(token(7200, 0).renew_at, Timestamp(6_900_000));
        assert_eq!(token(345, 0).renew_at, Timestamp(172_500));
        assert!(!format!("{:?}", token(1, 0)).contains("secret"));
    }

    #[test]
    fn one_refresher_holds_the_lease_for_five_seconds() {
        let mut record = record();
        assert!(record.take_lease(Timestamp(0)));
        assert!(!record.take_lease(Timestamp(4_999)));
        assert!(record.take_lease(Timestamp(5_000)));
    }

    #[test]
    fn a_late_refresher_does_not_evict_a_newer_token() {
        let mut record = record();
        assert!(record.renew(token(100, 0), 0));
        assert!(!record.renew(token(200, 0), 0));
        assert_eq!(record.generation, 1);
    }

    #[test]
    fn a_minute_quota_rests_until_the_next_minute_and_needs_no_probe() {
        let mut record = record();
        assert_eq!(record.pause(Api::Text, Quota::Minute, Timestamp(61_000)), Timestamp(120_000));
        assert_eq!(record.permission(Api::Text, Timestamp(61_000)), Permission::Rests(Timestamp(120_000)));
        assert_eq!(record.permission(Api::Media, Timestamp(61_000)), Permission::Free);
        assert_eq!(record.permission(Api::Text, Timestamp(120_000)), Permission::Free);
    }

    #[test]
    fn a_day_quota_doubles_from_a_minute_to_an_hour_with_one_probe_at_a_time() {
        let mut record = record();
        let mut now = Timestamp(0);
        let mut rests = Vec::new();
        for _ in 0..8 {
            let until = record.pause(Api::Text, Quota::Day, now);
            rests.push(until.since(now).as_secs() / 60);
            now = until;
            assert_eq!(record.permission(Api::Text, now), Permission::Probe);
            assert!(record.take_probe(Api::Text, now));
            assert!(!record.take_probe(Api::Text, now), "one probe at a time");
        }
        assert_eq!(rests, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(record.resume(Api::Text));
        assert_eq!(record.permission(Api::Text, now), Permission::Free);
    }

    #[test]
    fn a_day_quota_rests_at_most_until_midnight_in_beijing() {
        let mut record = record();
        let now = Timestamp::parse_rfc3339("2026-11-22T15:59:30Z").unwrap();
        assert_eq!(record.pause(Api::Media, Quota::Day, now), now.next_beijing_midnight());
    }

    #[test]
    fn calls_under_way_when_the_rest_began_do_not_double_it() {
        let mut record = record();
        let until = record.pause(Api::Text, Quota::Day, Timestamp(0));
        assert_eq!(record.pause(Api::Text, Quota::Day, Timestamp(100)), until);
    }
}
