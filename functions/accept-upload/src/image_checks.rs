//! Image checks: WeChat's verdict on a picture that is not stored, within the request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use greenlight::api::body::{query, read_body};
use greenlight::api::caller::{Caller, Who};
use greenlight::api::fields::Fields;
use greenlight::api::language::Language;
use greenlight::api::problem::{Fault, Problem};
use greenlight::api::respond::{json, respond};
use greenlight::api::signed::{self, Upload};
use greenlight::bucket::BucketError;
use greenlight::domain::ids::{AuthorId, OpenId};
use greenlight::domain::media::{MediaKind, MediaType};
use greenlight::domain::verdict::Suggest;
use greenlight::moderation::admit::admit_check;
use greenlight::moderation::check::check_image;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::picture::{Source, for_direct_check};
use crate::uploads::{FORM_OVERHEAD, JSON_LIMIT};
use crate::{AcceptUpload, BUFFERED_BYTES, multipart};

#[derive(Serialize)]
struct ImageCheckView {
    suggest: Suggest,
    message: Option<&'static str>,
}

pub(crate) async fn check(State(function): State<Arc<AcceptUpload>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let language = Language::of(&head.headers);
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let query = query(head.uri.query());
        let (media_type, bytes) = function.picture(&caller, &head.headers, &query, body).await?;
        let source = if media_type == MediaType::Png { Source::Png } else { Source::Jpeg };
        let jpeg = tokio::task::spawn_blocking(move || for_direct_check(source, &bytes)).await;
        let jpeg = jpeg.ok().and_then(Result::ok).ok_or_else(Problem::internal)?;
        let judged = check_image(&function.access, &caller.app, &jpeg, function.author_waits).await;
        let suggest = judged.map_err(|error| Problem::of_check(&caller.app.id, error, caller.who == Who::Owner))?;
        let message = (suggest != Suggest::Pass).then(|| {
            language.choose("图片可能违规，请换一张。", "This picture may break the rules; please take another.")
        });
        Ok(json(StatusCode::OK, &ImageCheckView { suggest, message }))
    };
    respond(&head.headers, reply.await)
}

fn invalid_check(field: impl Into<String>, zh: &'static str, en: &'static str) -> Problem {
    let (all_zh, all_en) = ("请求有误，见 faults。", "The request has faults; see `faults`.");
    Problem::new(StatusCode::BAD_REQUEST, "invalid_check", all_zh, all_en).with_faults(vec![Fault::new(field, zh, en)])
}

impl AcceptUpload {
    /// The picture that is to be checked, made safe: in a form, alone, or uploaded before.
    async fn picture(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        query: &[(String, String)],
        body: axum::body::Body,
    ) -> Result<(MediaType, Bytes), Problem> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let limit = usize::try_from(BUFFERED_BYTES).unwrap_or(usize::MAX);
        let too_large = |problem: Problem| match problem.status {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(BUFFERED_BYTES),
            _ => problem,
        };
        // A picture that comes alone has no other place for whose it is.
        let is_alone = kind.starts_with("image/") || kind == "application/octet-stream";
        if let Some((name, _)) = query.iter().find(|(name, _)| !is_alone || name != "openid") {
            let what = ("没有这个参数。", "There is no such parameter.");
            return Err(invalid_check(name.chars().take(64).collect::<String>(), what.0, what.1));
        }
        let bytes = match kind.as_str() {
            "application/json" => match self.named(caller, headers, body).await? {
                Named::Upload(medium) => return Ok(medium),
                Named::Url(bytes) => bytes,
            },
            "multipart/form-data" => {
                let body = read_body(headers, body, limit + FORM_OVERHEAD).await.map_err(too_large)?;
                let form = multipart::read(content_type, body, BUFFERED_BYTES).await?;
                self.admit_check(caller, form.openid.as_deref()).await?;
                form.file
            }
            // What it is, its content says.
            _ if is_alone => {
                self.admit_check(caller, query.first().map(|(_, openid)| openid.as_str())).await?;
                read_body(headers, body, limit).await.map_err(too_large)?
            }
            _ => {
                return Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_check",
                    "请用 multipart/form-data（字段 file）、图片本身，或 JSON {\"upload_id\": …}；您的服务器还可以传 {\"url\": …}。",
                    "Send multipart/form-data with a field `file`, the picture itself, or JSON {\"upload_id\": …}; your \
                     backend may send {\"url\": …} too.",
                ));
            }
        };
        let medium = self.make_safe(bytes, caller.actor()).await?;
        if medium.media_type.kind() != MediaKind::Image {
            return Err(wrong_kind());
        }
        Ok((medium.media_type, medium.bytes))
    }

    /// Counts a check of the author that the call is for.
    async fn admit_check(&self, caller: &Caller, named: Option<&str>) -> Result<OpenId, Problem> {
        let openid = caller.author(named)?;
        let by = (caller.actor(), &self.rates);
        admit_check(&self.table, &self.access, &self.clock, &caller.app.id, &openid, by).await?;
        Ok(openid)
    }

    /// The picture that JSON names: one that was uploaded before, or one that we fetch.
    async fn named(&self, caller: &Caller, headers: &HeaderMap, body: axum::body::Body) -> Result<Named, Problem> {
        let body = read_body(headers, body, JSON_LIMIT).await?;
        let mut fields = Fields::parse(&body)?;
        let (url, named) = (fields.text("url"), fields.text("openid"));
        let Some(url) = url else {
            let upload_id = fields.short_text("upload_id", 4_096);
            let upload_id = fields.finish("invalid_check", upload_id)?;
            return self.uploaded(caller, named.as_deref(), &upload_id).await.map(Named::Upload);
        };
        // One or the other: `upload_id` beside it is a field too many.
        fields.finish("invalid_check", Some(()))?;
        self.admit_check(caller, named.as_deref()).await?;
        self.fetch(caller, &url).await.map(Named::Url)
    }

    async fn uploaded(
        &self,
        caller: &Caller,
        named: Option<&str>,
        upload_id: &str,
    ) -> Result<(MediaType, Bytes), Problem> {
        let openid = self.admit_check(caller, named).await?;
        let gone =
            || invalid_check("upload_id", "上传已失效，请重新上传。", "It is not good any more; upload it again.");
        let upload: Upload = signed::verify_or_read_again(&self.secrets, &caller.apps, upload_id, self.clock.now())
            .await
            .map_err(|_| gone())?;
        // Somebody else's looks as if it had never been.
        if upload.app != caller.app.id || upload.author != AuthorId::of(&caller.app.id, &openid) {
            return Err(gone());
        }
        if upload.media_type.kind() != MediaKind::Image {
            return Err(wrong_kind());
        }
        let bytes = self.bucket.read_whole(&upload.key, self.largest).await.map_err(|error| match error {
            BucketError::Absent => gone(),
            error => error.into(),
        })?;
        Ok((upload.media_type, bytes))
    }
}

/// What JSON names.
enum Named {
    /// A picture that was made safe when it was uploaded.
    Upload((MediaType, Bytes)),
    /// Bytes of which nothing is known.
    Url(Bytes),
}

fn wrong_kind() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "wrong_kind",
        "这个接口只检查图片。",
        "Only pictures are checked here.",
    )
}
