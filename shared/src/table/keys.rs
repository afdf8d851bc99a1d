//! The keys of items and indexes: which item stands where.

use data_encoding::BASE64URL_NOPAD;

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, AuthorId, Channel, ModeratorKey, SubmissionId, TraceId};
use crate::domain::picture_hash::Band;
use crate::domain::sha256::Sha256;
use crate::domain::submission::{Case, Class, DueKind, Scene};

/// How many shards the due queue has.
///
/// A partition of an index takes 1,000 writes a second; a media check costs two in the due queue, and WeChat allows
/// an app 33 of them a second (2,000 a minute). N shards carry N x 1000 / (2 x 33) = 15 N apps at full quota: 4
/// shards carry 60. More apps at full quota: raise it by that formula; the sweep reads what the number says.
pub const DUE_SHARDS: u8 = 4;

/// The due queue's letter for a risky verdict that is not applied yet.
pub(super) const RISKY: char = 'r';
/// The due queue's letter for a decision that is to be told.
pub(super) const TELLING: char = 'o';

pub(super) fn submission(id: &SubmissionId) -> String {
    format!("S#{id}")
}

/// The submission that a partition is of.
pub fn submission_of(partition_key: &str) -> Option<SubmissionId> {
    SubmissionId::parse(partition_key.strip_prefix("S#")?).ok()
}

/// Also the partition of the author's submissions in the index `by_author`.
pub(super) fn author(app: &AppId, author: &AuthorId) -> String {
    format!("A#{app}#{author}")
}

pub(super) fn access_state(app: &AppId) -> String {
    format!("K#{app}")
}

pub(super) fn trace(app: &AppId, trace_id: &TraceId) -> String {
    format!("T#{app}#{trace_id}")
}

pub(super) fn verdict(app: &AppId, scene: Scene, sha256: Sha256) -> String {
    format!("V#{app}#{}#{sha256}", scene.number())
}

/// What people did in an app on a day in Beijing.
pub(super) fn record(app: &AppId, day: &str) -> String {
    format!("L#{app}#{day}")
}

pub(super) fn rejected(app: &AppId, content: Sha256) -> String {
    format!("B#{app}#{content}")
}

/// The submissions that bear an external_id: by its hash, for it may hold anything, and be long. 22 characters are 132 bits.
pub(super) fn external(app: &AppId, external_id: &str) -> String {
    let hash = BASE64URL_NOPAD.encode(Sha256::of(external_id.as_bytes()).as_bytes());
    format!("X#{app}#{}", hash.chars().take(22).collect::<String>())
}

/// How pictures look that were rejected, by one of their bands.
pub(super) fn looks(app: &AppId, band: Band) -> String {
    format!("B#{app}#{band}")
}

/// A moment as a sort key: 13 digits sort like numbers until the year 2286.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{:013}", at.0.max(0))
}

/// A moment and, because several may have the same, whose it is.
pub(super) fn moment_of(at: Timestamp, id: &SubmissionId) -> String {
    format!("{}#{id}", moment(at))
}

pub(super) fn due(shard: u8) -> String {
    format!("due#{}", shard % DUE_SHARDS)
}

/// App and letter stand in the key, so that a sweep can pass over what must wait without loading it.
pub(super) fn due_at(at: Timestamp, app: &AppId, letter: char) -> String {
    format!("{}#{app}#{letter}", moment(at))
}

/// Which of the due queue's shards a trace stands in.
pub(super) fn shard_of(trace_id: &TraceId) -> u8 {
    trace_id.as_str().bytes().fold(0, u8::wrapping_add) % DUE_SHARDS
}

/// The due queue's letter for what a submission may take.
pub(super) fn letter(kind: DueKind) -> char {
    match kind {
        DueKind::Erasure => 'e',
        DueKind::Text => 't',
        DueKind::Media => 'm',
        DueKind::Both => 'b',
    }
}

pub(super) fn review(app: &AppId) -> String {
    format!("review#{app}")
}

/// The letter of a class of cases in the review queue: those of the same class stand together. Submissions that older releases
/// put there themselves begin with the digits of a moment, and stand before all of these.
pub(super) fn class(class: Class) -> char {
    match class {
        Class::Ordinary => 'm',
        Class::Escalated => 'z',
    }
}

/// A case's place in the review queue. What filters ask for stands in it.
pub(super) fn place_of_case(case: &Case, id: &SubmissionId) -> String {
    let channel = case.channel.as_ref().map_or("", Channel::as_str);
    let (class, since, scene) = (class(case.class), moment(case.since), case.scene.as_str());
    format!("{class}#{since}#{channel}#{scene}#{}#{id}", case.cause)
}

/// A moderator: links, sessions, and what is kept of their work.
pub(super) fn moderator(app: &AppId, key: &ModeratorKey) -> String {
    format!("M#{app}#{key}")
}

/// Decisions that could not be told and were given up.
pub(super) fn untold(app: &AppId) -> String {
    format!("untold#{app}")
}

pub(super) fn feed(app: &AppId, channel: &Channel) -> String {
    format!("feed#{app}#{channel}")
}
