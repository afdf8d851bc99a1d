//! S3, by s3s over files: one directory a bucket, path-style addresses, signatures required.
//!
//! Three things that s3s and s3s-fs do otherwise than S3 are put right here, because Greenlight rests on them: a copy
//! appears whole or not at all, an object whose checksum is wrong never appears, and an upload form may have any
//! headers on its parts.

use std::path::Path;
use std::pin::Pin;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::checksum::ChecksumHasher;
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, GetObjectInput, GetObjectOutput, HeadBucketInput, HeadBucketOutput,
    HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output, MetadataDirective, PutObjectInput,
    PutObjectOutput, StreamingBlob,
};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{Engine, EngineError};

/// The most that is held in memory of one upload. Greenlight's own limits are far below it.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Serves S3 on `listener` with the files of the directory `data`, to whoever signs with these keys; makes the `buckets`
/// that are not there yet.
///
/// What was answered survives a kill. An object that was being written when the process died is absent, or whole; its
/// content type may then be missing. Two engines must not share a directory.
pub async fn start(
    listener: TcpListener,
    data: &Path,
    access_key: &str,
    secret_key: &str,
    buckets: &[&str],
) -> Result<Engine, EngineError> {
    tokio::fs::create_dir_all(data).await.map_err(EngineError::Data)?;
    for bucket in buckets {
        tokio::fs::create_dir_all(data.join(bucket)).await.map_err(EngineError::Data)?;
    }
    let files = FileSystem::new(data).map_err(|error| EngineError::Objects(format!("{error:?}")))?;
    let mut service = S3ServiceBuilder::new(Objects(files));
    service.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = service.build();
    Engine::routing(listener, Router::new().fallback(move |request| answer(service.clone(), request)))
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
    let content_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if request.method() != Method::POST || !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
        return Ok(request);
    }
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

/// The files, with what Greenlight needs of S3 and nothing else; the rest is answered `NotImplemented`.
struct Objects(FileSystem);

/// What an asynchronous method of s3s's trait returns.
type Answering<'a, T> = Pin<Box<dyn Future<Output = S3Result<S3Response<T>>> + Send + 'a>>;

macro_rules! passed_on {
    ($($method:ident: $input:ident => $output:ident),* $(,)?) => {$(
        fn $method<'s: 'a, 'a>(&'s self, request: S3Request<$input>) -> Answering<'a, $output> {
            self.0.$method(request)
        }
    )*};
}

impl S3 for Objects {
    passed_on! {
        delete_object: DeleteObjectInput => DeleteObjectOutput,
        delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
        get_object: GetObjectInput => GetObjectOutput,
        head_bucket: HeadBucketInput => HeadBucketOutput,
        head_object: HeadObjectInput => HeadObjectOutput,
        list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
    }

    fn put_object<'s: 'a, 'a>(&'s self, request: S3Request<PutObjectInput>) -> Answering<'a, PutObjectOutput> {
        Box::pin(self.put_verified(request))
    }

    fn copy_object<'s: 'a, 'a>(&'s self, request: S3Request<CopyObjectInput>) -> Answering<'a, CopyObjectOutput> {
        Box::pin(self.copy_whole(request))
    }
}

impl Objects {
    /// Writes an object if its SHA-256 is the promised one. s3s-fs compares too, but after the object stands in its
    /// place, where it then stays.
    async fn put_verified(&self, mut request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        // s3s-fs would make the directory of a bucket that is not there.
        self.require_bucket(&request).await?;
        if let Some(promised) = &request.input.checksum_sha256
            && let Some(body) = request.input.body.take()
        {
            let body = whole(body).await?;
            let mut hash = ChecksumHasher { sha256: Some(s3s::crypto::Sha256::default()), ..ChecksumHasher::default() };
            hash.update(&body);
            if hash.finalize().checksum_sha256.as_ref() != Some(promised) {
                return Err(s3_error!(BadDigest, "The SHA256 you specified did not match what we received."));
            }
            request.input.body = Some(StreamingBlob::from(s3s::Body::from(body)));
        }
        self.0.put_object(request).await
    }

    async fn require_bucket(&self, request: &S3Request<PutObjectInput>) -> S3Result<()> {
        let input = HeadBucketInput { bucket: request.input.bucket.clone(), expected_bucket_owner: None };
        self.0.head_bucket(of(request, input)).await.map(drop)
    }

    /// Copies by reading and writing. s3s-fs copies into the very place, where a reader, or a crash, finds a part.
    async fn copy_whole(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = &request.input;
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
        let source = GetObjectInput { bucket: bucket.to_string(), key: key.to_string(), ..GetObjectInput::default() };
        let source = self.0.get_object(of(&request, source)).await?.output;
        let mut copy = PutObjectInput {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            body: source.body,
            checksum_sha256: source.checksum_sha256,
            ..PutObjectInput::default()
        };
        let replaces = input.metadata_directive.as_ref().map(MetadataDirective::as_str);
        if replaces == Some(MetadataDirective::REPLACE) {
            copy.cache_control = input.cache_control.clone();
            copy.content_disposition = input.content_disposition.clone();
            copy.content_encoding = input.content_encoding.clone();
            copy.content_language = input.content_language.clone();
            copy.content_type = input.content_type.clone();
            copy.metadata = input.metadata.clone();
        } else {
            copy.cache_control = source.cache_control;
            copy.content_disposition = source.content_disposition;
            copy.content_encoding = source.content_encoding;
            copy.content_language = source.content_language;
            copy.content_type = source.content_type;
            copy.metadata = source.metadata;
        }
        let written = self.put_verified(of(&request, copy)).await?.output;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: written.e_tag,
                checksum_sha256: written.checksum_sha256,
                ..CopyObjectResult::default()
            }),
            ..CopyObjectOutput::default()
        }))
    }
}

/// The same request, asking for something else.
fn of<A, B>(request: &S3Request<A>, input: B) -> S3Request<B> {
    S3Request {
        input,
        method: request.method.clone(),
        uri: request.uri.clone(),
        headers: request.headers.clone(),
        extensions: request.extensions.clone(),
        credentials: request.credentials.clone(),
        region: request.region.clone(),
        service: request.service.clone(),
        trailing_headers: None,
    }
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
