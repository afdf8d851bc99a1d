//! Submissions: made, read, listed, withdrawn.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::{query, read_body};
use greenlight::api::caller::{Caller, Who};
use greenlight::api::client_ip::{ClientIp, take_client_ip};
use greenlight::api::fields::Fields;
use greenlight::api::language::Language;
use greenlight::api::problem::{Fault, Problem};
use greenlight::api::respond::{Reply, json, respond};
use greenlight::api::signed::{self, Form, NotOurs, Upload};
use greenlight::domain::author::Actor;
use greenlight::domain::ids::{AuthorId, Channel, SubmissionId};
use greenlight::domain::submission::{Context, MAX_MEDIA, NotEditable, Retain, Submission};
use greenlight::domain::text::{Content, stored_form};
use greenlight::moderation::submit::{SubmitError, SubmitRequest, Submitted, Uploaded, submit};
use greenlight::moderation::withdraw::withdraw as withdraw_submission;
use greenlight::table::{Consistency, Listed, place_by_author};
use http::StatusCode;

use crate::SubmitContent;
use crate::paging::{Entry, List, Paging, merge};
use crate::request::{InPath, TEXT_BODY_LIMIT, check_length, find, named, take_scene, take_shown_text};
use crate::view::{Viewer, view};

/// How many bytes of JSON the owner's metadata may have.
const METADATA_BYTES: usize = 2 * 1024;
const EXTERNAL_ID_CHARS: usize = 256;
const CONTEXT_TITLE_CHARS: usize = 200;
const CONTEXT_TEXT_CHARS: usize = 2_000;

fn invalid_submission(faults: Vec<Fault>) -> Problem {
    let (zh, en) = ("请求里有错误，见 faults。", "The request has faults; see `faults`.");
    Problem::new(StatusCode::BAD_REQUEST, "invalid_submission", zh, en).with_faults(faults)
}

impl SubmitContent {
    /// Reads and checks a request to submit.
    async fn parse(&self, body: &[u8], caller: &Caller, sender: Option<ClientIp>) -> Result<SubmitRequest, Problem> {
        let mut fields = Fields::parse(body)?;
        let named = fields.text("openid");
        let openid = caller.author(named.as_deref())?;
        let idempotency_key = fields.text("idempotency_key");
        if let Some(key) = &idempotency_key
            && !((8..=64).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
        {
            fields.fault(
                "idempotency_key",
                "必须是 8 到 64 个可见 ASCII 字符。",
                "It must be 8 to 64 printable ASCII characters.",
            );
        }
        let scene = take_scene(&mut fields);
        let content = Content {
            title: take_shown_text(&mut fields, "title"),
            text: take_shown_text(&mut fields, "text"),
            nickname: take_shown_text(&mut fields, "nickname"),
            signature: take_shown_text(&mut fields, "signature"),
        };
        let author = AuthorId::of(&caller.app.id, &openid);
        let mut uploads = Vec::new();
        let media = fields.objects("media", MAX_MEDIA);
        let some_media = !media.is_empty();
        for mut medium in media {
            uploads.extend(self.take_upload(&mut medium, caller, &author).await);
            fields.absorb(medium);
        }
        let channel = take_channel(&mut fields, caller);
        let metadata = fields.take("metadata");
        let external_id = fields.text("external_id");
        if external_id.as_ref().is_some_and(|id| id.chars().count() > EXTERNAL_ID_CHARS) {
            fields.fault("external_id", "最多 256 个字符。", "At most 256 characters.");
        }
        let replaces = take_replaces(&mut fields);
        let reply_to = take_reply_to(&mut fields);
        let context = take_context(&mut fields, caller);
        let retain = take_retain(&mut fields, channel.as_ref());
        let client_ip = take_sender(&mut fields, caller, sender);
        if content == Content::default() && !some_media {
            fields.fault(
                "text",
                "title、text、nickname、signature、media 至少要有一项。",
                "There must be at least one of title, text, nickname, signature and media.",
            );
        }
        let scene = fields.finish("invalid_submission", scene)?;
        check_length(&content)?;
        if metadata.as_ref().is_some_and(|metadata| metadata.to_string().len() > METADATA_BYTES) {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "metadata 太大：最多 2 KB。",
                "The metadata is too large: at most 2 KB.",
            ));
        }
        let actor = caller.actor();
        Ok(SubmitRequest {
            idempotency_key,
            openid,
            actor,
            scene,
            content,
            uploads,
            channel,
            metadata,
            external_id,
            replaces,
            reply_to,
            context,
            retain,
            client_ip,
        })
    }

    async fn take_upload(&self, fields: &mut Fields, caller: &Caller, author: &AuthorId) -> Option<Uploaded> {
        let token = fields.required_text("upload_id")?;
        let (secrets, apps, now) = (&self.secrets, &caller.apps, self.clock.now());
        let fault = |fields: &mut Fields, zh: &str, en: &str| fields.fault("upload_id", zh, en);
        match signed::verify_or_read_again::<Upload>(secrets, apps, &token, now).await {
            Ok(upload) if upload.app == caller.app.id && upload.author == *author => {
                let Upload { key, sha256, source, media_type, size, dimensions, look, ai_label, .. } = upload;
                return Some(Uploaded { key, sha256, source, media_type, size, dimensions, look, ai_label });
            }
            Err(NotOurs::Expired) => {
                fault(fields, "上传已过期，请重新上传。", "The upload has expired; upload again.");
            }
            Ok(_) | Err(NotOurs::Forged) => {
                if signed::verify_or_read_again::<Form>(secrets, apps, &token, now).await.is_ok() {
                    fault(
                        fields,
                        "表单上传还没有完成：先 POST /v1/uploads/{upload_id}，用它返回的 upload_id。",
                        "The form upload is not completed: POST /v1/uploads/{upload_id} first and use the upload_id it returns.",
                    );
                } else {
                    fault(fields, "不是您的上传。", "It is not an upload of yours.");
                }
            }
        }
        None
    }
}

fn take_channel(fields: &mut Fields, caller: &Caller) -> Option<Channel> {
    let name = fields.text("channel")?;
    let Ok(channel) = Channel::parse(&name) else {
        fields.fault("channel", "只能用 a-z、0-9、_、-，最多 64 个。", "Only a-z, 0-9, _ and -, at most 64.");
        return None;
    };
    if caller.app.channels.as_ref().is_some_and(|channels| !channels.contains(&channel)) {
        fields.fault("channel", "这个小程序没有这个频道。", "The app has no such channel.");
        return None;
    }
    Some(channel)
}

fn take_replaces(fields: &mut Fields) -> Option<SubmissionId> {
    let name = fields.text("replaces")?;
    let id = SubmissionId::parse(&name);
    if id.is_err() {
        let fault = nothing_to_replace();
        fields.fault("replaces", fault.0, fault.1);
    }
    id.ok()
}

fn nothing_to_replace() -> (&'static str, &'static str) {
    ("该作者没有这条内容。", "The author has no such submission.")
}

fn take_reply_to(fields: &mut Fields) -> Option<SubmissionId> {
    let name = fields.text("reply_to")?;
    let id = SubmissionId::parse(&name);
    if id.is_err() {
        let (zh, en) = nothing_to_answer();
        fields.fault("reply_to", zh, en);
    }
    id.ok()
}

fn nothing_to_answer() -> (&'static str, &'static str) {
    ("没有这条内容，或该作者看不到它。", "There is no such submission, or its author does not see it.")
}

/// Takes what stands around a submission, which only the owner knows.
fn take_context(fields: &mut Fields, caller: &Caller) -> Option<Context> {
    let mut inner = fields.object("context")?;
    let mut short = |field: &str, most: usize| {
        let text = inner.text(field).filter(|text| !text.is_empty())?;
        if text.chars().count() > most {
            inner.fault(field, format!("最多 {most} 个字符。"), format!("At most {most} characters."));
        }
        Some(stored_form(text))
    };
    let context = Context { title: short("title", CONTEXT_TITLE_CHARS), text: short("text", CONTEXT_TEXT_CHARS) };
    fields.absorb(inner);
    if caller.who != Who::Owner {
        fields.fault(
            "context",
            "只能由您的服务器用 server key 提供。",
            "Only your backend, with a server key, may give it.",
        );
    }
    Some(context).filter(|context| *context != Context::default())
}

/// From which address an author submits: an author's own request tells by itself, the owner's backend names it or nobody does.
fn take_sender(fields: &mut Fields, caller: &Caller, sender: Option<ClientIp>) -> Option<IpAddr> {
    let named = take_client_ip(fields);
    match caller.who {
        Who::Owner => named,
        Who::Author(_) => {
            if named.is_some() {
                let (zh, en) =
                    ("只能由您的服务器用 server key 提供。", "Only your backend, with a server key, may give it.");
                fields.fault("client_ip", zh, en);
            }
            sender.map(|ClientIp(sender)| sender)
        }
    }
}

fn take_retain(fields: &mut Fields, channel: Option<&Channel>) -> Retain {
    let Some(name) = fields.text("retain") else { return Retain::Always };
    let Some(retain) = Retain::ALL.into_iter().find(|retain| retain.as_str() == name) else {
        fields.fault("retain", "只能是 always 或 until_decided。", "It must be always or until_decided.");
        return Retain::Always;
    };
    if retain == Retain::UntilDecided && channel.is_some() {
        fields.fault(
            "retain",
            "until_decided 不能和 channel 一起用：决定之后这里就没有内容可展示了。",
            "Not until_decided together with a channel: once it is decided there is nothing left here to show.",
        );
    }
    retain
}

fn refused(error: SubmitError) -> Problem {
    match error {
        SubmitError::NotAdmitted(error) => error.into(),
        SubmitError::NothingToReplace => {
            let (zh, en) = nothing_to_replace();
            invalid_submission(vec![Fault::new("replaces", zh, en)])
        }
        SubmitError::NothingToAnswer => {
            let (zh, en) = nothing_to_answer();
            invalid_submission(vec![Fault::new("reply_to", zh, en)])
        }
        SubmitError::NotEditable(NotEditable::Withdrawn) => Problem::new(
            StatusCode::CONFLICT,
            "withdrawn",
            "原内容已撤回，不能再编辑。",
            "What it is to replace is withdrawn; publish it anew.",
        ),
        SubmitError::NotEditable(NotEditable::TooMany) => Problem::new(
            StatusCode::CONFLICT,
            "too_many_edits",
            "这条内容还有很多修改在审核，请等审核完再改。",
            "Too many edits of it are still under review; wait until some of them are decided.",
        ),
        SubmitError::KeyUsed => Problem::new(
            StatusCode::CONFLICT,
            "idempotency_conflict",
            "这个 idempotency_key 已经用于另一个内容。",
            "This idempotency_key was used for something else.",
        ),
        SubmitError::UploadGone { index } => invalid_submission(vec![Fault::new(
            format!("media[{index}].upload_id"),
            "上传的文件已经不在了，请重新上传。",
            "The uploaded file is gone; upload it again.",
        )]),
        SubmitError::Bucket(error) => error.into(),
        SubmitError::Table(error) => error.into(),
    }
}

pub(crate) async fn create(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let body = read_body(&head.headers, body, TEXT_BODY_LIMIT).await?;
        let sender = head.extensions.get::<ClientIp>().copied();
        let request = function.parse(&body, &caller, sender).await?;
        let (checker, bucket) = (&function.checker, &function.bucket);
        let submitted = submit(checker, bucket, &caller.app, request, &function.rates, function.author_waits).await;
        let (status, submission) = match submitted.map_err(refused)? {
            Submitted::New(submission) => (StatusCode::CREATED, submission),
            Submitted::Repeated(submission) => (StatusCode::OK, submission),
        };
        let viewer = Viewer::of(Some(&caller), &submission);
        let language = Language::of(&head.headers);
        Ok(json(status, &view(&submission, viewer, language, &function.checker.public_url)))
    };
    respond(&head.headers, reply.await)
}

pub(crate) async fn read(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::of(&head.headers, &function.secrets, &function.clock).await?;
        let submission = find(&function.checker.table, &named(path)).await?;
        let viewer = Viewer::of(caller.as_ref(), &submission);
        if !viewer.sees(&submission) {
            return Err(Problem::not_found());
        }
        let language = Language::of(&head.headers);
        Ok(json(StatusCode::OK, &view(&submission, viewer, language, &function.checker.public_url)))
    };
    respond(&head.headers, reply.await)
}

pub(crate) async fn list(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let query = query(head.uri.query());
        let paging = Paging::parse(&query, &["openid"])?;
        let openid = caller.author(Paging::value(&query, "openid"))?;
        let author = AuthorId::of(&caller.app.id, &openid);
        let list = List {
            secrets: &function.secrets,
            apps: &caller.apps,
            list: format!("own/{}/{author}", caller.app.id),
            asker: caller.name(),
        };
        let after = paging.after(&list, function.clock.now()).await?;
        let (submissions, next) = function.own_page(&caller, &author, after, paging.limit).await?;
        let (language, url) = (Language::of(&head.headers), &function.checker.public_url);
        let shown = |one: &Submission| Viewer::of(Some(&caller), one).sees(one);
        let entries = submissions.iter().filter(|(_, one)| shown(one)).map(|(place, one)| Entry {
            place: place.clone(),
            view: view(one, Viewer::of(Some(&caller), one), language, url),
        });
        Ok(list.page([], entries, next, function.clock.now()))
    };
    respond(&head.headers, reply.await)
}

impl SubmitContent {
    /// A page of an author's own, newest first, and after which place the next begins.
    async fn own_page(
        &self,
        caller: &Caller,
        author: &AuthorId,
        after: Option<String>,
        limit: usize,
    ) -> Result<(Vec<(String, Submission)>, Option<String>), Problem> {
        let table = &self.checker.table;
        let recent = async {
            let author = table.author(&caller.app.id, author, Consistency::Strong).await?;
            table.submissions(author.as_ref().map(|author| author.recent()).unwrap_or_default()).await
        };
        let (page, recent) = tokio::join!(table.by_author(&caller.app.id, author, after.as_deref(), limit), recent);
        let recent = recent?;
        let listed = |one: &Submission| Listed { id: one.id.clone(), place: place_by_author(one.created_at, &one.id) };
        let (entries, more) = merge(page?, recent.iter().map(listed).collect(), after.as_deref(), limit);
        let next = entries.last().filter(|_| more).map(|last| last.place.clone());
        Ok((self.load(entries, &recent).await?, next))
    }
}

pub(crate) async fn withdraw(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let table = &function.checker.table;
        let submission = find(table, &named(path)).await?;
        let actor: Actor = Viewer::of(Some(&caller), &submission).actor().ok_or_else(Problem::not_found)?;
        withdraw_submission(table, &function.bucket, &function.clock, submission, actor).await?;
        let mut response = http::Response::new(String::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Reply::Ok(response)
    };
    respond(&head.headers, reply.await)
}
