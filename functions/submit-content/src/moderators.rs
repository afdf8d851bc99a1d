//! Who may work in the console: links that let moderators in, and locking them out, by server key.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::fields::Fields;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{json, respond};
use greenlight::domain::ids::ModeratorName;
use greenlight::domain::moderator::{Moderator, Role, path_of_link};
use greenlight::moderation::let_in;
use http::StatusCode;
use serde::Serialize;

use crate::SubmitContent;

#[derive(Serialize)]
struct LinkView<'a> {
    url: String,
    moderator: &'a ModeratorName,
    role: Role,
    expires_at: String,
}

fn take_moderator(fields: &mut Fields) -> Option<ModeratorName> {
    let name = ModeratorName::parse(&fields.required_text("moderator")?).ok();
    if name.is_none() {
        fields.fault(
            "moderator",
            "必须是 1 到 100 个看得见的字符。",
            "It must be 1 to 100 characters that can be seen.",
        );
    }
    name
}

fn take_role(fields: &mut Fields) -> Option<Role> {
    let role = fields.text("role").as_deref().and_then(Role::parse);
    if role.is_none() {
        fields.fault("role", "必须是 moderator 或 lead。", "It must be moderator or lead.");
    }
    role
}

/// Makes a link that lets a moderator into the console.
pub(crate) async fn make_link(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let (caller, mut fields) = function.owners_fields(&head.headers, body).await?;
        let read = (take_moderator(&mut fields), take_role(&mut fields));
        let (name, role) = fields.finish("invalid_moderator", read.0.zip(read.1))?;
        let console = function.console_url.as_ref().ok_or_else(no_console)?;
        let moderator = Moderator { app: caller.app.id.clone(), name, role };
        let (link, until) = let_in::make_link(&function.checker.table, &function.clock, &moderator, None).await?;
        let (app, key, by) = (&moderator.app, &link.moderator, "owner");
        tracing::info!(event = "moderator_link_made", %app, moderator = %key, role = role.as_str(), by, "a link into the console was made");
        let url = console.join(&path_of_link(&link));
        let view = LinkView { url, moderator: &moderator.name, role, expires_at: until.to_string() };
        Ok(json(StatusCode::CREATED, &view))
    };
    respond(&head.headers, reply.await)
}

/// Ends all that a moderator has: sessions, links, and the cases in hand.
pub(crate) async fn revoke(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        let (caller, mut fields) = function.owners_fields(&head.headers, body).await?;
        let name = take_moderator(&mut fields);
        let name = fields.finish("invalid_moderator", name)?;
        let_in::revoke(&function.checker.table, &function.clock, &caller.app.id, &name, None).await?;
        Ok(json(StatusCode::OK, &serde_json::json!({ "moderator": name })))
    };
    respond(&head.headers, reply.await)
}

fn no_console() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no_console",
        "没有配置审核台的地址：请设置 GREENLIGHT_CONSOLE_URL。",
        "No console is set up: set GREENLIGHT_CONSOLE_URL to where serve-console is reached.",
    )
}
