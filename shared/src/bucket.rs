//! The one bucket: bytes that came in, bytes that are judged, and forms to upload with.

mod form;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

pub use form::UploadForm;

use crate::aws::AwsSettings;
use crate::domain::base_url::BaseUrl;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{SubmissionId, UrlSecret};
use crate::domain::media::MediaType;
use crate::domain::sha256::Sha256;
use crate::domain::submission::Medium;
use crate::error::Cause;

/// How long a request waits for S3: it copies and answers within tens of milliseconds, and moves 10 MB in one or two
/// seconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
const MOVES_WITHIN: Duration = Duration::from_secs(15);

/// The bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    /// Made when it is first needed: a text needs none, and S3's rules for endpoints take a tenth of a cold start.
    client: Arc<OnceLock<Client>>,
    http: reqwest::Client,
    name: String,
    aws: AwsSettings,
    forms_at: Option<BaseUrl>,
}

/// The bucket did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BucketError {
    /// There is no such object.
    #[error("no such object")]
    Absent,
    /// The object is larger than it may be.
    #[error("the object is too large")]
    TooLarge,
    /// It may do it the next time: unreachable, slow, or busy.
    #[error("the bucket did not answer {operation}")]
    Unavailable {
        /// Which S3 action.
        operation: &'static str,
        /// What S3 or the connection said.
        #[source]
        source: Cause,
    },
    /// It will not: no such bucket, no permission, a bad request. Without `s3:ListBucket` a missing object is one too.
    #[error("the bucket refused {operation}")]
    Refused {
        /// Which S3 action.
        operation: &'static str,
        /// What S3 said.
        #[source]
        source: Cause,
    },
}

impl BucketError {
    /// Whether it may go well the next time; if not, and it is no answer to what was asked, somebody has to look.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::Absent | Self::TooLarge | Self::Refused { .. } => false,
        }
    }
}

fn classify<E>(operation: &'static str, error: SdkError<E>) -> BucketError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.as_service_error().and_then(|error| error.code().map(str::to_owned));
    match (code.as_deref(), status) {
        // A missing bucket is 404 as well, and that is no answer about an object.
        (Some("NoSuchBucket"), _) => BucketError::Refused { operation, source: error.into() },
        (Some("NoSuchKey" | "NotFound"), _) | (_, Some(404)) => BucketError::Absent,
        (_, Some(408 | 429)) => BucketError::Unavailable { operation, source: error.into() },
        (_, Some(400..500)) => BucketError::Refused { operation, source: error.into() },
        _ => BucketError::Unavailable { operation, source: error.into() },
    }
}

/// What S3 answers to a call, if it does so in time.
async fn within<T, E>(
    limit: Duration,
    operation: &'static str,
    call: impl Future<Output = Result<T, SdkError<E>>>,
) -> Result<T, BucketError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| classify(operation, error)),
        Err(slow) => Err(BucketError::Unavailable { operation, source: slow.into() }),
    }
}

/// Bytes on their way out.
#[derive(Debug)]
pub struct Stream {
    /// The bytes; may break off.
    pub bytes: ByteStream,
    /// How many come.
    pub length: u64,
    /// Which part of the whole they are, as S3's `Content-Range` has it, if a part was asked for.
    pub content_range: Option<String>,
}

/// Where a form uploads to.
pub fn incoming_key() -> String {
    format!("incoming/{}", UrlSecret::random().as_str())
}

/// Where bytes lie that were made safe and wait to be submitted.
pub fn unclaimed_key(media_type: MediaType) -> String {
    format!("unclaimed/{}.{}", UrlSecret::random().as_str(), media_type.extension())
}

/// Where a submission's own bytes lie. Other bytes lie elsewhere, so that two requests which claim one id cannot put
/// theirs in each other's place.
pub fn media_key(submission: &SubmissionId, index: usize, medium: &Medium) -> String {
    format!("media/{submission}/{index}-{}.{}", medium.sha256, medium.media_type.extension())
}

/// Where all bytes of a submission with these media lie, previews among them.
pub fn media_keys(submission: &SubmissionId, media: &[Medium]) -> Vec<String> {
    let keys = media.iter().enumerate().flat_map(|(index, medium)| {
        let key = media_key(submission, index, medium);
        let preview = medium.has_preview().then(|| preview_key(&key));
        [Some(key), preview]
    });
    keys.flatten().collect()
}

/// Where the preview of a picture lies, beside it.
pub fn preview_key(key: &str) -> String {
    format!("{key}.preview.jpg")
}

impl Bucket {
    /// The bucket of that name. No connection is opened before it is needed.
    pub fn new(aws: &AwsSettings, http: &reqwest::Client, name: impl Into<String>) -> Self {
        Self { client: Arc::default(), http: http.clone(), name: name.into(), aws: aws.clone(), forms_at: None }
    }

    /// The same, whose forms upload to another address than S3's own: to what stands before it.
    #[must_use]
    pub fn with_forms_at(self, url: Option<BaseUrl>) -> Self {
        Self { forms_at: url, ..self }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| self.aws.s3(&self.http))
    }

    /// Puts bytes; S3 checks them against their SHA-256 and keeps that.
    pub async fn put(&self, key: &str, bytes: Bytes, sha256: Sha256, media_type: MediaType) -> Result<(), BucketError> {
        let call = self
            .client()
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(media_type.content_type())
            .checksum_sha256(data_encoding::BASE64.encode(sha256.as_bytes()))
            .body(ByteStream::from(bytes));
        within(MOVES_WITHIN, "PutObject", call.send()).await.map(drop)
    }

    /// Copies an object inside the bucket.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), BucketError> {
        let source = format!("{}/{from}", self.name);
        let call = self.client().copy_object().bucket(&self.name).key(to).copy_source(source);
        within(ANSWERS_WITHIN, "CopyObject", call.send()).await.map(drop)
    }

    /// Reads an object, or the part of it that `range` names (as in an HTTP `Range` header).
    pub async fn read(&self, key: &str, range: Option<String>) -> Result<Stream, BucketError> {
        let call = self.client().get_object().bucket(&self.name).key(key).set_range(range);
        let answer = within(ANSWERS_WITHIN, "GetObject", call.send()).await?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        Ok(Stream { bytes: answer.body, length, content_range: answer.content_range })
    }

    /// Reads an object whole, if it is not larger than `limit`.
    pub async fn read_whole(&self, key: &str, limit: u64) -> Result<Bytes, BucketError> {
        const OPERATION: &str = "GetObject";
        let stream = self.read(key, None).await?;
        if stream.length > limit {
            return Err(BucketError::TooLarge);
        }
        let failed = |source: Cause| BucketError::Unavailable { operation: OPERATION, source };
        let whole = tokio::time::timeout(MOVES_WITHIN, stream.bytes.collect()).await;
        let whole = whole.map_err(|slow| failed(slow.into()))?.map_err(|broken| failed(broken.into()))?;
        let whole = whole.into_bytes();
        if u64::try_from(whole.len()).is_ok_and(|length| length > limit) {
            return Err(BucketError::TooLarge);
        }
        Ok(whole)
    }

    /// Deletes an object; one that is not there is as good as deleted.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        let call = self.client().delete_object().bucket(&self.name).key(key);
        match within(ANSWERS_WITHIN, "DeleteObject", call.send()).await {
            Ok(_) | Err(BucketError::Absent) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A form with which somebody may upload one object to `key`, up to `limit` bytes, for `good_for` from now on.
    pub fn form(
        &self,
        key: &str,
        limit: u64,
        now: Timestamp,
        good_for: Duration,
    ) -> Result<UploadForm, time::error::Format> {
        let url = self.forms_at.as_ref().map_or_else(|| form::url(&self.aws, &self.name), ToString::to_string);
        form::sign(&self.aws, &self.name, url, key, limit, now, good_for)
    }
}
