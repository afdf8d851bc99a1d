//! S3: its protocol by s3s, its objects as files; path-style addresses, signatures required.
//!
//! It answers what Greenlight asks of S3: an object is put, read whole or in part, copied, deleted, and posted with a
//! form. The rest is answered `NotImplemented`. The files are ours, for s3s's own (s3s-fs, a sample for tests) neither
//! sync what they write nor delete all that they wrote.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode, Uri};
use s3s::auth::SimpleAuth;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput, ETag,
    GetObjectInput, GetObjectOutput, PutObjectInput, PutObjectOutput, StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Engine, EngineError};
use crate::durable::Durability;

mod objects;

use objects::{Objects, Part};

/// The most that is held in memory of one upload: 10 MiB, Greenlight's own limit, and the form around them.
const MOST_BYTES: usize = 11 * 1024 * 1024;

/// Serves S3 on `listener` with the files of the folder `data`, to whoever signs with these keys; makes the `buckets`
/// that are not there yet. Two engines must not share a folder.
///
/// An object appears whole or not at all; one that was acknowledged survives a kill and, if it is to be synced, a power
/// cut.
///
/// The router answers as the engine does, without its listener: see [`forms`].
pub async fn start(
    listener: TcpListener,
    data: &Path,
    access_key: &str,
    secret_key: &str,
    buckets: &[&str],
    durability: Durability,
) -> Result<(Engine, Router), EngineError> {
    let objects = Objects::open(data, buckets, durability).map_err(EngineError::Data)?;
    let mut service = S3ServiceBuilder::new(Files(Arc::new(objects)));
    service.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = service.build();
    let router = Router::new().fallback(move |request| answer(service.clone(), request));
    Ok((Engine::routing(listener, router.clone())?, router))
}

/// What the world sees of S3: it takes the upload forms of `bucket` at any path, and answers nothing else.
///
/// An upload form carries its own permission; it is posted by phones, which do not reach the engine.
pub fn forms(s3: Router, bucket: &'static str) -> Router {
    Router::new().fallback(async move |mut request: Request| {
        if request.method() != Method::POST || !is_form(&request) {
            return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "POST")]).into_response();
        }
        // Nothing of the query either: S3 has other calls that are posted.
        *request.uri_mut() = Uri::try_from(format!("/{bucket}")).unwrap_or_default();
        s3.oneshot(request).await.unwrap_or_else(|never| match never {})
    })
}

fn is_form(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.to_ascii_lowercase().starts_with("multipart/form-data")
}

async fn answer(service: S3Service, request: Request) -> Response {
    let request = match with_plain_form(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match service.oneshot(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::error!(?error, "the bucket's engine failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Rewrites an upload form so that s3s can read it; anything else is passed on as it is.
///
/// s3s refuses parts with more than two headers, an empty or extended file name, and more that S3 accepts and that
/// phones send: OkHttp, which carries `wx.uploadFile` on Android, gives each part a `Content-Length`, older ones a
/// `Content-Transfer-Encoding` too.
async fn with_plain_form(request: Request) -> Result<Request, Response> {
    if request.method() != Method::POST || !is_form(&request) {
        return Ok(request);
    }
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = multer::parse_boundary(content_type).map_err(|_| malformed_form())?;
    let (mut parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES)
        .await
        .map_err(|_| refusal("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."))?;
    let plain = plain_form(body, &boundary).await.map_err(|_| malformed_form())?;
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(plain.len()));
    Ok(Request::from_parts(parts, Body::from(plain)))
}

/// The same form with nothing but the headers that matter. What follows the file is left out, as S3 does.
async fn plain_form(form: Bytes, boundary: &str) -> Result<Bytes, multer::Error> {
    let mut plain = BytesMut::with_capacity(form.len());
    let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(form)]);
    let mut form = multer::Multipart::new(stream, boundary);
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let is_file = name.eq_ignore_ascii_case("file");
        plain.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes());
        if is_file {
            plain.extend_from_slice(b"; filename=\"file\"");
            if let Some(content_type) = field.content_type() {
                plain.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
            }
        }
        plain.extend_from_slice(b"\r\n\r\n");
        plain.extend_from_slice(&field.bytes().await?);
        plain.extend_from_slice(b"\r\n");
        if is_file {
            break;
        }
    }
    plain.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(plain.freeze())
}

fn malformed_form() -> Response {
    refusal("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
}

fn refusal(code: &str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    (StatusCode::BAD_REQUEST, [(CONTENT_TYPE, "application/xml")], body).into_response()
}

/// The files, asked by s3s.
struct Files(Arc<Objects>);

/// What an asynchronous method of s3s's trait returns.
type Answering<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

impl S3 for Files {
    fn put_object<'s: 'a, 'a>(&'s self, request: S3Request<PutObjectInput>) -> Answering<'a, PutObjectOutput> {
        Box::pin(self.put(request.input))
    }

    fn get_object<'s: 'a, 'a>(&'s self, request: S3Request<GetObjectInput>) -> Answering<'a, GetObjectOutput> {
        Box::pin(self.get(request.input))
    }

    fn copy_object<'s: 'a, 'a>(&'s self, request: S3Request<CopyObjectInput>) -> Answering<'a, CopyObjectOutput> {
        Box::pin(self.copy(request.input))
    }

    fn delete_object<'s: 'a, 'a>(&'s self, request: S3Request<DeleteObjectInput>) -> Answering<'a, DeleteObjectOutput> {
        Box::pin(self.delete(request.input))
    }
}

impl Files {
    /// Writes an object if its SHA-256 is the promised one.
    async fn put(&self, input: PutObjectInput) -> S3Result<S3Response<PutObjectOutput>> {
        let body = whole(input.body.ok_or(s3_error!(IncompleteBody))?).await?;
        let hashes = hashes(&body);
        if input.checksum_sha256.is_some() && input.checksum_sha256 != hashes.sha256 {
            return Err(s3_error!(BadDigest, "The SHA256 you specified did not match what we received."));
        }
        let only_new = match input.if_none_match {
            None => false,
            Some(condition) if condition.is_any() => true,
            Some(_) => return Err(s3_error!(NotImplemented, "This engine knows no condition but If-None-Match: *.")),
        };
        self.write(input.bucket, input.key, body, only_new).await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: hashes.e_tag,
            checksum_sha256: input.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get(&self, input: GetObjectInput) -> S3Result<S3Response<GetObjectOutput>> {
        let asked = input.range;
        let choose = move |length| asked.map_or(Some(0..length), |range| range.check(length).ok());
        let Part { bytes, range, of } = self.read(input.bucket, input.key, choose).await?;
        Ok(S3Response::new(GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(bytes.len()).ok(),
            content_range: asked.map(|_| format!("bytes {}-{}/{of}", range.start, range.end.saturating_sub(1))),
            body: Some(StreamingBlob::from(s3s::Body::from(Bytes::from(bytes)))),
            ..GetObjectOutput::default()
        }))
    }

    /// Copies by reading and writing, so that the copy appears whole.
    async fn copy(&self, input: CopyObjectInput) -> S3Result<S3Response<CopyObjectOutput>> {
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented));
        };
        if input.copy_source_if_match.is_some()
            || input.copy_source_if_none_match.is_some()
            || input.copy_source_if_modified_since.is_some()
            || input.copy_source_if_unmodified_since.is_some()
        {
            return Err(s3_error!(NotImplemented, "This engine copies without conditions on the source."));
        }
        let source = self.read(bucket.to_string(), key.to_string(), |length| Some(0..length)).await?;
        let bytes = Bytes::from(source.bytes);
        let hashes = hashes(&bytes);
        self.write(input.bucket, input.key, bytes, false).await?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult { e_tag: hashes.e_tag, ..CopyObjectResult::default() }),
            ..CopyObjectOutput::default()
        }))
    }

    async fn delete(&self, input: DeleteObjectInput) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.require_bucket(&input.bucket)?;
        self.blocking(move |objects| objects.delete(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn write(&self, bucket: String, key: String, bytes: Bytes, only_new: bool) -> S3Result<()> {
        self.require_bucket(&bucket)?;
        self.blocking(move |objects| objects.put(&bucket, &key, &bytes, only_new)).await
    }

    async fn read(
        &self,
        bucket: String,
        key: String,
        choose: impl FnOnce(u64) -> Option<Range<u64>> + Send + 'static,
    ) -> S3Result<Part> {
        self.require_bucket(&bucket)?;
        let part = self.blocking(move |objects| objects.read(&bucket, &key, choose)).await?;
        part.ok_or_else(|| s3_error!(InvalidRange))
    }

    fn require_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.0.has_bucket(bucket) { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// Works on the files where waiting for a disk holds nobody up.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Objects) -> io::Result<T> + Send + 'static,
    ) -> S3Result<T> {
        let objects = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&objects)).await.map_err(S3Error::internal_error)?;
        done.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => s3_error!(NoSuchKey),
            io::ErrorKind::AlreadyExists => s3_error!(PreconditionFailed, "There is such an object already."),
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => {
                s3_error!(InvalidArgument, "Not a usable key.")
            }
            _ => {
                tracing::error!(%error, "the bucket's folder cannot be read or written");
                S3Error::with_source(S3ErrorCode::ServiceUnavailable, Box::new(error))
            }
        })
    }
}

/// What S3 says of an object's bytes.
struct Hashes {
    e_tag: Option<ETag>,
    /// In base64.
    sha256: Option<String>,
}

fn hashes(bytes: &Bytes) -> Hashes {
    let mut hash = ChecksumHasher { sha256: Some(s3s::crypto::Sha256::default()), ..ChecksumHasher::default() };
    hash.update(bytes);
    let sha256 = hash.finalize().checksum_sha256;
    Hashes { e_tag: sha256.clone().map(ETag::Strong), sha256 }
}

/// All of `body`, if it is not too much.
async fn whole(mut body: StreamingBlob) -> S3Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) =
        body.try_next().await.map_err(|error| S3Error::with_source(S3ErrorCode::IncompleteBody, error))?
    {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(s3_error!(EntityTooLarge));
        }
    }
    Ok(bytes.freeze())
}
