//! What only leads do with evidence: hold it, open what is under seal, take it away.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::problem::Problem;
use greenlight::bucket::{BucketError, media_key};
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::{AuthorId, SubmissionId};
use greenlight::domain::submission::{PartName, Submission};
use greenlight::domain::text::stored_form;
use greenlight::error::chain;
use greenlight::moderation::export::{all_of, exhibit, record_export};
use greenlight::moderation::hold::hold;
use greenlight::moderation::open_seal::open_seal;
use greenlight::table::{Consistency, is_day};
use http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::ServeConsole;
use crate::answer::{Frame, answer, page, see_other};
use crate::deeds::find;
use crate::exhibits::{Archive, Entry, NotPacked, about, files};
use crate::media::{self, Shown};
use crate::visit::{Door, Form, Visit};
use crate::words::Words;

/// How many characters the number of a document has at most.
const DOCUMENT_CHARS: usize = 100;
/// No hold is longer: ten years.
const LONGEST_HOLD: std::time::Duration = std::time::Duration::from_secs(3_653 * 24 * 3600);

/// What is said of evidence on a submission's page, to leads.
pub(crate) struct EvidenceView {
    /// The document that asks for the hold that holds, until when, and by whom.
    pub(crate) hold: Option<(String, String, String)>,
    /// Until when something is under seal.
    pub(crate) sealed_until: Option<String>,
}

impl EvidenceView {
    pub(crate) fn of(submission: &Submission, now: Timestamp) -> Self {
        let hold = submission.hold.as_ref().filter(|hold| hold.until > now);
        Self {
            hold: hold.map(|hold| (hold.document.clone(), hold.until.in_beijing(), hold.by.clone())),
            sealed_until: submission.sealed_until().filter(|until| *until > now).map(Timestamp::in_beijing),
        }
    }
}

/// A text of what is under seal.
struct TextView {
    name: &'static str,
    text: String,
}

#[derive(Template)]
#[template(path = "seal.html")]
struct SealPage<'a> {
    f: Frame<'a>,
    id: String,
    openid: String,
    texts: Vec<TextView>,
    media: Vec<(usize, String)>,
}

fn invalid(zh: &str, en: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_form", zh, en)
}

/// The form of a lead, and the submission of their app that it names.
async fn about_one(console: &ServeConsole, request: Request) -> Result<(Visit, Form, Submission), Problem> {
    let (visit, form) = Visit::with_form(console, request).await?;
    visit.must_be_lead()?;
    let id = SubmissionId::parse(form.get("id")).map_err(|_| Problem::not_found())?;
    let submission = find(console, &visit, &id).await?;
    Ok((visit, form, submission))
}

pub(crate) async fn put_on_hold(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form, submission) = about_one(&console, request).await?;
        let (document, day) = (form.get("document"), form.get("until"));
        let wanted = if form.get("deed") == "release" {
            None
        } else {
            let seen = !document.chars().any(char::is_control) && document.chars().count() <= DOCUMENT_CHARS;
            if document.is_empty() || !seen {
                return Err(invalid(
                    "请写明文书编号（最多 100 字）。",
                    "Give the document's number, in at most 100 characters.",
                ));
            }
            // The whole of the last day, in Beijing.
            let end = Timestamp::parse_rfc3339(&format!("{day}T23:59:59+08:00")).ok().filter(|_| is_day(day));
            let longest = visit.now.plus(LONGEST_HOLD);
            let end = end.filter(|end| *end > visit.now && *end <= longest);
            let end = end.ok_or_else(|| {
                invalid("到期日须在今天之后的十年之内。", "The last day is within ten years from today.")
            })?;
            Some((stored_form(document.to_owned()), end))
        };
        let id = submission.id.clone();
        hold(&console.table, &console.clock, &visit.moderator, submission, wanted).await?;
        Ok(see_other(&format!("{}/submissions/{id}?did=hold", door.base)))
    };
    answer(&door, reply.await)
}

fn texts(w: &Words, sealed: &Submission) -> Vec<TextView> {
    let content = &sealed.content;
    let fields = [
        (w.title, &content.title),
        (w.text, &content.text),
        (w.nickname, &content.nickname),
        (w.signature, &content.signature),
    ];
    fields.into_iter().filter_map(|(name, text)| Some(TextView { name, text: text.clone()? })).collect()
}

pub(crate) async fn open(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, _, submission) = about_one(&console, request).await?;
        let sealed = open_seal(&console.table, &console.clock, &visit.moderator, &submission, None).await?;
        let sealed = sealed.ok_or_else(Problem::not_found)?;
        let f = Frame::of(&visit);
        let w = f.w;
        // What has been erased meanwhile is not offered.
        let media = submission.media.iter().enumerate();
        let media =
            media.map(|(index, _)| (index, w.part_name(PartName::Medium(u8::try_from(index).unwrap_or(u8::MAX)))));
        let template = SealPage {
            id: submission.id.to_string(),
            openid: sealed.openid.as_ref().map(|openid| openid.as_str().to_owned()).unwrap_or_default(),
            texts: texts(w, &sealed),
            media: media.collect(),
            f,
        };
        Ok(page(StatusCode::OK, w.tag(), &template))
    };
    answer(&door, reply.await)
}

/// A picture or sound under seal. It is posted for, so that it stands under no address, and each look is recorded.
pub(crate) async fn open_medium(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form, submission) = about_one(&console, request).await?;
        let index: usize = form.get("index").parse().map_err(|_| Problem::not_found())?;
        let medium = submission.media.get(index).ok_or_else(Problem::not_found)?.clone();
        let part = Some(PartName::Medium(u8::try_from(index).unwrap_or(u8::MAX)).to_string());
        let sealed = open_seal(&console.table, &console.clock, &visit.moderator, &submission, part).await?;
        sealed.ok_or_else(Problem::not_found)?;
        let shown = Shown { key: media_key(&submission.id, index, &medium), medium };
        media::serve_whole(&console, &shown, &http::HeaderMap::new()).await
    };
    answer(&door, reply.await)
}

/// What a lead wants to take away: one submission, or an author's, newest first.
struct Subject {
    author: AuthorId,
    only: Option<SubmissionId>,
    submissions: Vec<Submission>,
    more: bool,
}

async fn subject(console: &ServeConsole, visit: &Visit, form: &Form) -> Result<Subject, Problem> {
    if form.get("author").is_empty() {
        let id = SubmissionId::parse(form.get("id")).map_err(|_| Problem::not_found())?;
        let submission = find(console, visit, &id).await?;
        let author = submission.author.clone();
        return Ok(Subject { author, only: Some(id), submissions: vec![submission], more: false });
    }
    let author = AuthorId::parse(form.get("author")).map_err(|_| Problem::not_found())?;
    let (submissions, more) = all_of(&console.table, &visit.moderator.app, &author).await?;
    Ok(Subject { author, only: None, submissions, more })
}

fn not_packed(error: NotPacked) -> Problem {
    match error {
        // Somebody's bytes were erased at this very moment: the next time they are not in the plan.
        NotPacked::Bucket(BucketError::Absent) => Problem::unavailable(),
        NotPacked::Bucket(error) => error.into(),
        NotPacked::BrokeOff(_) | NotPacked::Zip(_) => {
            let error = chain(&error);
            tracing::warn!(event = "evidence_not_packed", error, "a file of evidence could not be made");
            Problem::unavailable()
        }
    }
}

pub(crate) async fn export(State(console): State<Arc<ServeConsole>>, request: Request) -> Response {
    let door = Door::of_request(&console, &request);
    let reply = async {
        let (visit, form) = Visit::with_form(&console, request).await?;
        visit.must_be_lead()?;
        let Subject { author, only, submissions, more } = subject(&console, &visit, &form).await?;
        let (table, app, now) = (&console.table, &visit.moderator.app, visit.now);
        let known = table.author(app, &author, Consistency::Strong).await?.ok_or_else(Problem::not_found)?;
        let files = files(&submissions, now);
        let number: u32 = form.get("file").parse().map_err(|_| Problem::not_found())?;
        let wanted = usize::try_from(number).ok().and_then(|number| files.get(number.checked_sub(1)?));
        let wanted = wanted.ok_or_else(Problem::not_found)?;
        record_export(table, &console.clock, &visit.moderator, (author.clone(), only.clone()), number).await?;
        let mut archive = Archive::new();
        for entry in wanted {
            match *entry {
                Entry::About(index) => {
                    let Some(standing) = submissions.get(index) else { continue };
                    let exhibit = exhibit(table, standing.clone(), now).await?;
                    let text = pretty(&about(&exhibit, Some(known.openid()), now));
                    let name = format!("{}/submission.json", standing.id);
                    archive.add(&name, text.as_bytes()).map_err(|error| not_packed(error.into()))?;
                }
                Entry::Piece(index, medium, bytes) => {
                    let Some(standing) = submissions.get(index) else { continue };
                    archive.add_piece(&console.bucket, standing, medium, bytes).await.map_err(not_packed)?;
                }
            }
        }
        let made = json!({
            "app_id": app, "author": author, "submission": only, "made_at": now.to_string(), "made_by": visit.moderator.name,
            "file": number, "files": files.len(), "submissions": submissions.len(), "older_ones_left_out": more,
            "ban": known.ban(),
        });
        archive.add("about-this-file.json", pretty(&made).as_bytes()).map_err(|error| not_packed(error.into()))?;
        let zip = archive.finish().map_err(|error| not_packed(error.into()))?;
        let what = only.map_or_else(|| format!("author-{author}"), |id| id.to_string());
        let name = format!("evidence-{what}-file-{number}-of-{}.zip", files.len());
        let mut response = Response::new(Body::from(zip));
        for (header, value) in [
            (CONTENT_TYPE, "application/zip".to_owned()),
            (CACHE_CONTROL, "private, no-store".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ] {
            response.headers_mut().insert(header, HeaderValue::from_str(&value).map_err(|_| Problem::internal())?);
        }
        Ok(response)
    };
    answer(&door, reply.await)
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
