//! One call to the simulated WeChat: which API, what goes wrong, and how answers look.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use greenlight::clock::Timestamp;
use greenlight::ids::AppId;
use http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cuttable_listener::Connection;

use super::behaviour::{Failure, Fault};
use super::world::{Shared, World};
use super::{login, media, pictures, text, tokens};

/// More than any API takes; what is larger is refused with 45001 unread.
const LARGEST_BODY: usize = 16 << 20;

/// The APIs that the simulator answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST /cgi-bin/stable_token` (获取稳定版接口调用凭据.md).
    StableToken,
    /// `GET /cgi-bin/token` (获取接口调用凭据.md).
    Token,
    /// `GET /sns/jscode2session` (小程序登录凭证校验.md).
    Jscode2session,
    /// `POST /wxa/msg_sec_check` (文本内容安全识别.md).
    MsgSecCheck,
    /// `POST /wxa/media_check_async` (多媒体内容安全识别.md).
    MediaCheckAsync,
    /// `POST /wxa/img_sec_check`, version 1 only (framework/security.imgSecCheck).
    ImgSecCheck,
    /// `POST /cgi-bin/clear_quota` (openApi管理).
    ClearQuota,
    /// `POST /cgi-bin/clear_quota/v2`, with the secret instead of a token (openApi管理).
    ClearQuotaV2,
}

impl Api {
    const ALL: [Self; 8] = [
        Self::StableToken,
        Self::Token,
        Self::Jscode2session,
        Self::MsgSecCheck,
        Self::MediaCheckAsync,
        Self::ImgSecCheck,
        Self::ClearQuota,
        Self::ClearQuotaV2,
    ];

    /// Where WeChat serves it.
    pub fn path(self) -> &'static str {
        match self {
            Self::StableToken => "/cgi-bin/stable_token",
            Self::Token => "/cgi-bin/token",
            Self::Jscode2session => "/sns/jscode2session",
            Self::MsgSecCheck => "/wxa/msg_sec_check",
            Self::MediaCheckAsync => "/wxa/media_check_async",
            Self::ImgSecCheck => "/wxa/img_sec_check",
            Self::ClearQuota => "/cgi-bin/clear_quota",
            Self::ClearQuotaV2 => "/cgi-bin/clear_quota/v2",
        }
    }

    fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|api| api.path() == path)
    }

    fn is_read(self) -> bool {
        matches!(self, Self::Token | Self::Jscode2session)
    }
}

/// WeChat's refusal: an errcode that is not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) errcode: i64,
}

impl Refusal {
    pub(super) const fn of(errcode: i64) -> Self {
        Self { errcode }
    }

    /// WeChat's own words where they are known (`wechat-api.md` §1–§3, §7, §8).
    fn message(self) -> &'static str {
        match self.errcode {
            -1 => "system error",
            40001 => "invalid credential, access_token is invalid or not latest",
            40002 => "invalid grant_type",
            40003 => "invalid openid",
            40004 => "invalid media type",
            40006 => "invalid meida size",
            40013 => "invalid appid",
            40014 => "invalid access_token",
            40029 => "invalid code",
            40048 => "invalid url domain",
            40066 => "invalid url",
            40125 => "invalid appsecret",
            40129 => "invalid scene",
            40137 => "invalid image format",
            40163 => "code been used",
            40226 => "code blocked",
            41001 => "access_token missing",
            41002 => "appid missing",
            41004 => "appsecret missing",
            41005 => "media data missing",
            41008 => "missing code",
            42001 => "access_token expired",
            43001 => "require GET method",
            43002 => "require POST method",
            43104 => "this appid does not have permission",
            44002 => "empty post data",
            44991 => "reach max api minute frequence quota limit",
            45001 => "media size out of limit",
            45002 => "content size out of limit",
            45009 => "reach max api daily quota limit",
            45011 => "api minute-quota reach limit, must slower retry next minute",
            47001 => "data format error",
            48006 => "forbid to clear quota because of reaching the limit",
            61010 => "code is expired",
            87014 => "risky content",
            87020 => "repeat request limit exceeded",
            _ => "refused as told",
        }
    }
}

/// What came in.
pub(super) struct Call {
    pub(super) api: Api,
    pub(super) body: Bytes,
    pub(super) content_type: Option<String>,
    method: Method,
    query: Vec<(String, String)>,
}

impl Call {
    /// The value of a query parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON: 44002 if there is none, 47001 if it is not what it should be.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        if self.body.is_empty() {
            return Err(Refusal::of(44002));
        }
        serde_json::from_slice(&self.body).map_err(|_| Refusal::of(47001))
    }

    fn check_method(&self) -> Result<(), Refusal> {
        match (self.api.is_read(), &self.method) {
            (true, &Method::GET) | (false, &Method::POST) => Ok(()),
            (true, _) => Err(Refusal::of(43001)),
            (false, _) => Err(Refusal::of(43002)),
        }
    }

    /// The app that calls, as far as that can be known before anything is checked.
    fn app(&self, world: &World) -> Option<AppId> {
        #[derive(Deserialize)]
        struct Named {
            appid: String,
        }
        let by_token = || self.parameter("access_token").and_then(|token| world.app_of_token(token)).cloned();
        let named = || AppId::parse(self.parameter("appid")?).ok();
        let named_in_body = || AppId::parse(&serde_json::from_slice::<Named>(&self.body).ok()?.appid).ok();
        let the_only_one = || world.apps.keys().next().filter(|_| world.apps.len() == 1).cloned();
        by_token().or_else(named).or_else(named_in_body).or_else(the_only_one)
    }
}

/// Answers one call to WeChat.
pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(api) = Api::at(parts.uri.path()) else {
        return refused(&shared, None, Refusal::of(40066));
    };
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return refused(&shared, Some(api), Refusal::of(45001));
    };
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = pairs(parts.uri.query().unwrap_or_default());
    let call = Call { api, body, content_type, method: parts.method, query };

    match note(&shared, &call) {
        None => carry_out(&shared, &call).await,
        Some(failure) => fail(&shared, &call, failure, &connection).await,
    }
}

pub(super) fn pairs(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://localhost/") else { return Vec::new() };
    url.set_query(Some(query));
    url.query_pairs().into_owned().collect()
}

/// Counts the call, and says what is to go wrong with it.
fn note(shared: &Shared, call: &Call) -> Option<Failure> {
    let mut world = shared.world();
    let app_id = call.app(&world)?;
    let app = world.apps.get_mut(&app_id)?;
    *app.calls.entry(call.api).or_default() += 1;
    app.behaviour.take_failure(call.api)
}

async fn carry_out(shared: &Arc<Shared>, call: &Call) -> Response {
    let outcome = match call.check_method() {
        Err(refusal) => Err(refusal),
        Ok(()) => match call.api {
            Api::StableToken => tokens::stable_token(shared, call),
            Api::Token => tokens::plain_token(shared, call),
            Api::Jscode2session => login::jscode2session(shared, call),
            Api::MsgSecCheck => text::msg_sec_check(shared, call),
            Api::MediaCheckAsync => media::media_check_async(shared, call).await,
            Api::ImgSecCheck => pictures::img_sec_check(shared, call).await,
            Api::ClearQuota | Api::ClearQuotaV2 => clear_quota(shared, call),
        },
    };
    match outcome {
        Ok(body) => response(StatusCode::OK, Some(call.api), body.to_string()),
        Err(refusal) => refused(shared, Some(call.api), refusal),
    }
}

/// Lets a call go wrong as it was told.
async fn fail(shared: &Arc<Shared>, call: &Call, failure: Failure, connection: &Connection) -> Response {
    let usual = if failure.after_work { Some(carry_out(shared, call).await) } else { None };
    match failure.how {
        Fault::Errcode(errcode) => return refused(shared, Some(call.api), Refusal::of(errcode)),
        Fault::HttpStatus(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return response(status, None, "<html><body>upstream error</body></html>".to_owned());
        }
        Fault::NotJson => return response(StatusCode::OK, None, "<html><body>busy</body></html>".to_owned()),
        Fault::Empty => return response(StatusCode::OK, None, String::new()),
        Fault::Close => {
            // The response that follows cannot be written any more, and with that the connection ends.
            connection.cut();
            return response(StatusCode::OK, None, String::new());
        }
        // If the caller goes away meanwhile, the server drops this future, and the call was never answered.
        Fault::Hang => shared.hangs.hang().await,
        Fault::SlowMs(ms) => tokio::time::sleep(std::time::Duration::from_millis(ms)).await,
    }
    match usual {
        Some(usual) => usual,
        None => carry_out(shared, call).await,
    }
}

/// HTTP 200 with errcode and errmsg: so WeChat refuses.
fn refused(shared: &Shared, api: Option<Api>, refusal: Refusal) -> Response {
    let now = shared.clock.now();
    let rid = shared.world().fresh_word(now);
    let body = json!({ "errcode": refusal.errcode, "errmsg": format!("{} rid: {rid}", refusal.message()) });
    response(StatusCode::OK, api, body.to_string())
}

fn response(status: StatusCode, api: Option<Api>, body: String) -> Response {
    let content_type = match api {
        // Seen in practice, although it is JSON (`wechat-api.md` §8).
        Some(Api::Jscode2session) => "text/plain",
        Some(_) => "application/json; encoding=utf-8",
        None => "text/html",
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[derive(Deserialize)]
struct ClearQuotaBody {
    appid: Option<String>,
    appsecret: Option<String>,
}

/// An app's counters may be cleared so often a month (openApi管理); the two forms share the number.
const CLEARINGS_A_MONTH: usize = 10;
const MONTH: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 3600);

/// `POST /cgi-bin/clear_quota` and `/cgi-bin/clear_quota/v2`.
fn clear_quota(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let body: ClearQuotaBody;
    let app_id = if call.api == Api::ClearQuota {
        let app_id = world.admit_token(call.parameter("access_token"), now)?;
        body = call.json()?;
        if body.appid.as_deref() != Some(app_id.as_str()) {
            return Err(Refusal::of(40013));
        }
        app_id
    } else {
        body = call.json()?;
        world.admit_secret(body.appid.as_deref(), body.appsecret.as_deref())?
    };
    let app = world.apps.get_mut(&app_id).ok_or(Refusal::of(40013))?;
    let since: Timestamp = now.minus(MONTH);
    app.quota_clearings.retain(|at| *at > since);
    if app.quota_clearings.len() >= CLEARINGS_A_MONTH {
        return Err(Refusal::of(48006));
    }
    app.quota_clearings.push_back(now);
    app.usage.clear();
    Ok(json!({ "errcode": 0, "errmsg": "ok" }))
}
