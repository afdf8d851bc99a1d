//! Submissions: made, read, listed, withdrawn.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use greenlight::author::Author;
use greenlight::caller::{Caller, Who};
use greenlight::exchange::{json, query, read_body};
use greenlight::fields::Fields;
use greenlight::ids::{AuthorId, Channel, OpenId, SubmissionId};
use greenlight::problem::{Language, Problem};
use greenlight::signed::{self, NotOurs, Upload};
use greenlight::submission::{MAX_MEDIA, Medium, NewSubmission, PartName, Scene, Submission, Withdrawer};
use greenlight::table::{Consistency, Listed, Saved, Table, TableError};
use greenlight::text::{Content, MAX_BYTES, MAX_CHARS};
use http::StatusCode;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::SubmitContent;
use crate::feed::{Paging, merge};
use crate::reply::{InPath, ListView, Reply, Viewer, answer, named, view};

/// 64 KB of text, each byte of which JSON may write as six, and the other fields.
pub(crate) const TEXT_BODY_LIMIT: usize = 448 * 1024;
/// How many bytes of JSON the owner's metadata may have.
const METADATA_BYTES: usize = 2 * 1024;
const EXTERNAL_ID_CHARS: usize = 256;

/// Takes the scene, by word or number.
pub(crate) fn take_scene(fields: &mut Fields) -> Option<Scene> {
    let word = match fields.take("scene") {
        Some(Value::String(word)) => word,
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    let scene = Scene::parse(&word);
    if scene.is_none() {
        fields.fault(
            "scene",
            "必须是 profile、comment、forum、social_log 之一，或 1 到 4。",
            "It must be profile, comment, forum or social_log, or 1 to 4.",
        );
    }
    scene
}

/// Refuses a text that is too long.
pub(crate) fn check_length(content: &Content) -> Result<(), Problem> {
    if content.chars() > MAX_CHARS || content.bytes() > MAX_BYTES {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            "文字太长：总共最多 20000 个字符、64 KB。",
            "The text is too long: at most 20,000 characters and 64 KB in all.",
        ));
    }
    Ok(())
}

/// A request to submit, read and checked.
struct Wanted {
    idempotency_key: Option<String>,
    openid: OpenId,
    author: AuthorId,
    scene: Scene,
    content: Content,
    media: Vec<Medium>,
    channel: Option<Channel>,
    metadata: Option<Value>,
    external_id: Option<String>,
}

impl Wanted {
    fn parse(body: &[u8], caller: &Caller, now: greenlight::clock::Timestamp) -> Result<Self, Problem> {
        let mut fields = Fields::parse(body)?;
        let named = fields.text("openid");
        let (openid, author) = caller.author(named.as_deref())?;
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
            title: fields.text("title").filter(|text| !text.is_empty()),
            text: fields.text("text").filter(|text| !text.is_empty()),
            nickname: fields.text("nickname").filter(|text| !text.is_empty()),
            signature: fields.text("signature").filter(|text| !text.is_empty()),
        };
        let mut media = Vec::new();
        let uploads = fields.objects("media", MAX_MEDIA);
        let some_media = !uploads.is_empty();
        for mut upload in uploads {
            media.extend(take_medium(&mut upload, caller, &author, now));
            fields.absorb(upload);
        }
        let channel = take_channel(&mut fields, caller);
        let metadata = fields.take("metadata");
        let external_id = fields.text("external_id");
        if external_id.as_ref().is_some_and(|id| id.chars().count() > EXTERNAL_ID_CHARS) {
            fields.fault("external_id", "最多 256 个字符。", "At most 256 characters.");
        }
        if content.is_empty() && !some_media {
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
        Ok(Self { idempotency_key, openid, author, scene, content, media, channel, metadata, external_id })
    }

    /// What makes two requests the same. Bytes uploaded twice are the same bytes.
    fn hash(&self) -> String {
        let media: Vec<&str> = self.media.iter().map(|medium| medium.sha256.as_str()).collect();
        let whole = serde_json::json!([
            self.scene,
            self.content,
            media,
            self.channel.as_ref().map(Channel::as_str),
            self.metadata,
            self.external_id,
        ]);
        let digest = Sha256::digest(whole.to_string());
        BASE64URL_NOPAD.encode(digest.get(..12).unwrap_or_default())
    }
}

fn take_medium(
    fields: &mut Fields,
    caller: &Caller,
    author: &AuthorId,
    now: greenlight::clock::Timestamp,
) -> Option<Medium> {
    let word = fields.required_text("upload_id")?;
    let fault = |fields: &mut Fields, zh: &str, en: &str| fields.fault("upload_id", zh, en);
    match signed::verify::<Upload>(caller.apps.session_keys(), &word, now) {
        Ok(upload) if upload.app == caller.app.id && upload.author == *author => Some(Medium {
            media_type: upload.media_type,
            sha256: upload.sha256,
            size: upload.size,
            upload_key: upload.key,
            authors_word: greenlight::ids::RandomWord::random(),
        }),
        Err(NotOurs::Expired) => {
            fault(fields, "上传已过期，请重新上传。", "The upload has expired; upload again.");
            None
        }
        Ok(_) | Err(NotOurs::Forged) => {
            if signed::verify::<signed::Form>(caller.apps.session_keys(), &word, now).is_ok() {
                fault(
                    fields,
                    "表单上传还没有完成：先 POST /v1/uploads/{upload_id}，用它返回的 upload_id。",
                    "The form upload is not completed: POST /v1/uploads/{upload_id} first and use the upload_id it returns.",
                );
            } else {
                fault(fields, "不是您的上传。", "It is not an upload of yours.");
            }
            None
        }
    }
}

fn take_channel(fields: &mut Fields, caller: &Caller) -> Option<Channel> {
    let word = fields.text("channel")?;
    let Ok(channel) = Channel::parse(&word) else {
        fields.fault("channel", "只能用 a-z、0-9、_、-，最多 64 个。", "Only a-z, 0-9, _ and -, at most 64.");
        return None;
    };
    if caller.app.channels.as_ref().is_some_and(|channels| !channels.contains(&channel)) {
        fields.fault("channel", "这个小程序没有这个频道。", "The app has no such channel.");
        return None;
    }
    Some(channel)
}

pub(crate) async fn create(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let language = Language::of(&head.headers);
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let body = read_body(&head.headers, body, TEXT_BODY_LIMIT).await?;
        let wanted = Wanted::parse(&body, &caller, function.clock.now())?;
        let (status, submission) = function.submit(&caller, wanted).await?;
        let viewer = Viewer::of(Some(&caller), &submission);
        Ok(json(status, &view(&submission, &viewer, language, &function.checks.public_url)))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

/// The submission that stands under the same idempotency key, if the request is the same.
fn repeated(standing: Submission, request_hash: &str) -> Result<(StatusCode, Submission), Problem> {
    if standing.request_hash.as_deref() == Some(request_hash) {
        return Ok((StatusCode::OK, standing));
    }
    Err(Problem::new(
        StatusCode::CONFLICT,
        "idempotency_conflict",
        "这个 idempotency_key 已经用于另一个内容。",
        "This idempotency_key was used for something else.",
    ))
}

impl SubmitContent {
    async fn submit(&self, caller: &Caller, wanted: Wanted) -> Result<(StatusCode, Submission), Problem> {
        let (app, table) = (&caller.app, &self.checks.table);
        let request_hash = wanted.hash();
        let key = wanted.idempotency_key.as_deref();
        let id = key
            .map_or_else(SubmissionId::random, |key| SubmissionId::from_idempotency_key(&app.id, &wanted.author, key));
        let author = table.author(&app.id, &wanted.author, Consistency::Eventual).await?;
        let author = author.unwrap_or_else(|| Author::new(app.id.clone(), wanted.openid.clone()));
        // A repeat is known before anything is counted or asked. One that the cheap read misses, for it was made a moment
        // ago, stands in the author's list; one that is made at this very moment is found when it is written.
        if key.is_some() {
            let listed = author.recent.contains(&id);
            let consistency = if listed { Consistency::Strong } else { Consistency::Eventual };
            if let Some(standing) = table.submission(&id, consistency).await? {
                return repeated(standing, &request_hash);
            }
        }
        let now = self.clock.now();
        let (asker, rates) = (caller.asker(), &self.rates);
        author.clone().admit_submission(&id, asker, rates, now)?;
        let admit = self.checks.table.change(author, |author| {
            author.admit_submission(&id, asker, rates, self.clock.now()).map(Some).map_err(Problem::from)
        });
        let new = NewSubmission {
            id: id.clone(),
            app: app.id.clone(),
            openid: wanted.openid,
            scene: wanted.scene,
            content: wanted.content,
            media: wanted.media,
            channel: wanted.channel,
            metadata: wanted.metadata,
            external_id: wanted.external_id,
            vouched: caller.who == Who::Owner,
            request_hash: key.is_some().then(|| request_hash.clone()),
        };
        let mut submission = Submission::new(new, now);
        let paused = self.checks.access.paused(&app.id).await;
        let checks = submission.begin_checks(paused, now, |_| true);
        if submission.media.is_empty() {
            // A text is answered at once, so it is written once, with its verdict.
            let (admitted, events) = tokio::join!(admit, self.checks.ask(app, &submission, &checks, self.author_waits));
            admitted?;
            for event in &events {
                submission.apply(event, self.clock.now());
            }
            if let Saved::Conflict(standing) = table.save(&mut submission).await? {
                return repeated(*standing, &request_hash);
            }
            let waits = self.checks.wait_for_author(submission.clone()).await;
            return Ok((StatusCode::CREATED, accepted(submission, waits)));
        }
        admit.await?;
        // WeChat may download at once, so the words of its URLs are written before it is asked.
        if let Saved::Conflict(standing) = table.save(&mut submission).await? {
            return repeated(*standing, &request_hash);
        }
        // Who asks WeChat about a medium copies it first. While the API rests nobody does, and the author looks already.
        if checks.iter().all(|check| check.part == PartName::Text)
            && let Err(error) = self.checks.claim_media(&submission).await
        {
            tracing::warn!(submission = %submission.id, error = %error, "media are left to the due queue");
        }
        let carried = self.checks.carry_out(app, submission.clone(), &checks, self.author_waits).await;
        Ok((StatusCode::CREATED, accepted(submission, carried)))
    }

    pub(crate) async fn own_list(
        &self,
        caller: &Caller,
        named: Option<&str>,
        paging: &Paging,
    ) -> Result<(Vec<Submission>, Option<String>), Problem> {
        let (_, author) = caller.author(named)?;
        let list = format!("own/{}/{author}", caller.app.id);
        let after = paging.after(caller.apps.session_keys(), &list, &caller.name(), self.clock.now())?;
        let table = &self.checks.table;
        let (page, standing) = tokio::join!(
            table.by_author(&caller.app.id, &author, after.as_deref(), paging.limit),
            table.author(&caller.app.id, &author, Consistency::Strong),
        );
        let recent = standing?.map(|author| author.recent).unwrap_or_default();
        let place = |submission: &Submission| Table::place_by_author(submission.created_at, &submission.id);
        let recent = table.submissions(&recent).await?;
        let recent = recent.iter().map(|recent| Listed { id: recent.id.clone(), place: place(recent) }).collect();
        let (entries, more) = merge(page?, recent, after.as_deref(), paging.limit);
        let next = entries.last().filter(|_| more).map(|last| last.place.clone());
        let ids: Vec<SubmissionId> = entries.into_iter().map(|entry| entry.id).collect();
        let mut submissions = table.submissions(&ids).await?;
        submissions.retain(|submission| Viewer::of(Some(caller), submission).sees(submission));
        let keys = caller.apps.session_keys();
        Ok((submissions, next.map(|after| Paging::cursor(keys, &list, &caller.name(), after, self.clock.now()))))
    }
}

/// What is stored is accepted; what went wrong afterwards the due queue brings back.
fn accepted(stored: Submission, carried: Result<Submission, TableError>) -> Submission {
    carried.unwrap_or_else(|error| {
        tracing::warn!(submission = %stored.id, error = %error, "a submission is left to the due queue");
        stored
    })
}

pub(crate) async fn read(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::of(&head.headers, &function.secrets, &function.clock).await?;
        let submission = function.find(&named(path)).await?;
        let viewer = Viewer::of(caller.as_ref(), &submission);
        if !viewer.sees(&submission) {
            return Err(Problem::not_found());
        }
        let language = Language::of(&head.headers);
        Ok(json(StatusCode::OK, &view(&submission, &viewer, language, &function.checks.public_url)))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

pub(crate) async fn list(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let query = query(head.uri.query());
        let paging = Paging::parse(&query, &["openid"])?;
        let named = Paging::value(&query, "openid");
        let (submissions, next_cursor) = function.own_list(&caller, named, &paging).await?;
        let (language, url) = (Language::of(&head.headers), &function.checks.public_url);
        let submissions =
            submissions.iter().map(|one| view(one, &Viewer::of(Some(&caller), one), language, url)).collect();
        Ok(json(StatusCode::OK, &ListView { submissions, next_cursor }))
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

pub(crate) async fn withdraw(State(function): State<Arc<SubmitContent>>, path: InPath, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let submission = function.find(&named(path)).await?;
        let withdrawer = match Viewer::of(Some(&caller), &submission) {
            Viewer::Author => Withdrawer::Author,
            Viewer::Owner => Withdrawer::Owner,
            Viewer::Anyone => return Err(Problem::not_found()),
        };
        let now = function.clock.now();
        let (submission, _) = function
            .checks
            .table
            .change(submission, |submission| Ok::<_, Problem>(submission.withdraw(withdrawer, now).then_some(())))
            .await?;
        // It is invisible already; if its bytes cannot be deleted now, the due queue sees to it.
        if submission.is_due(now)
            && let Err(error) = function.checks.erase(submission).await
        {
            tracing::warn!(error = %error, "an erasure is left to the due queue");
        }
        let mut response = http::Response::new(String::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

impl SubmitContent {
    /// The submission of an id from outside.
    pub(crate) async fn find(&self, id: &str) -> Result<Submission, Problem> {
        let id = SubmissionId::parse(id).map_err(|_| Problem::not_found())?;
        self.checks.table.submission(&id, Consistency::Strong).await?.ok_or_else(Problem::not_found)
    }
}
