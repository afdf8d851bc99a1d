//! Text checks: WeChat's verdict on a text that is not stored: search boxes, hot words, nicknames.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::read_body;
use greenlight::api::caller::{Caller, Who};
use greenlight::api::fields::Fields;
use greenlight::api::language::Language;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{json, respond};
use greenlight::domain::text::Content;
use greenlight::domain::verdict::Suggest;
use greenlight::moderation::check::{TextToCheck, check_text};
use http::StatusCode;
use serde::Serialize;

use crate::SubmitContent;
use crate::request::{TEXT_BODY_LIMIT, check_length, required_shown_text, take_scene, take_shown_text};

#[derive(Serialize)]
struct TextCheckView<'a> {
    suggest: Suggest,
    label: Option<u32>,
    label_name: Option<&'static str>,
    trace_id: Option<&'a str>,
    message: Option<&'static str>,
}

pub(crate) async fn check(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let language = Language::of(&head.headers);
    let reply = async {
        let caller = Caller::required(&head.headers, &function.secrets, &function.clock).await?;
        let body = read_body(&head.headers, body, TEXT_BODY_LIMIT).await?;
        let text = parse(&body, &caller)?;
        let (checker, rates) = (&function.checker, &function.rates);
        let judged = check_text(checker, &caller.app, &text, rates, function.author_waits).await;
        let judged = judged.map_err(|error| Problem::of_check(&caller.app.id, error, caller.who == Who::Owner))?;
        let label = judged.verdict.label;
        let message = (judged.verdict.suggest != Suggest::Pass)
            .then(|| language.choose("内容可能违规，请修改后再试。", "This may break the rules; please change it."));
        Ok(json(
            StatusCode::OK,
            &TextCheckView {
                suggest: judged.verdict.suggest,
                label: label.map(|label| label.0),
                label_name: label.map(|label| language.choose(label.name_zh(), label.name_en())),
                trace_id: judged.trace_id.as_ref().map(|trace_id| trace_id.as_str()),
                message,
            },
        ))
    };
    respond(&head.headers, reply.await)
}

fn parse(body: &[u8], caller: &Caller) -> Result<TextToCheck, Problem> {
    let mut fields = Fields::parse(body)?;
    let scene = take_scene(&mut fields);
    let content = Content {
        text: required_shown_text(&mut fields, "content"),
        title: take_shown_text(&mut fields, "title"),
        nickname: take_shown_text(&mut fields, "nickname"),
        signature: take_shown_text(&mut fields, "signature"),
    };
    let named = fields.text("openid");
    let scene = fields.finish("invalid_check", scene)?;
    check_length(&content)?;
    Ok(TextToCheck { openid: caller.author(named.as_deref())?, actor: caller.actor(), scene, content })
}
