//! Sessions: opened by a code from wx.login, or by the owner, who vouches for the user.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use greenlight::api::body::read_body;
use greenlight::api::caller::{Caller, SESSION_EXPIRED, Who};
use greenlight::api::fields::Fields;
use greenlight::api::problem::Problem;
use greenlight::api::respond::{Reply, json, respond};
use greenlight::api::signed::{self, Session};
use greenlight::apps::{App, Apps, NoApp};
use greenlight::domain::ids::{AppId, OpenId};
use greenlight::moderation::session::{LoginError, author_returns, log_in};
use http::StatusCode;
use serde::Serialize;

use crate::SubmitContent;
use crate::request::take_openid;

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
                let openid = take_openid(&mut fields);
                let openid = fields.finish("invalid_session", openid)?;
                function.open_session(&apps, &app, openid).await
            }
            _ => {
                let code = fields.short_text("code", 512);
                let named = fields.text("app_id");
                let apps = function.secrets.apps().await;
                let app = choose_app(&apps, named.as_deref(), &mut fields)?;
                let (code, app) = fields.finish("invalid_session", code.zip(app))?;
                let (access, wait) = (&function.checker.access, function.author_waits);
                let openid = log_in(access, &function.secrets, &app, &code, wait).await.map_err(refused)?;
                function.open_session(&apps, &app, openid).await
            }
        }
    };
    respond(&head.headers, reply.await)
}

/// The app that a request without a session is about: the named one, or the only one.
fn choose_app(apps: &Apps, named: Option<&str>, fields: &mut Fields) -> Result<Option<App>, Problem> {
    let app = match named {
        Some(named) => AppId::parse(named).map_err(|_| NoApp::Unknown).and_then(|id| apps.get(&id)),
        None => apps.only(),
    };
    match (app, named) {
        (Ok(app), _) => return Ok(Some(app.clone())),
        (Err(NoApp::Unknown), Some(_)) => fields.fault("app_id", "没有这个小程序。", "There is no such app here."),
        (Err(NoApp::Unknown), None) => {
            fields.fault("app_id", "这里有多个小程序，必须指明。", "There are several apps here; name one.");
        }
        (Err(no_app), _) => return Err(Problem::of_no_app(&no_app, Problem::not_found)),
    }
    Ok(None)
}

fn refused(error: LoginError) -> Problem {
    match error {
        LoginError::Refused(_) => Problem::new(
            StatusCode::UNAUTHORIZED,
            "login_refused",
            "登录凭证无效或已用过，请重新调用 wx.login。",
            "The code is invalid or was used; call wx.login again.",
        ),
        LoginError::Blocked(_) => Problem::new(
            StatusCode::FORBIDDEN,
            "login_blocked",
            "微信拦截了这个用户的登录。",
            "WeChat blocks this user's login.",
        ),
        LoginError::TooMany(_) => Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "登录太频繁，请稍后再试。",
            "Too many logins; try again later.",
        )
        .retry_after(Duration::from_secs(60)),
        LoginError::Unavailable(_) | LoginError::Slow => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "login_unavailable",
            "微信登录暂时不可用，请稍后再试。",
            "WeChat's login is temporarily unavailable; try again shortly.",
        )
        .retry_after(Duration::from_secs(2)),
    }
}

impl SubmitContent {
    /// Notes that the author is active, and signs a session.
    async fn open_session(&self, apps: &Apps, app: &App, openid: OpenId) -> Reply {
        author_returns(&self.checker, &app.id, &openid).await?;
        let now = self.clock.now();
        let expires = now.plus(SESSION);
        let token = signed::sign(apps.session_keys(), &Session { app: app.id.clone(), openid }, now, expires);
        Ok(json(StatusCode::CREATED, &SessionView { token, expires_at: expires.to_string() }))
    }
}
