//! An author: when last active, how much submitted, banned or not, and the newest submissions.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::ids::{AppId, AuthorId, OpenId, SubmissionId};

/// How many of an author's newest submissions stand with the author, seen by the author at once.
pub const RECENT: usize = 20;
/// How many waiting submissions stand with the author. Those beyond are found by the hourly look.
const WAITING: usize = 100;

/// What an author may do how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Submissions in one [`Rates::window`].
    pub submissions: u32,
    /// Text checks and uploads in one window.
    pub calls: u32,
    /// The window; it starts with the first call.
    pub window: Duration,
}

impl Default for Rates {
    /// 30 submissions, and 120 checks and uploads, in ten minutes.
    fn default() -> Self {
        Self { submissions: 30, calls: 120, window: Duration::from_secs(600) }
    }
}

/// Who acts on an author's behalf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The author, with a session: rates and ban hold.
    Author,
    /// The owner, with a server key: the ban holds.
    Owner,
}

/// Why an author may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// Banned until then.
    #[error("the author is banned")]
    Banned {
        /// When the ban ends.
        until: Timestamp,
    },
    /// Too much in one window.
    #[error("too many calls")]
    TooMany {
        /// How long until the next is allowed.
        retry_after: Duration,
    },
}

/// Calls counted in a window that began with the first of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    from: Timestamp,
    calls: u32,
}

impl Count {
    fn add(&mut self, limit: u32, window: Duration, now: Timestamp) -> Result<(), NotAdmitted> {
        let ends = self.from.plus(window);
        if self.calls == 0 || now >= ends || now < self.from {
            *self = Self { from: now, calls: 0 };
        } else if self.calls >= limit {
            return Err(NotAdmitted::TooMany { retry_after: ends.since(now) });
        }
        self.calls += 1;
        Ok(())
    }
}

/// A ban.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
    /// Who banned.
    pub moderator: String,
    /// Since when.
    pub since: Timestamp,
}

/// An author of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The app.
    pub(crate) app: AppId,
    /// Who it is, for WeChat.
    openid: OpenId,
    /// When the last session was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_at: Option<Timestamp>,
    #[serde(default, rename = "ns")]
    submissions: Count,
    #[serde(default, rename = "nc")]
    calls: Count,
    /// The ban in force or over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ban: Option<Ban>,
    /// The newest submissions, oldest first. An id may stand here before its submission does.
    #[serde(default)]
    recent: Vec<SubmissionId>,
    /// Submissions that wait for the next session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    waiting: Vec<SubmissionId>,
    /// How often it was written.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl Author {
    /// An author who was never seen before.
    pub fn new(app: AppId, openid: OpenId) -> Self {
        Self {
            app,
            openid,
            active_at: None,
            submissions: Count::default(),
            calls: Count::default(),
            ban: None,
            recent: Vec::new(),
            waiting: Vec::new(),
            version: 0,
        }
    }

    /// The author's name inside.
    pub fn id(&self) -> AuthorId {
        AuthorId::of(&self.app, &self.openid)
    }

    /// The newest submissions, oldest first, which the indexes may not show yet. An id may stand here before its
    /// submission does.
    pub fn recent(&self) -> &[SubmissionId] {
        &self.recent
    }

    /// How many submissions wait for the next session, as far as they stand here.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bans the author until then; without a ban, lifts the one that holds.
    pub fn set_ban(&mut self, ban: Option<Ban>) {
        self.ban = ban;
    }

    /// Who it is, for WeChat.
    pub fn openid(&self) -> &OpenId {
        &self.openid
    }

    /// The ban that was set last, in force or over.
    pub fn ban(&self) -> Option<&Ban> {
        self.ban.as_ref()
    }

    /// Refuses whoever is banned now.
    pub fn not_banned(&self, now: Timestamp) -> Result<(), NotAdmitted> {
        match &self.ban {
            Some(ban) if ban.until > now => Err(NotAdmitted::Banned { until: ban.until }),
            _ => Ok(()),
        }
    }

    /// Admits one more submission and lists it.
    pub fn admit_submission(
        &mut self,
        id: &SubmissionId,
        actor: Actor,
        rates: &Rates,
        now: Timestamp,
    ) -> Result<(), NotAdmitted> {
        self.not_banned(now)?;
        if actor == Actor::Author {
            self.submissions.add(rates.submissions, rates.window, now)?;
        }
        self.recent.retain(|recent| recent != id);
        self.recent.push(id.clone());
        let over = self.recent.len().saturating_sub(RECENT);
        self.recent.drain(..over);
        Ok(())
    }

    /// Admits one more text check or upload.
    pub fn admit_call(&mut self, actor: Actor, rates: &Rates, now: Timestamp) -> Result<(), NotAdmitted> {
        self.not_banned(now)?;
        match actor {
            Actor::Author => self.calls.add(rates.calls, rates.window, now),
            Actor::Owner => Ok(()),
        }
    }

    /// Opens a session: active now. Returns what waited for that.
    pub fn return_now(&mut self, now: Timestamp) -> Vec<SubmissionId> {
        self.active_at = Some(now);
        std::mem::take(&mut self.waiting)
    }

    /// Notes that a submission has waited for the author since that moment. If the author was active in the
    /// meantime it need not wait: returns when the author was.
    pub fn wait(&mut self, id: &SubmissionId, since: Timestamp) -> Option<Timestamp> {
        if let Some(active_at) = self.active_at.filter(|active_at| *active_at >= since) {
            return Some(active_at);
        }
        if !self.waiting.contains(id) && self.waiting.len() < WAITING {
            self.waiting.push(id.clone());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author() -> Author {
        Author::new(AppId::parse("wx1").unwrap(), OpenId::parse("o1").unwrap())
    }

    #[test]
    fn thirty_submissions_in_ten_minutes_and_no_more() {
        let (mut author, rates) = (author(), Rates::default());
        for minute in 0..30 {
            let now = Timestamp(1_000_000 + minute);
            author.admit_submission(&SubmissionId::random(), Actor::Author, &rates, now).unwrap();
        }
        let refused = author.admit_submission(&SubmissionId::random(), Actor::Author, &rates, Timestamp(1_000_030));
        assert_eq!(refused, Err(NotAdmitted::TooMany { retry_after: Duration::from_millis(599_970) }));
        assert_eq!(author.recent.len(), RECENT);
        author.admit_submission(&SubmissionId::random(), Actor::Owner, &rates, Timestamp(1_000_030)).unwrap();
        author.admit_submission(&SubmissionId::random(), Actor::Author, &rates, Timestamp(1_600_000)).unwrap();
    }

    #[test]
    fn a_server_key_is_exempt_from_the_rates_but_not_from_the_ban() {
        let (mut author, rates) = (author(), Rates { calls: 0, ..Rates::default() });
        author.admit_call(Actor::Owner, &rates, Timestamp(1)).unwrap();
        author.ban =
            Some(Ban { until: Timestamp(10), reason: "spam".into(), moderator: "li".into(), since: Timestamp(0) });
        assert_eq!(
            author.admit_call(Actor::Owner, &rates, Timestamp(1)),
            Err(NotAdmitted::Banned { until: Timestamp(10) })
        );
        author.admit_call(Actor::Owner, &rates, Timestamp(10)).unwrap();
    }

    #[test]
    fn what_is_found_waiting_after_a_newer_login_need_not_wait() {
        let (mut author, id) = (author(), SubmissionId::random());
        assert_eq!(author.wait(&id, Timestamp(5)), None);
        assert_eq!(author.return_now(Timestamp(7)), std::slice::from_ref(&id));
        assert_eq!(author.wait(&id, Timestamp(6)), Some(Timestamp(7)));
        assert!(author.waiting.is_empty());
    }
}
