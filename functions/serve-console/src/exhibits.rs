//! Files of evidence: what there is about submissions as JSON, their media, and the SHA-256 of all of it, in a ZIP.

use std::io::{Cursor, Write};

use greenlight::bucket::{Bucket, BucketError, media_key};
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::OpenId;
use greenlight::domain::sha256::Sha256;
use greenlight::domain::submission::{Medium, PartState, Submission};
use greenlight::moderation::export::Exhibit;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// How many bytes one file has at most, but for what its JSON is longer than expected: Lambda's answer holds 6 MB of base64.
const FILE_BYTES: u64 = 3_500_000;
/// A medium that is larger comes in pieces.
const PIECE_BYTES: u64 = 3_000_000;
/// What the JSON about a submission takes besides its texts, as a rule.
const JSON_BYTES: u64 = 12_000;

/// Something that goes into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// What there is about the submission of that number.
    About(usize),
    /// A piece of a medium of it: which medium, and the first and the last byte.
    Piece(usize, usize, (u64, u64)),
}

/// Whether the bytes of its media are there still.
fn has_media(submission: &Submission, now: Timestamp) -> bool {
    !submission.is_erased() || submission.sealed_until().is_some_and(|until| until > now)
}

/// The pieces that a medium of so many bytes comes in.
fn pieces(size: u64) -> Vec<(u64, u64)> {
    let starts = (0..size.div_ceil(PIECE_BYTES)).map(|number| number * PIECE_BYTES);
    starts.map(|first| (first, (first + PIECE_BYTES).min(size) - 1)).collect()
}

/// What goes into which file; the same submissions give the same files.
pub(crate) fn files(submissions: &[Submission], now: Timestamp) -> Vec<Vec<Entry>> {
    let mut files: Vec<Vec<Entry>> = vec![Vec::new()];
    let mut left = FILE_BYTES;
    let mut add = |entry, size: u64| {
        if size > left && files.last().is_some_and(|file| !file.is_empty()) {
            files.push(Vec::new());
            left = FILE_BYTES;
        }
        left = left.saturating_sub(size);
        if let Some(file) = files.last_mut() {
            file.push(entry);
        }
    };
    for (number, submission) in submissions.iter().enumerate() {
        let texts = u64::try_from(submission.content.bytes()).unwrap_or(u64::MAX);
        add(Entry::About(number), JSON_BYTES.saturating_add(texts));
        for (index, medium) in submission.media.iter().enumerate().filter(|_| has_media(submission, now)) {
            for (first, last) in pieces(medium.size) {
                add(Entry::Piece(number, index, (first, last)), last - first + 1);
            }
        }
    }
    files
}

/// The name of a piece of a medium within the folder of its submission.
fn name_of(index: usize, medium: &Medium, (first, last): (u64, u64)) -> String {
    let (hash, extension) = (medium.sha256, medium.media_type.extension());
    let whole = format!("media/{index}-{hash}.{extension}");
    let of = medium.size.div_ceil(PIECE_BYTES);
    if first == 0 && last + 1 >= medium.size {
        return whole;
    }
    format!("{whole}.part-{}-of-{of}", first / PIECE_BYTES + 1)
}

fn moment(at: Option<Timestamp>) -> Value {
    json!(at.map(|at| at.to_string()))
}

/// What there is about a submission, in words that need no program of ours.
pub(crate) fn about(exhibit: &Exhibit, openid: Option<&OpenId>, now: Timestamp) -> Value {
    let Exhibit { standing, content, decisions, evidence } = exhibit;
    let parts = standing.parts.iter().map(|part| {
        let (verdict, state) = match part.state {
            PartState::Queued { .. } => (None, "queued"),
            PartState::Checking { .. } => (None, "checking"),
            PartState::WaitingForAuthor { .. } => (None, "waiting_for_author"),
            PartState::Settled { verdict } => (Some(verdict), "judged"),
            PartState::GivenUp { .. } => (None, "given_up"),
        };
        let attempts = part.attempts.iter().map(|attempt| {
            json!({
                "asked_at": attempt.asked_at.to_string(), "trace_id": attempt.trace_id, "ended_without_verdict": attempt.ended,
                "passed_unread": attempt.unproven,
            })
        });
        let found = content.part(part.name).map(|part| &part.findings);
        json!({
            "part": part.name, "state": state, "suggest": verdict.map(|verdict| verdict.suggest),
            "label": verdict.and_then(|verdict| verdict.label), "known_from_trace_id": part.known,
            "rejected_before_as": part.came_back, "attempts": attempts.collect::<Vec<_>>(),
            "found": found.into_iter().flatten().map(|found| json!({
                "strategy": found.strategy, "suggest": found.suggest, "label": found.label,
                "probability": found.probability, "keyword": found.keyword, "window": found.window,
            })).collect::<Vec<_>>(),
        })
    });
    let has_media = has_media(standing, now);
    let media = standing.media.iter().enumerate().map(|(index, medium)| {
        let names = pieces(medium.size).into_iter().map(|piece| name_of(index, medium, piece));
        json!({
            "sha256": medium.sha256.to_string(), "bytes": medium.size, "type": medium.media_type.content_type(),
            "ai_label": medium.ai_label, "files": names.filter(|_| has_media).collect::<Vec<_>>(),
        })
    });
    let hold = standing.hold.as_ref().map(|hold| {
        json!({"document": hold.document, "until": hold.until.to_string(), "by": hold.by, "since": hold.since.to_string()})
    });
    json!({
        "id": standing.id, "app_id": standing.app, "author": standing.author, "openid": content.openid.as_ref().or(openid),
        "submitted_at": standing.created_at.to_string(),
        "client_ip": evidence.map(|evidence| evidence.client_ip.to_string()),
        "scene": standing.scene, "channel": standing.channel, "state": standing.state, "since": standing.since.to_string(),
        "decision": standing.decision, "external_id": standing.external_id, "metadata": content.metadata,
        "content": content.content, "context": content.context, "text_sha256": content.text_sha256().map(|hash| hash.to_string()),
        "replaces": standing.replaces.as_ref().map(|replaces| &replaces.id), "replaced_by": standing.replaced_by,
        "reply_to": standing.reply_to, "parts": parts.collect::<Vec<_>>(), "media": media.collect::<Vec<_>>(),
        "decisions": decisions, "hold": hold, "under_seal_until": moment(standing.sealed_until()),
    })
}

/// A ZIP under way.
pub(crate) struct Archive {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    sums: String,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self { zip: ZipWriter::new(Cursor::new(Vec::new())), sums: String::new() }
    }

    /// Adds a file. Media are compressed already, and what is written is short: nothing is compressed.
    pub(crate) fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), zip::result::ZipError> {
        let plain = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(name, plain)?;
        self.zip.write_all(bytes)?;
        self.sums.push_str(&format!("{}  {name}\n", Sha256::of(bytes)));
        Ok(())
    }

    /// Adds a piece of a medium.
    pub(crate) async fn add_piece(
        &mut self,
        bucket: &Bucket,
        submission: &Submission,
        index: usize,
        (first, last): (u64, u64),
    ) -> Result<(), NotPacked> {
        let Some(medium) = submission.media.get(index) else { return Ok(()) };
        let range = Some(format!("bytes={first}-{last}"));
        let stream = bucket.read(&media_key(&submission.id, index, medium), range).await?;
        let bytes = stream.bytes.collect().await.map_err(|error| NotPacked::BrokeOff(error.into()))?.into_bytes();
        Ok(self.add(&format!("{}/{}", submission.id, name_of(index, medium, (first, last))), &bytes)?)
    }

    /// The ZIP, with the SHA-256 of all that is in it as `sha256sum -c` reads it.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, zip::result::ZipError> {
        let sums = std::mem::take(&mut self.sums);
        self.add("SHA256SUMS", sums.as_bytes())?;
        Ok(self.zip.finish()?.into_inner())
    }
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotPacked {
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The bytes of a medium ended early.
    #[error("a medium could not be read to its end")]
    BrokeOff(#[source] greenlight::error::Cause),
    /// The ZIP.
    #[error("the ZIP could not be written")]
    Zip(#[from] zip::result::ZipError),
}
