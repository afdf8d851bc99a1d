//! What several handlers read of a request in the same way.

use axum::body::Body;
use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use greenlight::api::body::read_body;
use greenlight::api::caller::Caller;
use greenlight::api::fields::{Fields, whole};
use greenlight::api::problem::Problem;
use greenlight::domain::ids::{OpenId, SubmissionId};
use greenlight::domain::submission::{Scene, Submission};
use greenlight::domain::text::{Content, MAX_BYTES, MAX_CHARS, judged_form, stored_form};
use greenlight::table::{Consistency, Table};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::SubmitContent;

/// 64 KB of text, each byte of which JSON may write as six, and the other fields.
pub(crate) const TEXT_BODY_LIMIT: usize = 448 * 1024;

/// What the owner's backend says besides content is short.
const OWNERS_BODY_LIMIT: usize = 16 * 1024;

/// What a path names. It is taken apart here, for axum's own answer to one that is no UTF-8 is no problem+json.
pub(crate) type InPath = Result<Path<String>, PathRejection>;

/// The name in a path; one that is no UTF-8 names nothing.
pub(crate) fn named(path: InPath) -> String {
    path.map(|Path(name)| name).unwrap_or_default()
}

/// The submission of an id from outside.
pub(crate) async fn find(table: &Table, id: &str) -> Result<Submission, Problem> {
    let id = SubmissionId::parse(id).map_err(|_| Problem::not_found())?;
    table.submission(&id, Consistency::Strong).await?.ok_or_else(Problem::not_found)
}

impl SubmitContent {
    /// The fields of a request that only the owner's backend may send, and which app's backend it is.
    pub(crate) async fn owners_fields(&self, headers: &HeaderMap, body: Body) -> Result<(Caller, Fields), Problem> {
        let caller = Caller::required(headers, &self.secrets, &self.clock).await?;
        caller.must_be_owner()?;
        let body = read_body(headers, body, OWNERS_BODY_LIMIT).await?;
        Ok((caller, Fields::parse(&body)?))
    }
}

/// Takes the scene, by name or number.
pub(crate) fn take_scene(fields: &mut Fields) -> Option<Scene> {
    let name = match fields.take("scene") {
        Some(Value::String(name)) => name,
        Some(number @ Value::Number(_)) => whole(&number).map(|number| number.to_string()).unwrap_or_default(),
        _ => String::new(),
    };
    let scene = Scene::parse(&name);
    if scene.is_none() {
        fields.fault(
            "scene",
            "必须是 profile、comment、forum、social_log 之一，或 1 到 4。",
            "It must be profile, comment, forum or social_log, or 1 to 4.",
        );
    }
    scene
}

/// A text that readers will see, as it is stored. One of which they would see nothing is a fault: it could not be judged.
fn shown(fields: &mut Fields, field: &str, text: String) -> String {
    if judged_form(&text).trim().is_empty() {
        fields.fault(field, "里面没有看得见的文字。", "There is nothing in it that anyone could see.");
    }
    stored_form(text)
}

/// Takes a text that readers will see.
pub(crate) fn take_shown_text(fields: &mut Fields, field: &str) -> Option<String> {
    let text = fields.text(field).filter(|text| !text.is_empty())?;
    Some(shown(fields, field, text))
}

/// Takes a text that readers will see and that must be there.
pub(crate) fn required_shown_text(fields: &mut Fields, field: &str) -> Option<String> {
    let text = fields.required_text(field)?;
    Some(shown(fields, field, text))
}

/// Takes an openid that must be there.
pub(crate) fn take_openid(fields: &mut Fields) -> Option<OpenId> {
    let openid = fields.required_text("openid")?;
    let parsed = OpenId::parse(&openid).ok();
    if parsed.is_none() {
        fields.fault("openid", "openid 格式不对。", "It is not an openid.");
    }
    parsed
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
