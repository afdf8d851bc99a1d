//! Moderators: their names, and what each may do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::deed::{Act, Deed};
use super::ids::{AppId, ConsoleToken, ModeratorKey, ModeratorName, SubmissionId};

/// How long anyone but a lead may ban an author.
pub const LONGEST_BAN_BY_MODERATOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How many cases a moderator has in hand at most.
pub const MOST_LEASED: usize = 10;
/// How long a case is a moderator's own, from the last time that they worked on what they have in hand.
pub const LEASED_FOR: Duration = Duration::from_secs(5 * 60);
/// How many of the cases that a moderator skipped stay out of their sight.
const MOST_SKIPPED: usize = 200;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Decides cases, and bans for a week at most.
    Moderator,
    /// Decides what was escalated as well, bans for longer, and lets moderators in.
    Lead,
}

impl Role {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Moderator, Self::Lead];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Lead => "lead",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    /// Whether it may do what only leads may.
    pub fn is_lead(self) -> bool {
        self == Self::Lead
    }
}

/// Somebody who works in the console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moderator {
    /// For which app.
    pub app: AppId,
    /// The name that the owner's backend gave.
    pub name: ModeratorName,
    /// What they may do.
    pub role: Role,
}

impl Moderator {
    /// Something that they did.
    pub fn deed(&self, at: Timestamp, act: Act) -> Deed {
        Deed::new(at, act, Some((self.name.as_str(), self.role)))
    }

    /// What a moderator of that app is known by in keys and URLs.
    pub fn key(&self) -> ModeratorKey {
        ModeratorKey::of(&self.app, &self.name)
    }
}

/// What a moderator has in hand, and has done today.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The app. Like `moderator` it stands in the item's keys.
    #[serde(skip_serializing)]
    pub(crate) app: AppId,
    /// Whose it is.
    #[serde(skip_serializing)]
    pub(crate) moderator: ModeratorKey,
    /// The cases that were given to them.
    #[serde(default)]
    pub(crate) leased: Vec<SubmissionId>,
    /// The cases that they left to others, oldest first.
    #[serde(default)]
    skipped: Vec<SubmissionId>,
    /// The day in Beijing that the counts are of.
    #[serde(default)]
    day: String,
    #[serde(default)]
    approved: u32,
    #[serde(default)]
    rejected: u32,
    /// How often it was written.
    #[serde(skip)]
    pub(crate) version: u64,
}

impl Work {
    /// Of somebody who has done nothing yet.
    pub fn new(app: AppId, moderator: ModeratorKey) -> Self {
        let (leased, skipped, day) = (Vec::new(), Vec::new(), String::new());
        Self { app, moderator, leased, skipped, day, approved: 0, rejected: 0, version: 0 }
    }

    /// How many they approved and how many they rejected on the day, in Beijing, that it is now.
    pub fn today(&self, now: Timestamp) -> (u32, u32) {
        if self.day == now.beijing_day() { (self.approved, self.rejected) } else { (0, 0) }
    }

    /// Notes a decision about a case: it is in hand no more, and counts; or, `undone`, is in hand again, and does not count.
    pub(crate) fn note_decision(&mut self, id: &SubmissionId, approve: bool, undone: bool, now: Timestamp) {
        self.leased.retain(|leased| leased != id);
        if undone {
            self.leased.insert(0, id.clone());
        }
        let (approved, rejected) = self.today(now);
        let count = |count: u32| if undone { count.saturating_sub(1) } else { count.saturating_add(1) };
        (self.approved, self.rejected) =
            if approve { (count(approved), rejected) } else { (approved, count(rejected)) };
        self.day = now.beijing_day();
    }

    /// Whether they left a case to others.
    pub fn has_skipped(&self, id: &SubmissionId) -> bool {
        self.skipped.contains(id)
    }

    /// Notes that they leave a case to others.
    pub(crate) fn skip(&mut self, id: &SubmissionId) {
        self.leased.retain(|leased| leased != id);
        self.skipped.retain(|skipped| skipped != id);
        self.skipped.push(id.clone());
        let over = self.skipped.len().saturating_sub(MOST_SKIPPED);
        self.skipped.drain(..over);
    }

    /// Shows them again what they skipped. Says whether there was anything.
    pub(crate) fn unskip(&mut self) -> bool {
        !std::mem::take(&mut self.skipped).is_empty()
    }
}

/// What a link into the console, and a session's cookie, carry: who it lets in, and the token that proves it. Written as
/// `app.key.token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The app.
    pub app: AppId,
    /// The moderator.
    pub moderator: ModeratorKey,
    /// The token.
    pub token: ConsoleToken,
}

impl Pass {
    /// A new one for a moderator.
    pub fn of(moderator: &Moderator) -> Self {
        Self { app: moderator.app.clone(), moderator: moderator.key(), token: ConsoleToken::random() }
    }

    /// Reads one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut pieces = text.split('.');
        let (app, moderator, token) = (pieces.next()?, pieces.next()?, pieces.next()?);
        if pieces.next().is_some() {
            return None;
        }
        Some(Self {
            app: AppId::parse(app).ok()?,
            moderator: ModeratorKey::parse(moderator).ok()?,
            token: ConsoleToken::parse(token).ok()?,
        })
    }

    /// How it is written. Whoever has it is let in.
    pub fn expose(&self) -> String {
        format!("{}.{}.{}", self.app, self.moderator, self.token.as_str())
    }
}

/// Where the console stands.
pub const CONSOLE: &str = "/console";

/// The path of a link that lets a moderator in.
pub fn path_of_link(link: &Pass) -> String {
    format!("{CONSOLE}/links/{}", link.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn li(role: Role) -> Moderator {
        Moderator { app: AppId::parse("wx1").unwrap(), name: ModeratorName::parse("李 a.b#c").unwrap(), role }
    }

    #[test]
    fn a_pass_reads_as_it_was_written_and_is_not_shown() {
        let pass = Pass::of(&li(Role::Lead));
        assert_eq!(Pass::parse(&pass.expose()).as_ref(), Some(&pass));
        assert!(!format!("{pass:?}").contains(pass.token.as_str()));
        for odd in ["", ".", "..", "a.b.c", &format!("{}.", pass.expose()), &pass.expose().to_uppercase()] {
            assert_eq!(Pass::parse(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_in_beijing_and_an_undone_decision_does_not_count() {
        let mut work = Work::new(AppId::parse("wx1").unwrap(), li(Role::Moderator).key());
        let (evening, id) = (Timestamp::parse_rfc3339("2026-11-29T15:59:00Z").unwrap(), SubmissionId::random());
        work.note_decision(&id, true, false, evening);
        work.note_decision(&id, false, false, evening);
        work.note_decision(&id, false, true, evening);
        assert_eq!(work.today(evening), (1, 0));
        assert_eq!(work.today(evening.plus(Duration::from_secs(60))), (0, 0));
    }

    #[test]
    fn what_was_skipped_stays_out_of_sight_until_asked_for() {
        let mut work = Work::new(AppId::parse("wx1").unwrap(), li(Role::Moderator).key());
        let ids: Vec<SubmissionId> = (0..=MOST_SKIPPED).map(|_| SubmissionId::random()).collect();
        ids.iter().for_each(|id| work.skip(id));
        assert!(!work.has_skipped(&ids[0]) && work.has_skipped(&ids[1]));
        assert!(work.unskip() && !work.unskip());
    }
}
