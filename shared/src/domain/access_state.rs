//! An app's access to WeChat as all processes share it: its access token, who refreshes it, and which APIs are paused.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::AppId;

/// How long whoever refreshes the token has for it.
pub const REFRESH_LEASE: Duration = Duration::from_secs(5);
/// A token is renewed so long before it expires, or at half its remaining life if that is shorter.
const RENEW_BEFORE: Duration = Duration::from_secs(5 * 60);
/// The first pause after 45009; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How long whoever tries whether a paused API answers again has for it.
const PROBE_LEASE: Duration = Duration::from_secs(15);

/// A WeChat API that can be out of quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// msg_sec_check.
    Text,
    /// media_check_async.
    Media,
    /// img_sec_check.
    Image,
}

impl Api {
    fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Media => "media",
            Self::Image => "image",
        }
    }
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
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    #[serde(rename = "token")]
    value: String,
    expires_at: Timestamp,
    renew_at: Timestamp,
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

    /// Until when WeChat takes it.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// From when on it should be renewed.
    pub fn renew_at(&self) -> Timestamp {
        self.renew_at
    }

    /// From when on whoever needs a token renews it: the schedule has the first half of the time that is left.
    pub fn overdue_at(&self) -> Timestamp {
        Timestamp(self.renew_at.0.midpoint(self.expires_at.0))
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

/// An API must not be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Until when.
    pub until: Timestamp,
    /// How often in a row it was paused for the day's quota.
    #[serde(default)]
    times: u32,
}

/// What all processes know of an app's access to WeChat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessState {
    /// The app.
    pub(crate) app: AppId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    /// Grows with each token; a failure that names an older one evicts nothing.
    #[serde(default)]
    generation: u64,
    /// Until when somebody is refreshing the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lease_until: Option<Timestamp>,
    /// The APIs that are paused, or being tried, by name: one that this code does not know is kept for the code that does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pauses: BTreeMap<String, Pause>,
    /// How often it was written.
    #[serde(skip)]
    pub(crate) version: u64,
}

/// Whether an API may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Call it.
    Free,
    /// It was paused and the pause is over: one caller may try, after taking the probe.
    Probe,
    /// It is paused until then.
    Paused(Timestamp),
}

impl AccessState {
    /// An app that nothing is known of.
    pub fn new(app: AppId) -> Self {
        Self { app, token: None, generation: 0, lease_until: None, pauses: BTreeMap::new(), version: 0 }
    }

    /// How many tokens there were.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The token, whether it lives or not.
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// The token, if it lives.
    pub fn living_token(&self, now: Timestamp) -> Option<&Token> {
        self.token.as_ref().filter(|token| token.lives(now))
    }

    /// Takes the lease for refreshing, unless somebody holds it.
    pub fn take_lease(&mut self, now: Timestamp) -> bool {
        // One that ends later than it could was taken while a clock was ahead. (Twice: clocks differ by some seconds.)
        if self.lease_until.is_some_and(|until| now < until && until <= now.plus(2 * REFRESH_LEASE)) {
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

    /// The pause of `api`. One that lasts longer than any was written while a clock was ahead, and is over.
    fn pause_of(&self, api: Api, now: Timestamp) -> Option<Pause> {
        let pause = self.pauses.get(api.as_str()).copied()?;
        let until = if pause.until <= now.plus(LONGEST_PAUSE + PROBE_LEASE) { pause.until } else { now };
        Some(Pause { until, ..pause })
    }

    /// Whether `api` may be called.
    pub fn permission(&self, api: Api, now: Timestamp) -> Permission {
        match self.pause_of(api, now) {
            None => Permission::Free,
            Some(pause) if pause.until > now => Permission::Paused(pause.until),
            Some(pause) if pause.times > 0 => Permission::Probe,
            Some(_) => Permission::Free,
        }
    }

    /// Whether a pause of any API has lasted until then, or longer.
    pub fn was_paused_since(&self, since: Timestamp) -> bool {
        self.pauses.values().any(|pause| pause.until >= since)
    }

    /// Takes the one probe of an API whose pause is over; others wait until the probe has had its time.
    pub fn take_probe(&mut self, api: Api, now: Timestamp) -> Option<Pause> {
        if self.permission(api, now) != Permission::Probe {
            return None;
        }
        let probe = Pause { until: now.plus(PROBE_LEASE), ..self.pause_of(api, now)? };
        self.pauses.insert(api.as_str().to_owned(), probe);
        Some(probe)
    }

    /// Pauses `api`: until the next minute, or 1 minute doubling to 1 hour, at most until midnight in Beijing.
    pub fn pause(&mut self, api: Api, quota: Quota, now: Timestamp) -> Pause {
        let before = self.pause_of(api, now);
        let times = before.map_or(0, |pause| pause.times);
        let pause = match quota {
            Quota::Minute => Pause { until: now.next_minute(), times },
            Quota::Day => {
                // Calls that were under way when the pause began fail too; they do not double it.
                let standing = before.filter(|pause| pause.times > 0 && pause.until > now.plus(PROBE_LEASE));
                standing.unwrap_or_else(|| {
                    let times = times.saturating_add(1);
                    let lasts = (FIRST_PAUSE * (1 << times.saturating_sub(1).min(6))).min(LONGEST_PAUSE);
                    Pause { until: now.plus(lasts).min(now.next_beijing_midnight()), times }
                })
            }
        };
        self.pauses.insert(api.as_str().to_owned(), pause);
        pause
    }

    /// Takes over a pause that one process has begun. Says whether that changed anything.
    pub fn adopt(&mut self, api: Api, pause: Pause) -> bool {
        let standing = self.pauses.get(api.as_str()).copied().unwrap_or(Pause { until: Timestamp(0), times: 0 });
        // One that lasts so much longer was written while a clock was ahead.
        let ahead = standing.until > pause.until.plus(LONGEST_PAUSE);
        let until = if ahead { pause.until } else { standing.until.max(pause.until) };
        let longer = Pause { until, times: standing.times.max(pause.times) };
        if longer == standing {
            return false;
        }
        self.pauses.insert(api.as_str().to_owned(), longer);
        true
    }

    /// Ends the pause that a probe has shown to be over, unless another process has paused `api` since. Says whether
    /// that changed anything.
    pub fn resume(&mut self, api: Api, probe: Pause) -> bool {
        if self.pauses.get(api.as_str()) != Some(&probe) {
            return false;
        }
        self.pauses.remove(api.as_str());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> AccessState {
        AccessState::new(AppId::parse("wx1").unwrap())
    }

    fn token(seconds: u64, now: i64) -> Token {
        Token::fresh(&SecretString::from("secret"), Duration::from_secs(seconds), Timestamp(now))
    }

    #[test]
    fn a_token_is_renewed_five_minutes_early_or_at_half_its_life() {
        assert_eq!(token(7200, 0).renew_at(), Timestamp(6_900_000));
        assert_eq!(token(345, 0).renew_at(), Timestamp(172_500));
        assert!(!format!("{:?}", token(1, 0)).contains("secret"));
    }

    #[test]
    fn one_refresher_holds_the_lease_for_five_seconds() {
        let mut state = state();
        assert!(state.take_lease(Timestamp(0)));
        assert!(!state.take_lease(Timestamp(4_999)));
        assert!(state.take_lease(Timestamp(5_000)));
    }

    #[test]
    fn a_late_refresher_does_not_evict_a_newer_token() {
        let mut state = state();
        assert!(state.renew(token(100, 0), 0));
        assert!(!state.renew(token(200, 0), 0));
        assert_eq!(state.generation, 1);
    }

    #[test]
    fn what_was_written_while_the_clock_was_ahead_holds_nobody_up() {
        let (mut state, ahead) = (state(), Timestamp(24 * 3_600_000));
        assert!(state.take_lease(ahead));
        let pause = state.pause(Api::Text, Quota::Day, ahead);
        state.pause(Api::Media, Quota::Minute, ahead);
        let now = Timestamp(60_000);
        assert!(state.take_lease(now));
        assert_eq!(state.permission(Api::Text, now), Permission::Probe);
        assert_eq!(state.permission(Api::Media, now), Permission::Free);
        let begun_now = Pause { until: now.plus(FIRST_PAUSE), ..pause };
        assert!(state.adopt(Api::Text, begun_now));
        assert_eq!(state.permission(Api::Text, now), Permission::Paused(begun_now.until));
    }

    #[test]
    fn a_minute_quota_pauses_until_the_next_minute_and_needs_no_probe() {
        let mut state = state();
        assert_eq!(state.pause(Api::Text, Quota::Minute, Timestamp(61_000)).until, Timestamp(120_000));
        assert_eq!(state.permission(Api::Text, Timestamp(61_000)), Permission::Paused(Timestamp(120_000)));
        assert_eq!(state.permission(Api::Media, Timestamp(61_000)), Permission::Free);
        assert_eq!(state.permission(Api::Text, Timestamp(120_000)), Permission::Free);
        assert!(state.was_paused_since(Timestamp(120_000)) && !state.was_paused_since(Timestamp(120_001)));
    }

    #[test]
    fn a_day_quota_doubles_from_a_minute_to_an_hour_with_one_probe_at_a_time() {
        let mut state = state();
        let (mut now, mut probe) = (Timestamp(0), None);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = state.pause(Api::Text, Quota::Day, now).until;
            pauses.push(until.since(now).as_secs() / 60);
            now = until;
            assert_eq!(state.permission(Api::Text, now), Permission::Probe);
            probe = state.take_probe(Api::Text, now);
            assert!(probe.is_some());
            assert_eq!(state.take_probe(Api::Text, now), None, "one probe at a time");
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(state.resume(Api::Text, probe.unwrap()));
        assert_eq!(state.permission(Api::Text, now), Permission::Free);
    }

    #[test]
    fn a_day_quota_pauses_at_most_until_midnight_in_beijing() {
        let mut state = state();
        let now = Timestamp::parse_rfc3339("2026-11-22T15:59:30Z").unwrap();
        assert_eq!(state.pause(Api::Media, Quota::Day, now).until, now.next_beijing_midnight());
    }

    #[test]
    fn calls_under_way_when_the_pause_began_do_not_double_it() {
        let mut state = state();
        let pause = state.pause(Api::Text, Quota::Day, Timestamp(0));
        assert_eq!(state.pause(Api::Text, Quota::Day, Timestamp(100)), pause);
    }

    #[test]
    fn a_probe_that_succeeds_ends_no_pause_that_began_meanwhile() {
        let mut state = state();
        let over = state.pause(Api::Text, Quota::Day, Timestamp(0)).until;
        let probe = state.take_probe(Api::Text, over).unwrap();
        let since = state.pause(Api::Text, Quota::Day, over);
        assert_ne!(since, probe);
        assert!(!state.resume(Api::Text, probe));
        assert_eq!(state.permission(Api::Text, over), Permission::Paused(since.until));
    }

    #[test]
    fn a_pause_that_stands_already_changes_nothing_and_the_longer_one_holds() {
        let (mut one, mut other) = (state(), state());
        let short = one.pause(Api::Text, Quota::Minute, Timestamp(0));
        let long = other.pause(Api::Text, Quota::Day, Timestamp(30_000));
        assert!(!one.adopt(Api::Text, short));
        assert!(one.adopt(Api::Text, long) && !one.adopt(Api::Text, short));
        assert_eq!(one.permission(Api::Text, Timestamp(60_000)), Permission::Paused(long.until));
    }

    #[test]
    fn a_pause_that_newer_code_knows_hides_nothing_from_older_code_and_is_kept() {
        let json =
            r#"{"app":"wx1","generation":3,"pauses":{"video":{"until":5,"times":2,"why":"x"},"text":{"until":7}}}"#;
        let state: AccessState = serde_json::from_str(json).unwrap();
        assert_eq!(state.permission(Api::Text, Timestamp(6)), Permission::Paused(Timestamp(7)));
        assert_eq!(state.permission(Api::Media, Timestamp(6)), Permission::Free);
        assert!(serde_json::to_string(&state).unwrap().contains("video"));
    }
}
