//! Uploads: bytes come in, by one request or by a form; they are made safe, hashed, and put where only we can write.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use bytes::Bytes;
use greenlight::api::body::read_body;
use greenlight::api::caller::Caller;
use greenlight::api::fields::Fields;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{Reply, json, respond};
use greenlight::api::signed::{self, Form, NotOurs, Upload};
use greenlight::bucket::{BucketError, UploadForm, incoming_key, preview_key, unclaimed_key};
use greenlight::domain::author::Actor;
use greenlight::domain::ids::{AuthorId, OpenId};
use greenlight::domain::media::{MediaKind, MediaType};
use greenlight::domain::sha256::Sha256;
use greenlight::moderation::admit::admit_call;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::make_safe::{SafeMedium, Unfit, make_safe, memory};
use crate::picture::Change;
use crate::{AcceptUpload, BUFFERED_BYTES, multipart};

/// What a multipart body has besides the file.
pub(crate) const FORM_OVERHEAD: usize = 64 * 1024;
pub(crate) const JSON_LIMIT: usize = 8 * 1024;
/// How long a form can be uploaded with.
const FORM: Duration = Duration::from_secs(10 * 60);
/// How long it can be completed.
const COMPLETION: Duration = Duration::from_secs(60 * 60);
/// The bucket keeps what nobody submits for two days; the token for it ends a little sooner.
const UNCLAIMED: Duration = Duration::from_secs(47 * 3600);

#[derive(Serialize)]
struct UploadView<'a> {
    upload_id: &'a str,
    kind: MediaKind,
    sha256: Sha256,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    /// What a picture has lost.
    #[serde(skip_serializing_if = "<[Change]>::is_empty")]
    changed: &'a [Change],
}

#[derive(Serialize)]
struct FormView {
    upload_id: String,
    #[serde(flatten)]
    form: UploadForm,
    expires_at: String,
}

pub(crate) async fn upload(State(function): State<Arc<AcceptUpload>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        match media_type.as_str() {
            "multipart/form-data" => {
                let limit = usize::try_from(BUFFERED_BYTES).unwrap_or(usize::MAX) + FORM_OVERHEAD;
                let body = read_body(&head.headers, body, limit).await.map_err(|problem| match problem.status {
                    StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BUFFERED_BYTES),
                    _ => problem,
                })?;
                let form = multipart::read(content_type, body, BUFFERED_BYTES).await?;
                let author = function.admit(&caller, form.openid.as_deref()).await?;
                function.take_in(&caller, author, form.file, None, StatusCode::CREATED).await
            }
            "application/json" => function.answer_json(&caller, &head.headers, body).await,
            _ => Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_upload",
                "请用 multipart/form-data（字段 file）上传，用 JSON {\"kind\": \"image\"} 申请上传表单，或由您的服务器传 {\"url\": …}。",
                "Send multipart/form-data with a field `file`, JSON {\"kind\": \"image\"} for an upload form, or, from your \
                 backend, {\"url\": …}.",
            )),
        }
    };
    respond(&head.headers, reply.await)
}

pub(crate) async fn complete(
    State(function): State<Arc<AcceptUpload>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let body = read_body(&head.headers, body, JSON_LIMIT).await?;
        // There is nothing to say but, with a server key, on whose behalf.
        let mut fields = Fields::parse(if body.is_empty() { b"{}" } else { &body })?;
        let named = fields.text("openid");
        fields.finish("invalid_upload", Some(()))?;
        // A path that is no UTF-8 names nothing.
        let upload_id = path.map(|Path(upload_id)| upload_id).unwrap_or_default();
        function.complete(&caller, named.as_deref(), &upload_id).await
    };
    respond(&head.headers, reply.await)
}

fn unfit(unfit: &Unfit) -> Problem {
    let status = match unfit {
        Unfit::TooManyPixels => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::UNSUPPORTED_MEDIA_TYPE,
    };
    Problem::new(status, unfit.code(), unfit.message_zh(), unfit.message_en())
}

impl AcceptUpload {
    /// Counts an upload of the author that the call is for.
    pub(crate) async fn admit(&self, caller: &Caller, named: Option<&str>) -> Result<AuthorId, Problem> {
        let openid: OpenId = caller.author(named)?;
        let app = &caller.app.id;
        admit_call(&self.table, &self.clock, app, &openid, caller.actor(), &self.rates).await?;
        Ok(AuthorId::of(app, &openid))
    }

    /// Makes bytes safe, on a thread where nobody else waits, and when there is memory for it.
    pub(crate) async fn make_safe(&self, bytes: Bytes, by: Actor) -> Result<SafeMedium, Problem> {
        let needed = memory(&bytes).map_err(|error| unfit(&error))?.div_ceil(1024 * 1024);
        let permits = u32::try_from(needed).unwrap_or(u32::MAX);
        let _memory = self.memory.acquire_many(permits).await.map_err(|_| Problem::unavailable())?;
        let made = tokio::task::spawn_blocking(move || make_safe(bytes, by)).await;
        made.map_err(|_| Problem::internal())?.map_err(|error| unfit(&error))
    }

    /// Makes bytes safe, hashes exactly what is then put, and signs a token for them.
    async fn take_in(
        &self,
        caller: &Caller,
        author: AuthorId,
        bytes: Bytes,
        expected: Option<MediaKind>,
        status: StatusCode,
    ) -> Reply {
        let source = Sha256::of(&bytes);
        let medium = self.make_safe(bytes, caller.actor()).await?;
        let kind = medium.media_type.kind();
        if expected.is_some_and(|expected| expected != kind) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "wrong_kind",
                format!("上传的内容是 {kind}，和表单的 kind 不一致。"),
                format!("What was uploaded is {kind}, which is not the form's kind."),
            ));
        }
        let size = u64::try_from(medium.bytes.len()).unwrap_or(u64::MAX);
        if size > self.largest {
            return Err(Problem::too_large(self.largest));
        }
        let (sha256, key) = (Sha256::of(&medium.bytes), unclaimed_key(medium.media_type));
        let picture = self.bucket.put(&key, medium.bytes, sha256, medium.media_type);
        // The preview first is no upload yet, and the picture without it is not looked at as it should be: both, or neither.
        match medium.preview {
            Some(preview) => {
                let (hash, preview_key) = (Sha256::of(&preview), preview_key(&key));
                let preview = self.bucket.put(&preview_key, preview, hash, MediaType::Jpeg);
                tokio::try_join!(picture, preview).map(drop)?;
            }
            None => picture.await?,
        }
        let now = self.clock.now();
        let SafeMedium { media_type, dimensions, look, changed, ai_label, .. } = medium;
        let app = caller.app.id.clone();
        let upload = Upload { app, author, sha256, source, media_type, size, key, dimensions, look, ai_label };
        let upload_id = signed::sign(caller.apps.session_keys(), &upload, now, now.plus(UNCLAIMED));
        let (width, height) = dimensions.unzip();
        Ok(json(status, &UploadView { upload_id: &upload_id, kind, sha256, width, height, changed: &changed }))
    }

    /// What JSON asks for: a form to upload with, or that we fetch what a URL names.
    async fn answer_json(&self, caller: &Caller, headers: &HeaderMap, body: axum::body::Body) -> Reply {
        let body = read_body(headers, body, JSON_LIMIT).await?;
        let mut fields = Fields::parse(&body)?;
        let (url, kind, named) = (fields.text("url"), fields.text("kind"), fields.text("openid"));
        let kind = match kind.as_deref() {
            Some("image") => Some(MediaKind::Image),
            Some("audio") => Some(MediaKind::Audio),
            // What is fetched is what it is.
            None if url.is_some() => None,
            _ => {
                fields.fault("kind", "必须是 image 或 audio。", "It must be image or audio.");
                None
            }
        };
        if let Some(url) = url {
            fields.finish("invalid_upload", Some(()))?;
            let author = self.admit(caller, named.as_deref()).await?;
            let bytes = self.fetch(caller, &url).await?;
            return self.take_in(caller, author, bytes, kind, StatusCode::CREATED).await;
        }
        let kind = fields.finish("invalid_upload", kind)?;
        self.open_form(caller, named.as_deref(), kind).await
    }

    async fn open_form(&self, caller: &Caller, named: Option<&str>, kind: MediaKind) -> Reply {
        let author = self.admit(caller, named).await?;
        let (key, now) = (incoming_key(), self.clock.now());
        let form = self.bucket.form(&key, self.largest, now, FORM).map_err(|error| {
            tracing::error!(event = "form_not_signed", error = %error, "an upload form could not be signed");
            Problem::unavailable()
        })?;
        let token = Form { app: caller.app.id.clone(), author, kind, key };
        let upload_id = signed::sign(caller.apps.session_keys(), &token, now, now.plus(COMPLETION));
        Ok(json(StatusCode::CREATED, &FormView { upload_id, form, expires_at: now.plus(FORM).to_string() }))
    }

    async fn complete(&self, caller: &Caller, named: Option<&str>, upload_id: &str) -> Reply {
        let author = AuthorId::of(&caller.app.id, &caller.author(named)?);
        let (secrets, now) = (&self.secrets, self.clock.now());
        let form: Form = match signed::verify_or_read_again(secrets, &caller.apps, upload_id, now).await {
            Ok(form) => form,
            Err(NotOurs::Expired) => {
                return Err(Problem::new(
                    StatusCode::GONE,
                    "upload_expired",
                    "这个上传表单已过期，请重新申请。",
                    "This upload form has expired; ask for a new one.",
                ));
            }
            Err(NotOurs::Forged) => return Err(Problem::not_found()),
        };
        if form.app != caller.app.id || form.author != author {
            return Err(Problem::not_found());
        }
        self.admit(caller, named).await?;
        let bytes = self.bucket.read_whole(&form.key, self.largest).await.map_err(|error| match error {
            BucketError::Absent => Problem::new(
                StatusCode::CONFLICT,
                "not_uploaded",
                "还没有收到文件：请先用表单上传，再完成。",
                "There is no file yet: upload with the form first, then complete.",
            ),
            BucketError::TooLarge => Problem::too_large(self.largest),
            error => error.into(),
        })?;
        self.take_in(caller, author, bytes, Some(form.kind), StatusCode::OK).await
    }
}
