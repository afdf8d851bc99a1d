//! The one bucket: bytes that came in, bytes that are judged, and forms to upload with.

mod form;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

pub use form::UploadForm;

use crate::aws::AwsSettings;
use crate::ids::{RandomWord, SubmissionId};
use crate::media::MediaType;

/// No medium is larger. (WeChat: media_check_async, at most 10 MB.)
pub const MAX_MEDIUM_BYTES: u64 = 10 * 1024 * 1024;

/// The bucket.
#[derive(Clone, Debug)]
pub struct Bucket {
    client: Client,
    name: String,
    aws: AwsSettings,
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
    /// It did not answer, or refused.
    #[error("the bucket failed in {operation}: {reason}")]
    Failed {
        /// Which S3 action.
        operation: &'static str,
        /// What S3 or the connection said.
        reason: String,
    },
}

fn classify<E>(operation: &'static str, error: SdkError<E>) -> BucketError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let absent = error.as_service_error().is_some_and(|error| matches!(error.code(), Some("NoSuchKey" | "NotFound")))
        || error.raw_response().is_some_and(|response| response.status().as_u16() == 404);
    if absent {
        return BucketError::Absent;
    }
    BucketError::Failed { operation, reason: crate::table::chain(&error) }
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
    format!("incoming/{}", RandomWord::random().as_str())
}

/// Where bytes lie that were made safe and wait to be submitted.
pub fn unclaimed_key(media_type: MediaType) -> String {
    format!("unclaimed/{}.{}", RandomWord::random().as_str(), media_type.extension())
}

/// Where a submission's own bytes lie.
pub fn media_key(submission: &SubmissionId, index: usize, media_type: MediaType) -> String {
    format!("media/{submission}/{index}.{}", media_type.extension())
}

impl Bucket {
    /// The bucket of that name. No connection is opened before it is needed.
    pub fn new(aws: &AwsSettings, http: &reqwest::Client, name: impl Into<String>) -> Self {
        Self { client: aws.s3(http), name: name.into(), aws: aws.clone() }
    }

    /// Puts bytes; S3 checks them against their SHA-256 (given in base64url) and keeps that.
    ///
    /// # Errors
    /// When they were not put.
    pub async fn put(&self, key: &str, bytes: Bytes, sha256: &str, media_type: MediaType) -> Result<(), BucketError> {
        let digest = data_encoding::BASE64URL_NOPAD.decode(sha256.as_bytes()).unwrap_or_default();
        self.client
            .put_object()
            .bucket(&self.name)
            .key(key)
            .content_type(media_type.content_type())
            .checksum_sha256(data_encoding::BASE64.encode(&digest))
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(|error| classify("PutObject", error))?;
        Ok(())
    }

    /// Copies an object inside the bucket; if it is gone but was copied before, that is as good.
    ///
    /// # Errors
    /// When there is no copy.
    pub async fn claim(&self, from: &str, to: &str) -> Result<(), BucketError> {
        let copied = self
            .client
            .copy_object()
            .bucket(&self.name)
            .key(to)
            .copy_source(format!("{}/{from}", self.name))
            .send()
            .await
            .map_err(|error| classify("CopyObject", error));
        match copied {
            Ok(_) => Ok(()),
            Err(BucketError::Absent) => {
                let head = self.client.head_object().bucket(&self.name).key(to).send().await;
                head.map(drop).map_err(|error| classify("HeadObject", error))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads an object, or the part of it that `range` names (as in an HTTP `Range` header).
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn read(&self, key: &str, range: Option<String>) -> Result<Stream, BucketError> {
        let answer = self
            .client
            .get_object()
            .bucket(&self.name)
            .key(key)
            .set_range(range)
            .send()
            .await
            .map_err(|error| classify("GetObject", error))?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or(0);
        Ok(Stream { bytes: answer.body, length, content_range: answer.content_range })
    }

    /// Reads an object whole, if it is not larger than `limit`.
    ///
    /// # Errors
    /// When there is none, it is larger, or it cannot be read.
    pub async fn read_whole(&self, key: &str, limit: u64) -> Result<Bytes, BucketError> {
        let stream = self.read(key, None).await?;
        if stream.length > limit {
            return Err(BucketError::TooLarge);
        }
        let failed = |reason: String| BucketError::Failed { operation: "GetObject", reason };
        let whole = stream.bytes.collect().await.map_err(|error| failed(error.to_string()))?;
        let whole = whole.into_bytes();
        if u64::try_from(whole.len()).is_ok_and(|length| length > limit) {
            return Err(BucketError::TooLarge);
        }
        Ok(whole)
    }

    /// Deletes an object; one that is not there is as good as deleted.
    ///
    /// # Errors
    /// When it may still be there.
    pub async fn delete(&self, key: &str) -> Result<(), BucketError> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => match classify("DeleteObject", error) {
                BucketError::Absent => Ok(()),
                error => Err(error),
            },
        }
    }

    /// A form with which somebody may upload one object to `key`, up to `limit` bytes, for `good_for` from now on.
    pub fn form(
        &self,
        key: &str,
        limit: u64,
        now: crate::clock::Timestamp,
        good_for: Duration,
    ) -> Result<UploadForm, time::error::Format> {
        form::sign(&self.aws, &self.name, key, limit, now, good_for)
    }
}
