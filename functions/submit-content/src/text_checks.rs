//! Text checks: WeChat's word on a text that is not stored: search boxes, hot words, nicknames.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::author::Author;
use greenlight::caller::Caller;
use greenlight::exchange::{json, read_body};
use greenlight::fields::Fields;
use greenlight::problem::{Language, Problem};
use greenlight::submission::Scene;
use greenlight::table::Consistency;
use greenlight::text::Content;
use greenlight::wechat::verdict::Suggest;
use http::StatusCode;
use serde::Serialize;

use crate::SubmitContent;
use crate::reply::{Reply, answer};
use crate::submissions::{TEXT_BODY_LIMIT, check_length, take_scene};

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
        let mut fields = Fields::parse(&body)?;
        let scene = take_scene(&mut fields);
        let content = Content {
            text: fields.required_text("content"),
            title: fields.text("title"),
            nickname: fields.text("nickname"),
            signature: fields.text("signature"),
        };
        let named = fields.text("openid");
        let scene = fields.finish("invalid_check", scene)?;
        check_length(&content)?;
        function.check_text(&caller, named.as_deref(), scene, &content, language).await
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

impl SubmitContent {
    async fn check_text(
        &self,
        caller: &Caller,
        named: Option<&str>,
        scene: Scene,
        content: &Content,
        language: Language,
    ) -> Reply {
        let (openid, author) = caller.author(named)?;
        let standing = self.checks.table.author(&caller.app.id, &author, Consistency::Eventual).await?;
        let standing = standing.unwrap_or_else(|| Author::new(caller.app.id.clone(), openid.clone()));
        self.checks
            .table
            .change(standing, |author| {
                let admitted = author.admit_call(caller.asker(), &self.rates, self.clock.now());
                admitted.map(Some).map_err(Problem::from)
            })
            .await?;
        let unavailable = || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "check_unavailable",
                "暂时无法检查这段文字，请稍后再试。",
                "The text cannot be checked right now; try again shortly.",
            )
            .retry_after(Duration::from_secs(5))
        };
        let judged = self.checks.judge_text(&caller.app, content, scene, &openid);
        let judged = match tokio::time::timeout(self.author_waits, judged).await {
            Ok(Ok(judged)) => judged,
            Ok(Err(error)) => {
                tracing::warn!(app = %caller.app.id, error = %error, "a text check gave no verdict");
                return Err(unavailable());
            }
            Err(_) => return Err(unavailable()),
        };
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
    }
}
