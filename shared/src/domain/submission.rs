//! A submission and its life: the pure core. It takes an event and becomes the next submission; no clock, no I/O.

mod case;
mod chain;
mod event;
mod fetched;
mod history;
mod part;
mod queue;
mod seal;
mod telling;
#[cfg(test)]
mod tests;
mod transitions;
mod undo;
mod url_access;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use case::{Case, Cause, Class};
pub use chain::{Chain, MAX_CHAIN, NotEditable, Replaces};
pub use event::{Check, Event, Failure, ModeratorDecision, NotDecided, Paused};
pub use fetched::Fetched;
pub use history::{By, CHANGES_KEPT, Past};
pub use part::{Attempt, Ended, GivenUp, Part, PartName, PartState};
pub use queue::{DueKind, Queue};
pub use seal::Hold;
pub use transitions::{ASK_LEASE, MAX_ATTEMPTS, PATIENCE, PUSH_WITHIN, WAITING_LOOK};

pub use undo::{NotUndone, UNDO_WITHIN, Undo};

use super::author::Actor;
use super::clock::Timestamp;
use super::ids::{AppId, AuthorId, Channel, OpenId, SubmissionId, UrlSecret};
use super::media::{MediaType, needs_preview};
use super::moderator::Role;
use super::picture_hash::PictureHash;
use super::sha256::Sha256;
use super::text::Content;
use super::verdict::{Label, Suggest};

/// How many media one submission holds at most.
pub const MAX_MEDIA: usize = 9;

/// What kind of place the content is for; WeChat judges by it. (WeChat: msg_sec_check, field `scene`.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scene {
    /// A profile: nickname, signature, picture of oneself.
    Profile,
    /// A comment.
    Comment,
    /// A forum.
    Forum,
    /// A social log.
    SocialLog,
}

impl Scene {
    /// All of them, in WeChat's order.
    pub const ALL: [Self; 4] = [Self::Profile, Self::Comment, Self::Forum, Self::SocialLog];

    /// WeChat's number for it, 1 to 4.
    pub fn number(self) -> u8 {
        match self {
            Self::Profile => 1,
            Self::Comment => 2,
            Self::Forum => 3,
            Self::SocialLog => 4,
        }
    }

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Comment => "comment",
            Self::Forum => "forum",
            Self::SocialLog => "social_log",
        }
    }

    /// The scene of this name or number.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scene| scene.as_str() == name || scene.number().to_string() == name)
    }
}

/// Where a submission stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// WeChat has not judged all of it yet.
    Pending,
    /// A person has to look at it.
    InReview,
    /// It has the green light.
    Approved,
    /// It stays its author's alone, with reasons.
    Rejected,
    /// Taken back; nobody sees it any more. Final.
    Withdrawn,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Pending, Self::InReview, Self::Approved, Self::Rejected, Self::Withdrawn];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InReview => "in_review",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// How long what was submitted is kept here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Retain {
    /// Until it is withdrawn.
    #[default]
    Always,
    /// Until it is decided: text and media are erased with the decision, for they stand with the owner. What was judged is
    /// known by its hashes afterwards.
    UntilDecided,
}

impl Retain {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Always, Self::UntilDecided];

    /// Our name for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::UntilDecided => "until_decided",
        }
    }

    fn is_always(&self) -> bool {
        *self == Self::Always
    }
}

/// Who changed the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// WeChat's verdicts.
    Wechat,
    /// A moderator, by the name the owner's backend gave.
    Moderator(String),
    /// The author.
    Author,
    /// The owner, through a server key.
    Owner,
}

/// A change of state: who made it and why; when is the submission's `since`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who.
    #[serde(rename = "by")]
    pub decider: Decider,
    /// Why, in the moderator's words; WeChat's reasons stand in the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same for whoever reads English, where the reason is one of the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_en: Option<String>,
    /// The code of the reason, where it is one of the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// What the moderator may do, where they decided in the console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

impl Decision {
    /// A decision without a reason of its own.
    pub fn by(decider: Decider) -> Self {
        Self { decider, reason: None, reason_en: None, reason_code: None, role: None }
    }
}

/// One picture or sound of a submission: the bytes that are judged, and only those.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// What it is, by its content.
    #[serde(rename = "t")]
    pub media_type: MediaType,
    /// What the bytes are known by.
    #[serde(rename = "h")]
    pub sha256: Sha256,
    /// How many bytes.
    #[serde(rename = "l")]
    pub size: u64,
    /// The secret in the author's own URL.
    #[serde(rename = "r")]
    pub author_secret: UrlSecret,
    /// How wide and high a picture is, in pixels.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<(u32, u32)>,
    /// What a picture looks like, if it looks like anything.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub look: Option<PictureHash>,
    /// What its metadata said of being made by a machine: the label of 人工智能生成合成内容标识办法.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub ai_label: Option<serde_json::Value>,
}

/// What stands around a submission where it is shown, as the owner tells it: what moderators read above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// A title: of the article, the product, the course that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What an author submitted at once, and what became of it. Immutable but for its judging.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Its id. Like `app` and `author` it stands in the item's keys, so it is not written into the document again.
    #[serde(skip_serializing)]
    pub id: SubmissionId,
    /// The app it belongs to.
    #[serde(skip_serializing)]
    pub app: AppId,
    /// Its author.
    #[serde(skip_serializing)]
    pub author: AuthorId,
    /// The author's openid, which WeChat wants with each check; gone once withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openid: Option<OpenId>,
    /// The scene.
    pub scene: Scene,
    /// Title, text, nickname, signature; empty once withdrawn.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    /// Pictures and sounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Medium>,
    /// The feed it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The owner's own data about it: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    /// The owner's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// `metadata` and `external_id` came with a server key, so everyone may see them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub vouched: bool,
    /// Hash of the request, to tell a repeat from another request with the same idempotency key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<String>,
    /// The owner's backend is told of decisions about it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub tells: bool,
    /// What it stands in for, if it is an edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Replaces>,
    /// What it answers, if it is an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<SubmissionId>,
    /// What stands around it, if the owner has said; gone once it is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Context>,
    /// The chain of its edits, if it is the first of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// The edit that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<SubmissionId>,
    /// How long its text and media are kept.
    #[serde(default, skip_serializing_if = "Retain::is_always")]
    pub retain: Retain,
    /// What the text is known by that was judged, once it is erased with a decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<Sha256>,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Where it stood before, oldest first; that it was pending at first goes without saying.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Past>,
    /// The last decision; none while WeChat has not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// It waits for people, and a moderator has left it to a lead.
    #[serde(default, skip_serializing_if = "is_false")]
    pub escalated: bool,
    /// Moderators have written notes about it, which go with its content.
    #[serde(default, skip_serializing_if = "is_false")]
    pub noted: bool,
    /// What a moderator's decision about a case may be taken back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// When a decision was last taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened_at: Option<Timestamp>,
    /// A moderator has spoken: no verdict overrides that.
    #[serde(default, skip_serializing_if = "is_false")]
    pub moderated: bool,
    /// What gets its own verdict: the text first, if there is any, then each medium.
    pub parts: Vec<Part>,
    /// When it was made.
    pub created_at: Timestamp,
    /// While pending: when the sweep looks at it. May be earlier than any part's own due time: each move of the
    /// index costs two writes, so a check that was taken in time does not move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Once withdrawn, or decided if it is not retained: when its bytes are to be erased; none when they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase_due: Option<Timestamp>,
    /// Since its end was sealed: when the seal ends, unless a hold is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Timestamp>,
    /// A lead holds it: nothing of it is erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Its bytes were erased once; the second pass catches what was still being copied at the first.
    #[serde(default, skip_serializing_if = "is_false")]
    pub erased_once: bool,
    /// The version since which its state, its verdicts and its decision are what they are: what a moderator looked at since
    /// then is what stands here.
    #[serde(rename = "m", default, skip_serializing_if = "is_zero")]
    pub moved: u64,
    /// How often it was written; the table refuses a write that does not build on the newest.
    #[serde(skip)]
    pub version: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Who may see a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VisibleTo {
    /// Its author alone (and the owner).
    Author,
    /// Everyone.
    Everyone,
    /// Nobody.
    Nobody,
}

/// Why a submission is not public, one entry a part that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The part.
    pub part: PartName,
    /// Why.
    pub why: Why,
}

/// Why a part did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// WeChat doubts or refuses it, with this label if WeChat gave one.
    Judged(Option<Label>),
    /// WeChat gave no verdict on it.
    NotJudged,
    /// WeChat passed it without having read it to its end.
    NotRead,
}

/// What a new submission is made of.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// Its id.
    pub id: SubmissionId,
    /// The app.
    pub app: AppId,
    /// The author's openid.
    pub openid: OpenId,
    /// The scene.
    pub scene: Scene,
    /// What is written.
    pub content: Content,
    /// Pictures and sounds, at most [`MAX_MEDIA`].
    pub media: Vec<Medium>,
    /// The feed.
    pub channel: Option<Channel>,
    /// The owner's data.
    pub metadata: Option<serde_json::Value>,
    /// The owner's name for it.
    pub external_id: Option<String>,
    /// A server key vouched for the owner's data.
    pub vouched: bool,
    /// The owner's backend is told of decisions about it.
    pub tells: bool,
    /// What it stands in for, if it is an edit.
    pub replaces: Option<Replaces>,
    /// What it answers, if it is an answer.
    pub reply_to: Option<SubmissionId>,
    /// What stands around it.
    pub context: Option<Context>,
    /// How long its text and media are kept; always, where it goes to a channel.
    pub retain: Retain,
    /// Hash of the request.
    pub request_hash: Option<String>,
}

impl Medium {
    /// Whether a preview lies beside it; older pictures have none all the same.
    pub fn has_preview(&self) -> bool {
        self.dimensions.is_some_and(|dimensions| needs_preview(self.size, dimensions))
    }
}

impl Submission {
    /// A new submission: pending, each part queued and due at once.
    pub fn new(new: NewSubmission, now: Timestamp) -> Self {
        let text = (!new.content.is_empty()).then_some(PartName::Text);
        let media = (0..new.media.len()).filter_map(|index| u8::try_from(index).ok()).map(PartName::Medium);
        Self {
            author: AuthorId::of(&new.app, &new.openid),
            id: new.id,
            app: new.app,
            openid: Some(new.openid),
            scene: new.scene,
            content: new.content,
            channel: new.channel,
            metadata: new.metadata,
            external_id: new.external_id,
            vouched: new.vouched,
            request_hash: new.request_hash,
            tells: new.tells,
            replaces: new.replaces,
            reply_to: new.reply_to,
            context: new.context,
            chain: None,
            replaced_by: None,
            retain: new.retain,
            text_sha256: None,
            state: State::Pending,
            since: now,
            history: Vec::new(),
            decision: None,
            escalated: false,
            noted: false,
            undo: None,
            reopened_at: None,
            moderated: false,
            parts: text.into_iter().chain(media).map(|name| Part::queued(name, now)).collect(),
            media: new.media,
            created_at: now,
            due: Some(now),
            erase_due: None,
            sealed: None,
            hold: None,
            erased_once: false,
            moved: 0,
            version: 0,
        }
    }

    /// What each part is known by, should a person reject it: a medium by its bytes, the text by what it says. Nothing of
    /// what is erased.
    pub fn contents(&self) -> Vec<(PartName, Sha256)> {
        if self.is_erased() {
            return Vec::new();
        }
        let known = self.parts.iter().filter_map(|part| {
            let content = match part.name {
                PartName::Text => self.content.said(),
                PartName::Medium(index) => self.media.get(usize::from(index)).map(|medium| medium.sha256),
            };
            Some((part.name, content?))
        });
        known.collect()
    }

    /// Its last decision is a moderator's: about it, or to take one back.
    pub fn is_decided_by_moderator(&self) -> bool {
        matches!(self.decision.as_ref().map(|decision| &decision.decider), Some(Decider::Moderator(_)))
    }

    /// What the picture of that part looks like, if it is one and looks like anything.
    pub fn look_of(&self, part: PartName) -> Option<PictureHash> {
        let PartName::Medium(index) = part else { return None };
        self.media.get(usize::from(index))?.look
    }

    /// What its pictures look like, each look once. Nothing of what is erased.
    pub fn looks(&self) -> BTreeSet<PictureHash> {
        self.media.iter().filter(|_| !self.is_erased()).filter_map(|medium| medium.look).collect()
    }

    /// A person has rejected some of the same content before, or a picture like one of its own.
    pub fn came_back(&self) -> bool {
        self.parts.iter().any(|part| part.came_back.is_some())
    }

    /// Whether an author may answer it: who sees it, may.
    pub fn may_be_answered_by(&self, app: &AppId, author: &AuthorId) -> bool {
        let seen = match self.visible_to() {
            VisibleTo::Everyone => true,
            VisibleTo::Author => self.author == *author,
            VisibleTo::Nobody => false,
        };
        self.app == *app && seen
    }

    /// The part of that name.
    pub fn part(&self, name: PartName) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Who may see it.
    pub fn visible_to(&self) -> VisibleTo {
        match self.state {
            State::Approved => VisibleTo::Everyone,
            State::Pending | State::InReview | State::Rejected => VisibleTo::Author,
            State::Withdrawn => VisibleTo::Nobody,
        }
    }

    /// What was submitted is not here any more, or is about to be erased: nobody sees it again.
    pub fn is_erased(&self) -> bool {
        self.state == State::Withdrawn || (self.retain == Retain::UntilDecided && self.decided_at().is_some())
    }

    /// What the text is known by that is judged; none where there is no text.
    pub fn text_sha256(&self) -> Option<Sha256> {
        self.text_sha256.or_else(|| (!self.content.is_empty()).then(|| Sha256::of(self.content.judged().as_bytes())))
    }

    /// When it was decided, if it is.
    pub fn decided_at(&self) -> Option<Timestamp> {
        match self.state {
            State::Pending | State::InReview => None,
            State::Approved | State::Rejected | State::Withdrawn => Some(self.since),
        }
    }

    /// Why it is not public: each part that WeChat doubts or refuses, and each that WeChat did not judge.
    pub fn reasons(&self) -> Vec<Reason> {
        self.parts
            .iter()
            .filter_map(|part| match &part.state {
                PartState::Settled { verdict } if verdict.suggest != Suggest::Pass => {
                    let why = if part.is_unproven() { Why::NotRead } else { Why::Judged(verdict.label) };
                    Some(Reason { part: part.name, why })
                }
                PartState::GivenUp { .. } => Some(Reason { part: part.name, why: Why::NotJudged }),
                _ => None,
            })
            .collect()
    }
}

const _: () = assert!(MAX_MEDIA <= u8::MAX as usize, "a medium's index is a byte");
