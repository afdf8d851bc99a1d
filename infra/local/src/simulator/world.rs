//! What the simulated WeChat knows: apps, users, tokens, quotas, and the record of what was asked.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use data_encoding::HEXLOWER;
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;

use super::vocabulary::api::{Api, Refusal};
use super::vocabulary::behaviour::Behaviour;
use super::vocabulary::ids::{OPENID_LENGTH, digest, openid_prefix};
use super::vocabulary::media_check::{MediaEvent, OpenCheck};
use super::vocabulary::records::{CheckRecord, PushRecord};
use super::vocabulary::simulated_app::SimulatedApp;

mod tokens;

/// How many checks and how many pushes are remembered: a run of months must not grow by what it was asked.
const REMEMBERED: usize = 2_000;

#[derive(Clone, Debug, Default)]
pub(super) struct User {
    /// The last login or visit; none after the user was made to leave.
    pub(super) active_at: Option<Timestamp>,
}

/// Calls of one API since the minute and since the day began.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    minute: Option<Timestamp>,
    minute_calls: u64,
    day: Option<Timestamp>,
    day_calls: u64,
}

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
struct IssuedToken {
    app_id: AppId,
    kind: TokenKind,
    expires_at: Timestamp,
    overwritten_at: Option<Timestamp>,
}

/// The tokens of one app that are given out now.
#[derive(Clone, Debug, Default)]
struct Tokens {
    stable: Option<String>,
    plain: Option<String>,
    forced_at: Option<Timestamp>,
    forced_day: Option<Timestamp>,
    forced_calls: u32,
}

pub(super) struct App {
    pub(super) settings: SimulatedApp,
    pub(super) behaviour: Behaviour,
    pub(super) users: BTreeMap<String, User>,
    pub(super) forgotten: HashSet<String>,
    pub(super) used_codes: HashSet<String>,
    tokens: Tokens,
    pub(super) usage: BTreeMap<Api, Usage>,
    pub(super) calls: BTreeMap<Api, u64>,
    pub(super) held: Vec<MediaEvent>,
    /// Checks that were taken and whose verdicts were not sent, by trace id.
    pub(super) open: BTreeMap<String, OpenCheck>,
    pub(super) submissions: HashMap<String, VecDeque<Timestamp>>,
    pub(super) quota_clearings: VecDeque<Timestamp>,
}

impl App {
    fn new(settings: SimulatedApp) -> Self {
        Self {
            settings,
            behaviour: Behaviour::default(),
            users: BTreeMap::new(),
            forgotten: HashSet::new(),
            used_codes: HashSet::new(),
            tokens: Tokens::default(),
            usage: BTreeMap::new(),
            calls: BTreeMap::new(),
            held: Vec::new(),
            open: BTreeMap::new(),
            submissions: HashMap::new(),
            quota_clearings: VecDeque::new(),
        }
    }

    /// Counts a call against the quota of `api`, or refuses it.
    fn spend(&mut self, api: Api, now: Timestamp) -> Result<(), Refusal> {
        let quota = self.behaviour.quota(api);
        let (minute, day) = (now.next_minute(), now.next_beijing_midnight());
        let usage = self.usage.entry(api).or_default();
        if usage.minute != Some(minute) {
            (usage.minute, usage.minute_calls) = (Some(minute), 0);
        }
        if usage.day != Some(day) {
            (usage.day, usage.day_calls) = (Some(day), 0);
        }
        if quota.per_day.is_some_and(|limit| usage.day_calls >= limit) {
            return Err(Refusal::of(45009));
        }
        if quota.per_minute.is_some_and(|limit| usage.minute_calls >= limit) {
            return Err(Refusal::of(quota.minute_errcode));
        }
        usage.minute_calls += 1;
        usage.day_calls += 1;
        Ok(())
    }

    /// Notes one more submission of what `key` stands for; 87020 if there were too many of late.
    pub(super) fn note_submission(&mut self, key: &str, now: Timestamp) -> Result<(), Refusal> {
        let Some(limit) = self.behaviour.repeat_limit else { return Ok(()) };
        let since = now.minus(Duration::from_secs(limit.window_s));
        let seen = self.submissions.entry(key.to_owned()).or_default();
        seen.retain(|at| *at > since);
        if seen.len() >= usize::try_from(limit.submissions).unwrap_or(usize::MAX) {
            return Err(Refusal::of(87020));
        }
        seen.push_back(now);
        Ok(())
    }

    /// Takes the user for active from now on.
    pub(super) fn visit(&mut self, openid: &str, now: Timestamp) {
        self.forgotten.remove(openid);
        self.users.entry(openid.to_owned()).or_default().active_at = Some(now);
    }

    /// Takes the user for one who was not there of late; whether there is such a user.
    pub(super) fn leave(&mut self, openid: &str) -> bool {
        self.users.get_mut(openid).map(|user| user.active_at = None).is_some()
    }

    /// Forgets the user until the next login; whether there was such a user.
    pub(super) fn forget(&mut self, openid: &str) -> bool {
        self.forgotten.insert(openid.to_owned());
        self.users.remove(openid).is_some()
    }
}

/// Everything behind one lock, which is never held while something is awaited.
pub(super) struct World {
    pub(super) apps: BTreeMap<AppId, App>,
    issued: HashMap<String, IssuedToken>,
    pub(super) checks: VecDeque<CheckRecord>,
    pub(super) pushes: VecDeque<PushRecord>,
    seed: [u8; 16],
    ids_given: u64,
}

impl World {
    /// `seed` makes the tokens and trace ids of one start differ from those of the next, which a table that
    /// outlives the simulator relies on.
    pub(super) fn new(apps: Vec<SimulatedApp>, seed: [u8; 16]) -> Self {
        let apps = apps.into_iter().map(|app| (app.app_id.clone(), App::new(app))).collect();
        Self { apps, issued: HashMap::new(), checks: VecDeque::new(), pushes: VecDeque::new(), seed, ids_given: 0 }
    }

    pub(super) fn spend(&mut self, app_id: &AppId, api: Api, now: Timestamp) -> Result<(), Refusal> {
        self.apps.get_mut(app_id).ok_or(Refusal::of(40013))?.spend(api, now)
    }

    /// 32 bytes that have not been given before.
    pub(super) fn fresh_bytes(&mut self) -> [u8; 32] {
        self.ids_given += 1;
        digest(&[&self.seed, &self.ids_given.to_be_bytes()])
    }

    /// An id like `60ae120f-371d5872-7941a05b`: the time, then what makes it unique.
    pub(super) fn fresh_id(&mut self, now: Timestamp) -> String {
        let rest = HEXLOWER.encode(&self.fresh_bytes());
        let (middle, end) = (rest.get(..8).unwrap_or_default(), rest.get(8..16).unwrap_or_default());
        format!("{:08x}-{middle}-{end}", now.unix_seconds())
    }

    /// A trace id of version 1: 32 hexadecimal digits.
    pub(super) fn fresh_id_v1(&mut self) -> String {
        HEXLOWER.encode(self.fresh_bytes().get(..16).unwrap_or_default())
    }

    pub(super) fn remember_check(&mut self, record: CheckRecord) {
        if self.checks.len() >= REMEMBERED {
            self.checks.pop_front();
        }
        self.checks.push_back(record);
    }

    pub(super) fn remember_push(&mut self, record: PushRecord) {
        if self.pushes.len() >= REMEMBERED {
            self.pushes.pop_front();
        }
        self.pushes.push_back(record);
    }

    pub(super) fn check(&mut self, app: &AppId, trace_id: &str) -> Option<&mut CheckRecord> {
        self.checks
            .iter_mut()
            .rev()
            .find(|record| record.app_id == *app && record.trace_id.as_deref() == Some(trace_id))
    }

    /// Checks who asks: 41002 and 41004 for what is missing, 40013 and 40125 for what is wrong.
    pub(super) fn admit_secret(&self, app_id: Option<&str>, secret: Option<&str>) -> Result<AppId, Refusal> {
        let app_id = app_id.filter(|text| !text.is_empty()).ok_or(Refusal::of(41002))?;
        let secret = secret.filter(|text| !text.is_empty()).ok_or(Refusal::of(41004))?;
        let app_id = AppId::parse(app_id).map_err(|_| Refusal::of(40013))?;
        let app = self.apps.get(&app_id).ok_or(Refusal::of(40013))?;
        if app.settings.app_secret == secret { Ok(app_id) } else { Err(Refusal::of(40125)) }
    }

    /// Whether `openid` may be checked for `app` now.
    ///
    /// 40003 for what is no openid of ours, 43104 for one of another app, 61010 for a user who was not there
    /// in the last two hours (文本内容安全识别).
    pub(super) fn admit(&self, app_id: &AppId, openid: &str, now: Timestamp) -> Result<(), Refusal> {
        let Some(app) = self.apps.get(app_id) else { return Err(Refusal::of(40013)) };
        if app.forgotten.contains(openid) {
            return Err(Refusal::of(40003));
        }
        if let Some(user) = app.users.get(openid) {
            let window = Duration::from_secs(app.behaviour.visit_window_s);
            let active = user.active_at.is_some_and(|at| now.since(at) <= window);
            return if active { Ok(()) } else { Err(Refusal::of(61010)) };
        }
        let owner = self.apps.iter().find(|(other, _)| openid.starts_with(&openid_prefix(other)));
        let known_elsewhere = || self.apps.values().any(|other| other.users.contains_key(openid));
        match owner {
            // One of ours from before a restart, or one that was computed and never logged in.
            Some((owner, _)) if owner == app_id && openid.len() == OPENID_LENGTH => Err(Refusal::of(61010)),
            Some((owner, _)) if owner != app_id => Err(Refusal::of(43104)),
            _ if known_elsewhere() => Err(Refusal::of(43104)),
            _ => Err(Refusal::of(40003)),
        }
    }
}
