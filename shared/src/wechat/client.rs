//! The client: one method for each of WeChat's APIs that are called.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::detail::findings;
use super::error::{Class, WeChatError};
use crate::domain::base_url::BaseUrl;
use crate::domain::finding::Finding;
use crate::domain::ids::{AppId, OpenId, TraceId};
use crate::domain::media::MediaKind;
use crate::domain::submission::Scene;
use crate::domain::text::{Hints, judged_form};
use crate::domain::verdict::{Label, Suggest, Verdict};

/// How long any single call may take; a caller with a tighter deadline stops waiting sooner.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// No answer of WeChat's is longer; what is, is not WeChat's.
const LONGEST_ANSWER: usize = 256 * 1024;

/// WeChat's servers.
#[derive(Clone, Debug)]
pub struct WeChat {
    http: reqwest::Client,
    base: BaseUrl,
}

/// A token and for how long it is good.
#[derive(Clone, Debug)]
pub struct FreshToken {
    /// The access token.
    pub token: SecretString,
    /// How long WeChat takes it from now on; may be short.
    pub expires_in: Duration,
}

/// WeChat's answer about a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextJudged {
    /// The verdict.
    pub verdict: Verdict,
    /// What was found, if it is no pass.
    pub findings: Vec<Finding>,
    /// WeChat's name for the check.
    pub trace_id: Option<TraceId>,
}

/// What WeChat said to a media check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaAnswer {
    /// It was taken; the verdict will be pushed under this name.
    Taken(TraceId),
    /// It was judged at once.
    Judged(Verdict),
}

/// A text to be judged: at most 2,500 characters.
#[derive(Clone, Copy, Debug)]
pub struct TextCheck<'a> {
    /// The text.
    pub content: &'a str,
    /// What else WeChat is told.
    pub hints: Hints<'a>,
    /// The scene.
    pub scene: Scene,
    /// The author.
    pub openid: &'a OpenId,
}

/// A picture or sound to be judged: at most 10 MB.
#[derive(Clone, Copy, Debug)]
pub struct MediaCheck<'a> {
    /// Where WeChat downloads it.
    pub url: &'a str,
    /// What it is.
    pub kind: MediaKind,
    /// The scene.
    pub scene: Scene,
    /// The author.
    pub openid: &'a OpenId,
}

/// Who calls, where WeChat wants the secret itself and no token.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    /// The app.
    pub app_id: &'a AppId,
    /// Its AppSecret.
    pub app_secret: &'a SecretString,
}

/// Whether a request's body was asked for by the connection: from then on WeChat may have read the request, and before
/// it cannot have. Its clones are one.
#[derive(Clone, Debug, Default)]
pub struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Whether it was.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A request's body that notes when it is asked for.
struct NotedBody {
    bytes: Option<Bytes>,
    asked: Asked,
}

impl http_body::Body for NotedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.asked.0.store(true, Ordering::SeqCst);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    // It becomes `Content-Length`; WeChat is not known to take chunks.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX)))
    }
}

/// Whether a request may reach WeChat twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twice {
    /// The second answer is as good as the first.
    Harmless,
    /// What the first has begun or used up is lost with its answer.
    Harmful,
}

/// What stands between the parts of a form: no JPEG holds it, for it is no marker and longer than any run of chance.
const BOUNDARY: &str = "----greenlight-5f0d3c6a9b7e4182";

/// A number that WeChat may send as a string.
fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    match Option::<serde_json::Value>::deserialize(deserializer)? {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(serde_json::Value::Number(number)) => Ok(Some(number.as_i64().unwrap_or(i64::MIN))),
        Some(serde_json::Value::String(text)) => Ok(Some(text.parse().unwrap_or(i64::MIN))),
        // Neither: a value that no code has, so that it is an error and never a success.
        Some(_) => Ok(Some(i64::MIN)),
    }
}

#[derive(Deserialize)]
struct Status {
    #[serde(default, deserialize_with = "number")]
    errcode: Option<i64>,
    #[serde(default)]
    errmsg: String,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct LoginAnswer {
    openid: OpenId,
}

#[derive(Deserialize)]
struct TextAnswer {
    result: Option<ResultFields>,
    trace_id: Option<String>,
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ResultFields {
    suggest: Option<String>,
    #[serde(default, deserialize_with = "number")]
    label: Option<i64>,
}

#[derive(Deserialize)]
struct ImageAnswer {
    #[serde(default, deserialize_with = "number")]
    errcode: Option<i64>,
}

#[derive(Deserialize)]
struct MediaAnswerFields {
    trace_id: Option<String>,
}

const V1_RISKY: Verdict = Verdict { suggest: Suggest::Risky, label: Some(Label(21000)) };

impl WeChat {
    /// WeChat's servers at `base`, normally `https://api.weixin.qq.com`.
    pub fn new(http: reqwest::Client, base: BaseUrl) -> Self {
        Self { http, base }
    }

    /// Opens a connection, so that the first call need not: asks for nothing in particular, and does not care for the
    /// answer.
    pub async fn connect(&self) {
        let request = self.http.head(self.base.as_str()).timeout(CALL_TIMEOUT);
        if let Err(error) = request.send().await {
            tracing::debug!(event = "wechat_not_connected", error = %error.without_url(), "no connection to WeChat at the start");
        }
    }

    /// Sends a request and reads the answer, if it has no `errcode` but 0.
    ///
    /// Where no connection comes about the request is made once more: a packet that is lost costs the connect timeout, and
    /// a second attempt is the quicker way. So it is where the connection ends without an answer, if the request may be made
    /// `twice`: a sandbox that was frozen finds its connections dead when it writes to them, and not before.
    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        api: &'static str,
        twice: Twice,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<T, WeChatError> {
        // The URL holds the token or the secret, so it must not be in the error.
        let unanswered = |error: reqwest::Error| {
            let error = error.without_url();
            match () {
                () if error.is_connect() => WeChatError::unreached(api),
                () if error.is_timeout() => WeChatError::unanswered(api, "timed out"),
                () => WeChatError::unanswered(api, "connection broken"),
            }
        };
        let send = || request().timeout(CALL_TIMEOUT).send();
        let again = |error: &reqwest::Error| {
            error.is_connect() || (twice == Twice::Harmless && error.is_request() && !error.is_timeout())
        };
        let answer = match send().await {
            Err(error) if again(&error) => send().await,
            answer => answer,
        };
        let mut answer = answer.map_err(unanswered)?;
        if !answer.status().is_success() {
            return Err(WeChatError::unanswered(api, format!("HTTP {}", answer.status().as_u16())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(WeChatError::unanswered(api, "the answer is too long"));
            }
        }
        // Content types vary (jscode2session answers text/plain), so the bytes decide.
        let status: Status =
            serde_json::from_slice(&body).map_err(|_| WeChatError::unanswered(api, "the answer is not JSON"))?;
        match status.errcode {
            None | Some(0) => {}
            Some(errcode) => return Err(WeChatError::answered(api, errcode, &status.errmsg)),
        }
        serde_json::from_slice(&body).map_err(|_| WeChatError::unanswered(api, "the answer lacks what it should have"))
    }

    /// Posts JSON and notes in `asked` when its body goes out.
    ///
    /// serde_json writes UTF-8 as it is, but for control characters, which no judged text has ([`judged_form`]): WeChat is
    /// said to pass anything that is written as `\u` escapes.
    async fn post<T: for<'de> Deserialize<'de>>(
        &self,
        api: &'static str,
        twice: Twice,
        url: String,
        body: &impl Serialize,
        asked: &Asked,
    ) -> Result<T, WeChatError> {
        let json = Bytes::from(serde_json::to_vec(body).unwrap_or_default());
        self.post_bytes((api, twice), url, "application/json; charset=utf-8", json, asked).await
    }

    async fn post_bytes<T: for<'de> Deserialize<'de>>(
        &self,
        (api, twice): (&'static str, Twice),
        url: String,
        content_type: &str,
        bytes: Bytes,
        asked: &Asked,
    ) -> Result<T, WeChatError> {
        let request = || {
            let body = NotedBody { bytes: Some(bytes.clone()), asked: asked.clone() };
            self.http.post(&url).header("content-type", content_type).body(reqwest::Body::wrap(body))
        };
        self.call(api, twice, request).await
    }

    fn with_token(&self, path: &str, token: &SecretString) -> String {
        format!("{}?access_token={}", self.base.join(path), query_value(token.expose_secret()))
    }

    /// The app's current token, in normal mode: WeChat gives the same one until it nears its end.
    /// (WeChat: getStableAccessToken.)
    pub async fn stable_token(&self, app: Credentials<'_>) -> Result<FreshToken, WeChatError> {
        #[derive(Serialize)]
        struct Body<'a> {
            grant_type: &'static str,
            appid: &'a str,
            secret: &'a str,
            force_refresh: bool,
        }
        let body = Body {
            grant_type: "client_credential",
            appid: app.app_id.as_str(),
            secret: app.app_secret.expose_secret(),
            force_refresh: false,
        };
        let url = self.base.join("cgi-bin/stable_token");
        let answer: TokenAnswer = self.post("stable_token", Twice::Harmless, url, &body, &Asked::default()).await?;
        if answer.access_token.is_empty() || answer.expires_in == 0 {
            return Err(WeChatError::unanswered("stable_token", "an empty token"));
        }
        // WeChat's tokens live two hours at most; a larger figure would only make us hold on to a dead one.
        let expires_in = Duration::from_secs(answer.expires_in.min(7200));
        Ok(FreshToken { token: answer.access_token.into(), expires_in })
    }

    /// The user that a code from wx.login belongs to. (WeChat: code2Session.) Its session_key is not even read.
    pub async fn code_to_session(&self, app: Credentials<'_>, code: &str) -> Result<OpenId, WeChatError> {
        let url = format!(
            "{}?appid={}&secret={}&js_code={}&grant_type=authorization_code",
            self.base.join("sns/jscode2session"),
            query_value(app.app_id.as_str()),
            query_value(app.app_secret.expose_secret()),
            query_value(code),
        );
        let answer: LoginAnswer = self.call("jscode2session", Twice::Harmful, || self.http.get(&url)).await?;
        Ok(answer.openid)
    }

    /// WeChat's verdict on a text. (WeChat: msgSecCheck, version 2.)
    pub async fn check_text(
        &self,
        token: &SecretString,
        check: TextCheck<'_>,
        asked: &Asked,
    ) -> Result<TextJudged, WeChatError> {
        const API: &str = "msg_sec_check";
        #[derive(Serialize)]
        struct Body<'a> {
            content: &'a str,
            version: u8,
            scene: u8,
            openid: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            title: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            nickname: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            signature: Option<&'a str>,
        }
        let (title, nickname, signature) = (
            check.hints.title.map(judged_form),
            check.hints.nickname.map(judged_form),
            check.hints.signature.map(judged_form),
        );
        let body = Body {
            content: check.content,
            version: 2,
            scene: check.scene.number(),
            openid: check.openid.as_str(),
            title: title.as_deref(),
            nickname: nickname.as_deref(),
            signature: signature.as_deref(),
        };
        let url = self.with_token("wxa/msg_sec_check", token);
        let answer: TextAnswer = match self.post(API, Twice::Harmless, url, &body, asked).await {
            Err(error) if error.class == Class::Risky => {
                return Ok(TextJudged { verdict: V1_RISKY, findings: Vec::new(), trace_id: None });
            }
            answer => answer?,
        };
        let result = answer.result.ok_or_else(|| WeChatError::unanswered(API, "no result in the answer"))?;
        let verdict = Verdict::from_result(result.suggest.as_deref(), result.label);
        Ok(TextJudged {
            findings: findings(verdict, answer.detail.as_ref()),
            verdict,
            trace_id: answer.trace_id.and_then(|trace_id| TraceId::parse(&trace_id).ok()),
        })
    }

    /// Asks WeChat to judge a picture or sound. (WeChat: mediaCheckAsync, version 2.)
    pub async fn check_media(
        &self,
        token: &SecretString,
        check: MediaCheck<'_>,
        asked: &Asked,
    ) -> Result<MediaAnswer, WeChatError> {
        const API: &str = "media_check_async";
        #[derive(Serialize)]
        struct Body<'a> {
            media_url: &'a str,
            media_type: u8,
            version: u8,
            scene: u8,
            openid: &'a str,
        }
        let body = Body {
            media_url: check.url,
            media_type: check.kind.wechat_media_type(),
            version: 2,
            scene: check.scene.number(),
            openid: check.openid.as_str(),
        };
        let url = self.with_token("wxa/media_check_async", token);
        let answer: MediaAnswerFields = match self.post(API, Twice::Harmful, url, &body, asked).await {
            Err(error) if error.class == Class::Risky => return Ok(MediaAnswer::Judged(V1_RISKY)),
            answer => answer?,
        };
        let trace_id = answer.trace_id.and_then(|trace_id| TraceId::parse(&trace_id).ok());
        trace_id.map(MediaAnswer::Taken).ok_or_else(|| WeChatError::unanswered(API, "no trace_id in the answer"))
    }
}

impl WeChat {
    /// WeChat's verdict on a picture that goes along: a JPEG of at most 750 by 1,334 pixels and less than 1 MB. It knows
    /// `pass` and `risky` alone. (WeChat: imgSecCheck, version 1.)
    pub async fn check_image(&self, token: &SecretString, jpeg: &Bytes) -> Result<Suggest, WeChatError> {
        const API: &str = "img_sec_check";
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"media\"; filename=\"picture.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n"
        );
        let tail = format!("\r\n--{BOUNDARY}--\r\n");
        let body = Bytes::from([head.as_bytes(), jpeg, tail.as_bytes()].concat());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let url = self.with_token("wxa/img_sec_check", token);
        match self.post_bytes::<ImageAnswer>((API, Twice::Harmless), url, &content_type, body, &Asked::default()).await
        {
            Ok(ImageAnswer { errcode: Some(0) }) => Ok(Suggest::Pass),
            // Nothing but WeChat's own "0" is a pass.
            Ok(_) => Err(WeChatError::unanswered(API, "no errcode in the answer")),
            Err(error) if error.class == Class::Risky => Ok(Suggest::Risky),
            Err(error) => Err(error),
        }
    }
}

/// Writes `text` so that it is one value in a query: RFC 3986's unreserved characters stay, the rest is escaped.
fn query_value(text: &str) -> String {
    use std::fmt::Write;
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_query_cannot_break_out() {
        assert_eq!(query_value("a&b=c#d/é~_.-"), "a%26b%3Dc%23d%2F%C3%A9~_.-");
    }

    #[test]
    fn an_errcode_that_is_no_number_is_never_a_success() {
        for (json, errcode) in [
            (r#"{"errcode":0}"#, Some(0)),
            (r#"{"errcode":"0"}"#, Some(0)),
            (r#"{"errcode":"45009"}"#, Some(45009)),
            ("{}", None),
            (r#"{"errcode":null}"#, None),
            (r#"{"errcode":"zero"}"#, Some(i64::MIN)),
            (r#"{"errcode":[]}"#, Some(i64::MIN)),
            (r#"{"errcode":0.5}"#, Some(i64::MIN)),
        ] {
            assert_eq!(serde_json::from_str::<Status>(json).unwrap().errcode, errcode, "{json}");
        }
    }
}
