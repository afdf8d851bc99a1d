//! Who calls: an author with a session, or an owner with a server key.

use std::sync::Arc;

use http::StatusCode;
use http::header::AUTHORIZATION;

use super::problem::Problem;
use super::signed::{self, NotOurs, Session};
use crate::apps::{App, Apps, NoApp};
use crate::domain::author::Actor;
use crate::domain::clock::Clock;
use crate::domain::ids::{AuthorId, OpenId};
use crate::secrets::Secrets;

/// The code of the problem that a session's time is over.
pub const SESSION_EXPIRED: &str = "session_expired";

/// Who calls, for which app.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The app.
    pub app: App,
    /// Who.
    pub who: Who,
    /// The apps as they were when the caller was recognised.
    pub apps: Arc<Apps>,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The user of a session.
    Author(OpenId),
    /// The owner's backend.
    Owner,
}

/// What the `Authorization` header says.
enum Recognised {
    Caller(Box<Caller>),
    Expired,
    Nobody(NoApp),
}

fn recognise(apps: &Arc<Apps>, credential: &str, clock: &Clock) -> Recognised {
    let caller =
        |app: &App, who| Recognised::Caller(Box::new(Caller { app: app.clone(), who, apps: Arc::clone(apps) }));
    match apps.by_server_key(credential) {
        Ok(app) => return caller(app, Who::Owner),
        Err(NoApp::Unknown) => {}
        Err(no_app) => return Recognised::Nobody(no_app),
    }
    match signed::verify::<Session>(apps.session_keys(), credential, clock.now()) {
        Ok(session) => match apps.get(&session.app) {
            Ok(app) => caller(app, Who::Author(session.openid)),
            Err(no_app) => Recognised::Nobody(no_app),
        },
        Err(NotOurs::Expired) => Recognised::Expired,
        Err(NotOurs::Forged) => Recognised::Nobody(NoApp::Unknown),
    }
}

impl Caller {
    /// Who sends these headers; nobody without an `Authorization`. What is there and is not ours, or has expired, is 401;
    /// and 503 where there is no app to call for.
    pub async fn of(headers: &http::HeaderMap, secrets: &Secrets, clock: &Clock) -> Result<Option<Self>, Problem> {
        let apps = secrets.apps().await;
        if apps.is_empty() {
            return Err(no_caller(&NoApp::NoneAtAll));
        }
        let Some(header) = headers.get(AUTHORIZATION) else { return Ok(None) };
        let header = header.to_str().unwrap_or_default();
        let credential = match header.split_once(' ') {
            Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => credential.trim(),
            _ => return Err(unauthorized()),
        };
        let recognised = match recognise(&apps, credential, clock) {
            // The key may have been changed since the secret was read.
            Recognised::Nobody(no_app) => match secrets.fresh().await {
                Some(apps) => recognise(&apps, credential, clock),
                None => Recognised::Nobody(no_app),
            },
            recognised => recognised,
        };
        match recognised {
            Recognised::Caller(caller) => Ok(Some(*caller)),
            Recognised::Expired => Err(session_expired()),
            Recognised::Nobody(no_app) => Err(no_caller(&no_app)),
        }
    }

    /// Who sends these headers, if anyone that we know.
    pub async fn required(headers: &http::HeaderMap, secrets: &Secrets, clock: &Clock) -> Result<Self, Problem> {
        Self::of(headers, secrets, clock).await?.ok_or_else(unauthorized)
    }

    /// Refuses whoever is not the owner (403).
    pub fn must_be_owner(&self) -> Result<(), Problem> {
        match self.who {
            Who::Owner => Ok(()),
            Who::Author(_) => Err(Problem::new(
                StatusCode::FORBIDDEN,
                "server_key_required",
                "这个接口只能由您的服务器用 server key 调用。",
                "Only your backend, with a server key, may call this.",
            )),
        }
    }

    /// Whose rates count.
    pub fn actor(&self) -> Actor {
        match self.who {
            Who::Author(_) => Actor::Author,
            Who::Owner => Actor::Owner,
        }
    }

    /// The author on whose behalf the call is: the session's, or the one that the owner names. An owner has to name one,
    /// and an author none but themself (400).
    pub fn author(&self, named: Option<&str>) -> Result<OpenId, Problem> {
        Ok(match (&self.who, named) {
            (Who::Author(openid), None) => openid.clone(),
            (Who::Author(openid), Some(named)) if openid.as_str() == named => openid.clone(),
            (Who::Author(_), Some(_)) => {
                return Err(invalid_openid("带会话调用时不要传 openid。", "With a session, leave out openid."));
            }
            (Who::Owner, None) => {
                return Err(invalid_openid(
                    "用 server key 调用时必须传 openid。",
                    "With a server key, name the openid.",
                ));
            }
            (Who::Owner, Some(named)) => {
                OpenId::parse(named).map_err(|_| invalid_openid("openid 格式不对。", "The openid is not one."))?
            }
        })
    }

    /// A name for this caller that no other has, for what is bound to whoever asks.
    pub fn name(&self) -> String {
        match &self.who {
            Who::Author(openid) => AuthorId::of(&self.app.id, openid).to_string(),
            Who::Owner => format!("owner/{}", self.app.id),
        }
    }
}

fn invalid_openid(zh: &str, en: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_openid", zh, en)
}

fn no_caller(no_app: &NoApp) -> Problem {
    Problem::of_no_app(no_app, unauthorized)
}

fn unauthorized() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "请先登录：在 Authorization 里带上 Bearer 会话令牌或 server key。",
        "Sign in first: send a session token or a server key as Authorization: Bearer.",
    )
}

fn session_expired() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        SESSION_EXPIRED,
        "会话已过期，请用 wx.login 重新登录。",
        "The session has expired; log in again with wx.login.",
    )
}
