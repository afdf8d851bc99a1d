//! Takes a submission: admits it, copies its media, writes it, asks WeChat.

use std::net::IpAddr;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sha2::Digest;

use super::admit::read_admission;
use super::ask::{Checker, or_left_to_the_due_queue};
use super::take_verdict::known_of;
use crate::apps::App;
use crate::bucket::{Bucket, BucketError, media_key, media_keys, preview_key};
use crate::domain::author::{Actor, Author, NotAdmitted, Rates};
use crate::domain::ids::{AppId, AuthorId, Channel, OpenId, SubmissionId, UrlSecret};
use crate::domain::media::MediaType;
use crate::domain::picture_hash::PictureHash;
use crate::domain::sha256::Sha256;
use crate::domain::submission::{
    Check, Context, Event, Medium, NewSubmission, NotEditable, PartName, Replaces, Retain, Scene, Submission,
};
use crate::domain::text::Content;
use crate::error::chain;
use crate::table::{Admission, Admitting, Before, Consistency, Evidence, Judged, Saved, Table, TableError};

/// An upload that a submission is made of.
#[derive(Clone, Debug)]
pub struct Uploaded {
    /// Where the bytes lie.
    pub key: String,
    /// What they are known by.
    pub sha256: Sha256,
    /// What was uploaded is known by; they were made of it.
    pub source: Sha256,
    /// What they are.
    pub media_type: MediaType,
    /// How many.
    pub size: u64,
    /// How wide and high a picture is, in pixels.
    pub dimensions: Option<(u32, u32)>,
    /// What a picture looks like, if it looks like anything.
    pub look: Option<PictureHash>,
    /// What its metadata said of being made by a machine.
    pub ai_label: Option<serde_json::Value>,
}

/// What somebody wants to submit.
#[derive(Clone, Debug)]
pub struct SubmitRequest {
    /// The client's name for it: a repeat with the same key makes nothing new.
    pub idempotency_key: Option<String>,
    /// The author.
    pub openid: OpenId,
    /// Who calls.
    pub actor: Actor,
    /// The scene.
    pub scene: Scene,
    /// What is written.
    pub content: Content,
    /// Pictures and sounds.
    pub uploads: Vec<Uploaded>,
    /// The feed.
    pub channel: Option<Channel>,
    /// The owner's data.
    pub metadata: Option<serde_json::Value>,
    /// The owner's name for it.
    pub external_id: Option<String>,
    /// The submission that it is to replace, if it is an edit.
    pub replaces: Option<SubmissionId>,
    /// The submission that it answers, if it is an answer.
    pub reply_to: Option<SubmissionId>,
    /// What stands around it, as the owner tells it.
    pub context: Option<Context>,
    /// How long text and media are kept.
    pub retain: Retain,
    /// From which address the author submits, where it is known.
    pub client_ip: Option<IpAddr>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// It is stored.
    New(Submission),
    /// It was stored before, under the same key.
    Repeated(Submission),
}

/// Why it was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The author may not.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The author has no such submission as the one to be replaced.
    #[error("there is no such submission to replace")]
    NothingToReplace,
    /// The author sees no such submission as the one to be answered.
    #[error("there is no such submission to answer")]
    NothingToAnswer,
    /// What is to be replaced cannot be.
    #[error("it cannot be replaced: {0}")]
    NotEditable(#[from] NotEditable),
    /// The key was used for something else.
    #[error("the idempotency key was used for another submission")]
    KeyUsed,
    /// An upload is not there any more.
    #[error("upload {index} is gone")]
    UploadGone {
        /// Which of the uploads.
        index: usize,
    },
    /// The bucket.
    #[error(transparent)]
    Bucket(BucketError),
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl SubmitRequest {
    /// What makes two requests the same. Bytes uploaded twice are the same bytes, whatever an encoder makes of them.
    fn hash(&self) -> String {
        let media: Vec<Sha256> = self.uploads.iter().map(|upload| upload.source).collect();
        let mut whole = vec![
            json!(self.scene),
            json!(self.content),
            json!(media),
            json!(self.channel.as_ref().map(Channel::as_str)),
            json!(self.metadata),
            json!(self.external_id),
        ];
        // What was hashed before there was a choice is hashed as it was.
        if let Some(replaced) = &self.replaces {
            whole.push(json!(["replaces", replaced]));
        }
        if self.retain != Retain::Always {
            whole.push(json!(self.retain));
        }
        if let Some(answered) = &self.reply_to {
            whole.push(json!(["reply_to", answered]));
        }
        if let Some(context) = &self.context {
            whole.push(json!(["context", context]));
        }
        let whole = Value::Array(whole);
        let digest = sha2::Sha256::digest(whole.to_string());
        BASE64URL_NOPAD.encode(digest.get(..12).unwrap_or_default())
    }
}

/// The submission that stands under the same idempotency key, if the request is the same.
fn repeated(standing: Submission, request_hash: Option<&str>) -> Result<Submitted, SubmitError> {
    if request_hash.is_some() && standing.request_hash.as_deref() == request_hash {
        return Ok(Submitted::Repeated(standing));
    }
    Err(SubmitError::KeyUsed)
}

/// Takes a submission of an app. The author waits for WeChat no longer than `wait`; what is not judged by then is judged
/// later.
pub async fn submit(
    checker: &Checker,
    bucket: &Bucket,
    app: &App,
    request: SubmitRequest,
    rates: &Rates,
    wait: Duration,
) -> Result<Submitted, SubmitError> {
    let (table, clock) = (&checker.table, &checker.clock);
    let author_id = AuthorId::of(&app.id, &request.openid);
    let key = request.idempotency_key.as_deref();
    let keyed = key.map(|key| SubmissionId::from_idempotency_key(&app.id, &author_id, key));
    let request_hash = keyed.is_some().then(|| request.hash());
    let request_hash = request_hash.as_deref();
    let judged = |upload: &Uploaded| Judged { app: &app.id, scene: request.scene, sha256: upload.sha256 };
    let media: Vec<_> = request.uploads.iter().map(judged).collect();
    let text = request.content.said();
    let contents: Vec<_> = text.into_iter().chain(request.uploads.iter().map(|upload| upload.sha256)).collect();
    let looks: Vec<_> = request.uploads.iter().filter_map(|upload| upload.look).collect();
    let admitting = Admitting {
        app: &app.id,
        author: &author_id,
        id: keyed.as_ref(),
        media: &media,
        contents: &contents,
        looks: &looks,
    };
    let Admission { author, mut standing, known, rejected, .. } =
        read_admission(table, &checker.access, admitting, clock.now()).await?;
    let author = author.unwrap_or_else(|| Author::new(app.id.clone(), request.openid.clone()));
    // A repeat is known before anything is counted or asked. One that the cheap read misses, for it was made a moment
    // ago, stands in the author's list; one that is made at this very moment is found when it is written.
    if let Some(id) = keyed.as_ref().filter(|id| author.recent().contains(id)) {
        standing = table.submission(id, Consistency::Strong).await?;
    }
    if let Some(standing) = standing {
        return repeated(standing, request_hash);
    }
    let replaces = match &request.replaces {
        Some(edited) => Some(replaced(table, &app.id, &author_id, edited).await?),
        None => None,
    };
    if let Some(answered) = &request.reply_to {
        let answered = table.submission(answered, Consistency::Strong).await?;
        answered.filter(|one| one.may_be_answered_by(&app.id, &author_id)).ok_or(SubmitError::NothingToAnswer)?;
    }
    let id = keyed.clone().unwrap_or_else(SubmissionId::random);
    let now = clock.now();
    author.clone().admit_submission(&id, request.actor, rates, now)?;
    let count = table.change(author, |author| {
        author.admit_submission(&id, request.actor, rates, clock.now()).map(Some).map_err(SubmitError::from)
    });
    let external_id = request.external_id.clone().filter(|external_id| !external_id.is_empty());
    let admit = async {
        count.await?;
        // What may not be submitted leaves no trace of itself.
        let note = async {
            match &external_id {
                Some(external_id) => table.note_external_id(&app.id, external_id, &id).await,
                None => Ok(()),
            }
        };
        let prove = async {
            match request.client_ip {
                Some(client_ip) => table.keep_evidence(&id, Evidence { client_ip, at: now }).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(note, prove).map(drop).map_err(SubmitError::from)
    };
    let medium = |upload: &Uploaded| Medium {
        media_type: upload.media_type,
        sha256: upload.sha256,
        size: upload.size,
        author_secret: UrlSecret::random(),
        dimensions: upload.dimensions,
        look: upload.look,
        ai_label: upload.ai_label.clone(),
    };
    let new = NewSubmission {
        id: id.clone(),
        app: app.id.clone(),
        openid: request.openid,
        scene: request.scene,
        content: request.content,
        media: request.uploads.iter().map(medium).collect(),
        channel: request.channel,
        metadata: request.metadata,
        external_id: request.external_id,
        tells: app.decisions.is_some(),
        replaces,
        reply_to: request.reply_to,
        context: request.context,
        retain: request.retain,
        vouched: request.actor == Actor::Owner,
        request_hash: request_hash.map(str::to_owned),
    };
    let mut submission = Submission::new(new, now);
    for (part, content) in submission.contents() {
        if let Some(Before { of, alike }) = rejected.before(content, submission.look_of(part)) {
            submission.apply(&Event::CameBack { part, of, alike }, now);
        }
    }
    for event in known_of(&submission, &known) {
        submission.apply(&event, now);
    }
    let paused = checker.access.paused(&app.id).await;
    let checks = submission.begin_checks(paused, now, |_| true);
    let taking = Taking { checker, bucket, app, wait, request_hash };
    if submission.media.is_empty() {
        let (admitted, events) = tokio::join!(admit, checker.ask(app, &submission, &checks, wait));
        admitted?;
        return taking.write_answered(submission, &events).await;
    }
    admit.await?;
    // On the heap, for it is large, and a text needs none of it.
    Box::pin(taking.take_media(submission, &checks, &request.uploads)).await
}

/// What an edit of that submission of the author's replaces.
async fn replaced(
    table: &Table,
    app: &AppId,
    author: &AuthorId,
    edited: &SubmissionId,
) -> Result<Replaces, SubmitError> {
    let found = table.submission(edited, Consistency::Strong).await?;
    let own = found.filter(|own| own.app == *app && own.author == *author).ok_or(SubmitError::NothingToReplace)?;
    if own.root() == edited {
        return Ok(own.edit_of(&own)?);
    }
    let root = table.submission(own.root(), Consistency::Strong).await?.ok_or(SubmitError::NothingToReplace)?;
    Ok(root.edit_of(&own)?)
}

/// A submission that is admitted, on its way into the table.
struct Taking<'a> {
    checker: &'a Checker,
    bucket: &'a Bucket,
    app: &'a App,
    wait: Duration,
    request_hash: Option<&'a str>,
}

impl Taking<'_> {
    /// Copies the media, writes the submission, and asks about what is not known.
    async fn take_media(
        &self,
        mut submission: Submission,
        checks: &[Check],
        uploads: &[Uploaded],
    ) -> Result<Submitted, SubmitError> {
        let Self { checker, bucket, app, wait, request_hash } = *self;
        if let Err(error) = copy_media(bucket, &submission, uploads).await {
            // Under an id that is made from a key the same may be under way elsewhere, and need its copies.
            if submission.request_hash.is_none() && matches!(error, SubmitError::UploadGone { .. }) {
                delete_copies(bucket, &submission, &[]).await;
            }
            return Err(error);
        }
        if !checks.iter().any(|check| matches!(check.part, PartName::Medium(_))) {
            let events = checker.ask(app, &submission, checks, wait).await;
            return self.write_answered(submission, &events).await;
        }
        // WeChat may download at once, so the secrets of its URLs are written before it is asked.
        if let Saved::Conflict(standing) = checker.table.commit(None, &mut submission, &[]).await? {
            delete_copies(bucket, &submission, &standing.media).await;
            return repeated(*standing, request_hash);
        }
        let carried = match checker.carry_out(app, submission.clone(), checks, wait).await {
            Ok(carried) => checker.confirm_known(carried).await,
            error => error,
        };
        Ok(Submitted::New(or_left_to_the_due_queue(submission, carried)))
    }

    /// Writes a submission once, with all that was answered: a text is answered at once, and media that are known are not
    /// asked about.
    async fn write_answered(&self, mut submission: Submission, events: &[Event]) -> Result<Submitted, SubmitError> {
        let Self { checker, bucket, request_hash, .. } = *self;
        for event in events {
            submission.apply(event, checker.clock.now());
        }
        if let Saved::Conflict(standing) = checker.table.commit(None, &mut submission, &[]).await? {
            delete_copies(bucket, &submission, &standing.media).await;
            return repeated(*standing, request_hash);
        }
        let finished = match checker.wait_for_author(submission.clone()).await {
            Ok(waits) => checker.confirm_known(waits).await,
            error => error,
        };
        Ok(Submitted::New(or_left_to_the_due_queue(submission, finished)))
    }
}

/// Gives the submission its own copy of all of its bytes, once, before anybody can see it.
async fn copy_media(bucket: &Bucket, submission: &Submission, uploads: &[Uploaded]) -> Result<(), SubmitError> {
    let copies = submission.media.iter().zip(uploads).enumerate();
    let copied = join_all(copies.map(|(index, (medium, upload))| async move {
        let own = media_key(&submission.id, index, medium);
        let preview = async {
            if !medium.has_preview() {
                return Ok(());
            }
            // What was uploaded before there were previews has none.
            match bucket.copy(&preview_key(&upload.key), &preview_key(&own)).await {
                Ok(()) | Err(BucketError::Absent) => Ok(()),
                error => error,
            }
        };
        let copied = tokio::try_join!(bucket.copy(&upload.key, &own), preview).map(drop);
        copied.map_err(|error| match error {
            BucketError::Absent => SubmitError::UploadGone { index },
            error => SubmitError::Bucket(error),
        })
    }));
    copied.await.into_iter().collect()
}

/// Deletes the copies of a submission that was not written, but for those that the one which stands under its id needs.
async fn delete_copies(bucket: &Bucket, refused: &Submission, needed: &[Medium]) {
    let needed = media_keys(&refused.id, needed);
    let copies = media_keys(&refused.id, &refused.media).into_iter();
    let deleted =
        join_all(copies.filter(|key| !needed.contains(key)).map(|key| async move { bucket.delete(&key).await }));
    for error in deleted.await.into_iter().filter_map(Result::err) {
        let error = chain(&error);
        tracing::warn!(event = "copy_left", submission = %refused.id, error, "a copy that nobody needs is left in the bucket");
    }
}
