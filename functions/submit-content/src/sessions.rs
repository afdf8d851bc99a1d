//! Sessions: who an author is, by a code from wx.login or by the owner's word.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::apps::{App, Apps};
use greenlight::author::Author;
use greenlight::caller::{Caller, SESSION_EXPIRED, Who};
use greenlight::exchange::{json, read_body};
use greenlight::fields::Fields;
use greenlight::ids::{AppId, AuthorId, OpenId};
use greenlight::problem::Problem;
use greenlight::signed::{self, Session};
use greenlight::table::{Consistency, TableError};
use greenlight::wechat::error::Class;
use http::StatusCode;
use serde::Serialize;

use crate::SubmitContent;
use crate::reply::{Reply, answer};

/// WeChat counts a user as active for two hours after the login, so a session ends before that.
const SESSION: Duration = Duration::from_secs(110 * 60);
const BODY_LIMIT: usize = 8 * 1024;

#[derive(Serialize)]
struct SessionView {
    token: String,
    expires_at: String,
}

pub(crate) async fn open(State(function): State<Arc<SubmitContent>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let reply = async {
        // Who logs in may still send the session that has just ended.
        let caller = match Caller::of(&head.headers, &function.secrets, &function.clock).await {
            Err(problem) if problem.code == SESSION_EXPIRED => None,
            caller => caller?,
        };
        let body = read_body(&head.headers, body, BODY_LIMIT).await?;
        let mut fields = Fields::parse(&body)?;
        match caller {
            Some(Caller { who: Who::Owner, app, apps }) => {
                let openid = fields.required_text("openid");
                let parsed = openid.as_deref().and_then(|openid| OpenId::parse(openid).ok());
                if openid.is_some() && parsed.is_none() {
                    fields.fault("openid", "openid 格式不对。", "It is not an openid.");
                }
                let openid = fields.finish("invalid_session", parsed)?;
                function.open_session(&apps, &app, openid).await
            }
            _ => {
                let code = fields.short_text("code", 512);
                let named = fields.text("app_id");
                let apps = function.secrets.apps().await;
                let app = choose_app(&apps, named.as_deref(), &mut fields);
                let (code, app) = fields.finish("invalid_session", code.zip(app))?;
                let openid = function.log_in(&app, &code).await?;
                function.open_session(&apps, &app, openid).await
            }
        }
    };
    let reply: Reply = reply.await;
    answer(&head.headers, reply)
}

/// The app that a request without a session is about: the named one, or the only one.
fn choose_app(apps: &Apps, named: Option<&str>, fields: &mut Fields) -> Option<App> {
    let app = match named {
        Some(named) => AppId::parse(named).ok().and_then(|id| apps.get(&id)),
        None => apps.only(),
    };
    if app.is_none() {
        match named {
            Some(_) => fields.fault("app_id", "没有这个小程序。", "There is no such app here."),
            None => fields.fault("app_id", "这里有多个小程序，必须指明。", "There are several apps here; name one."),
        }
    }
    app.cloned()
}

impl SubmitContent {
    async fn log_in(&self, app: &App, code: &str) -> Result<OpenId, Problem> {
        let login = self.checks.wechat.code_to_session(app, code);
        let login = tokio::time::timeout(self.author_waits, login).await;
        let unavailable = || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "login_unavailable",
                "微信登录暂时不可用，请稍后再试。",
                "WeChat's login is temporarily unavailable; try again shortly.",
            )
            .retry_after(Duration::from_secs(2))
        };
        let Ok(login) = login else { return Err(unavailable()) };
        login.map_err(|error| {
            match error.class {
                Class::Configuration => {
                    tracing::error!(alarm = "wechat_configuration", app = %app.id, error = %error, "no login works");
                }
                Class::LoginRefused | Class::LoginBlocked => {}
                _ => tracing::warn!(app = %app.id, error = %error, "a login failed"),
            }
            match error.class {
                Class::LoginRefused | Class::Permanent => Problem::new(
                    StatusCode::UNAUTHORIZED,
                    "login_refused",
                    "登录凭证无效或已用过，请重新调用 wx.login。",
                    "The code is invalid or was used; call wx.login again.",
                ),
                Class::LoginBlocked => Problem::new(
                    StatusCode::FORBIDDEN,
                    "login_blocked",
                    "微信拦截了这个用户的登录。",
                    "WeChat blocks this user's login.",
                ),
                Class::MinuteQuota | Class::DayQuota => Problem::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_requests",
                    "登录太频繁，请稍后再试。",
                    "Too many logins; try again later.",
                )
                .retry_after(Duration::from_secs(60)),
                _ => unavailable(),
            }
        })
    }

    /// Notes that the author is active, queues what waited for that, and signs a session.
    async fn open_session(&self, apps: &Apps, app: &App, openid: OpenId) -> Reply {
        let now = self.clock.now();
        let id = AuthorId::of(&app.id, &openid);
        let author = self.checks.table.author(&app.id, &id, Consistency::Eventual).await?;
        let author = author.unwrap_or_else(|| Author::new(app.id.clone(), openid.clone()));
        let (_, waiting) =
            self.checks.table.change(author, |author| Ok::<_, TableError>(Some(author.return_now(now)))).await?;
        // What was waiting stands in the due queue besides, so a session does not fail for it.
        if let Err(error) = self.checks.author_returned(&waiting.unwrap_or_default(), now).await {
            tracing::warn!(error = %error, "what waited for an author was not all queued");
        }
        let expires = now.plus(SESSION);
        let token = signed::sign(apps.session_keys(), &Session { app: app.id.clone(), openid }, now, expires);
        Ok(json(StatusCode::CREATED, &SessionView { token, expires_at: expires.to_string() }))
    }
}
