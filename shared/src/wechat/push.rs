//! What WeChat pushes: from the query and body of a request to an event that is known to be WeChat's.
//!
//! The page is 消息推送 (message push),
//! <https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html>;
//! the event that matters is `wxa_media_check` of 多媒体内容安全识别,
//! <https://developers.weixin.qq.com/miniprogram/dev/server/API/sec-center/sec-check/api_mediacheckasync>.

mod body;
mod fields;
mod media_check;
#[cfg(test)]
mod tests;

use secrecy::ExposeSecret;

use self::body::Body;
use self::fields::Malformed;
use super::envelope::{self, EnvelopeError, PushKey};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, TraceId};
use crate::domain::outcome::Said;

/// The largest body that is read; WeChat's own have a few hundred bytes.
pub const MAX_PUSH_BYTES: usize = 1 << 20;

/// The longest `echostr` that is answered; WeChat's have 19 digits.
const MAX_ECHO_BYTES: usize = 256;

/// The parameters that WeChat puts into the URL of a push.
///
/// One that comes twice, or does not decode to UTF-8, is absent: nobody shall sign one and have us use another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushQuery {
    /// Over token, timestamp and nonce. It does not cover the body.
    pub signature: Option<String>,
    /// WeChat's time in seconds.
    pub timestamp: Option<String>,
    /// WeChat's random number.
    pub nonce: Option<String>,
    /// What to answer when the URL is set in WeChat's console.
    pub echostr: Option<String>,
    /// `aes` where the body is encrypted; else absent or `raw`.
    pub encrypt_type: Option<String>,
    /// Over token, timestamp, nonce and the encrypted message.
    pub msg_signature: Option<String>,
}

impl PushQuery {
    /// Reads what stands after the question mark of a URL.
    pub fn parse(raw_query: &str) -> Self {
        let value = |name: &str| {
            let mut named = raw_query.split('&').filter_map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (percent_decoded(key).as_deref() == Some(name)).then_some(value)
            });
            let first = named.next()?;
            if named.next().is_some() { None } else { percent_decoded(first) }
        };
        Self {
            signature: value("signature"),
            timestamp: value("timestamp"),
            nonce: value("nonce"),
            echostr: value("echostr"),
            encrypt_type: value("encrypt_type"),
            msg_signature: value("msg_signature"),
        }
    }

    /// Whether one of the tokens made `given` out of timestamp, nonce and, where there is one, the encrypted message.
    fn signed(&self, keys: &[PushKey], encrypt: Option<&str>, given: Option<&str>) -> Result<(), PushError> {
        let (Some(timestamp), Some(nonce), Some(given)) = (&self.timestamp, &self.nonce, given) else {
            return Err(PushError::NotAuthentic("the URL lacks a signature, a timestamp or a nonce"));
        };
        let made_by = |key: &PushKey| {
            let mut parts = vec![key.token.expose_secret(), timestamp.as_str(), nonce.as_str()];
            parts.extend(encrypt);
            envelope::signature_matches(&parts, given)
        };
        if keys.iter().any(made_by) {
            Ok(())
        } else {
            Err(PushError::NotAuthentic("the signature does not match; is the token the one in WeChat's console?"))
        }
    }
}

/// Undoes percent-encoding, `+` for a space included; nothing where that is no UTF-8 or a `%` lacks its two digits.
fn percent_decoded(text: &str) -> Option<String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Whether pushes in plaintext mode (明文模式) are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaintextPolicy {
    /// Only encrypted ones are.
    Refuse,
    /// They are, but nothing in them is trusted to be a pass.
    Allow,
}

/// A push that is known to be WeChat's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// What happened.
    pub event: PushEvent,
    /// Whether the signature covers the event. In plaintext mode it does not: whoever saw one push can forge others.
    pub secured: bool,
    /// `CreateTime`, to the second, where it is readable.
    pub created_at: Option<Timestamp>,
}

/// What WeChat pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushEvent {
    /// `wxa_media_check`: the end of a media check.
    MediaCheck(MediaCheck),
    /// Anything else; a mini program has one push URL for everything.
    Other {
        /// `MsgType`, empty where there is none; its first 64 characters.
        msg_type: String,
        /// `Event`, its first 64 characters.
        event: Option<String>,
    },
}

/// The end of a media check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaCheck {
    /// Which check; the answer to `media_check_async` named it.
    pub trace_id: TraceId,
    /// How it ended, and what was found.
    pub said: Said,
}

/// Why a push is not taken, by what its sender is to be told. The texts in it are for the operator alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// Not WeChat's, or not with our keys: 401, and time to read the keys again.
    #[error("the push is not authentic: {0}")]
    NotAuthentic(&'static str),
    /// Signed, but in plaintext mode: 403.
    #[error("the push is not encrypted; switch message push to security mode (安全模式) in WeChat's console")]
    PlaintextRefused,
    /// More than [`MAX_PUSH_BYTES`]: 413.
    #[error("the push is larger than {MAX_PUSH_BYTES} bytes")]
    TooLarge,
    /// Not what WeChat's documentation describes: 400.
    #[error("the push is malformed: {0}")]
    Malformed(&'static str),
    /// Encrypted for another app, or about one: 403.
    #[error("the push is for another app")]
    WrongApp,
}

impl From<Malformed> for PushError {
    fn from(Malformed(what): Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// Answers the request that WeChat makes when the push URL is set: its `echostr`, verbatim.
///
/// The signature does not cover `echostr`, so answer it as plain text.
///
/// # Errors
/// [`PushError::NotAuthentic`], or [`PushError::Malformed`] when `echostr` is absent or no short printable ASCII.
pub fn verify_url(keys: &[PushKey], query: &PushQuery) -> Result<String, PushError> {
    query.signed(keys, None, query.signature.as_deref())?;
    let echo = query.echostr.as_deref().unwrap_or_default();
    if (1..=MAX_ECHO_BYTES).contains(&echo.len()) && echo.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(echo.to_owned())
    } else {
        Err(PushError::Malformed("no echostr"))
    }
}

/// Takes a push to `app`.
///
/// Of the body nothing but `Encrypt` is read before the signature holds. Where there is an `Encrypt`, only what is
/// inside counts, whatever stands beside it (兼容模式, compatible mode). While keys are changed, any token may have
/// signed and any AES key may open: WeChat's console changes them one at a time.
pub fn receive(
    app: &AppId,
    keys: &[PushKey],
    policy: PlaintextPolicy,
    query: &PushQuery,
    body: &[u8],
) -> Result<Push, PushError> {
    if body.len() > MAX_PUSH_BYTES {
        return Err(PushError::TooLarge);
    }
    let body = Body::new(body)?;
    if let Some(encrypt) = body.encrypt()? {
        query.signed(keys, Some(&encrypt), query.msg_signature.as_deref())?;
        let message = opened(app, keys, &encrypt)?;
        return push_in(app, &Body::new(&message)?, true);
    }
    if query.encrypt_type.as_deref() == Some("aes") {
        return Err(PushError::NotAuthentic("the URL says that the body is encrypted, and it is not"));
    }
    query.signed(keys, None, query.signature.as_deref())?;
    match policy {
        PlaintextPolicy::Refuse => Err(PushError::PlaintextRefused),
        PlaintextPolicy::Allow => push_in(app, &body, false),
    }
}

fn opened(app: &AppId, keys: &[PushKey], encrypt: &str) -> Result<Vec<u8>, PushError> {
    let mut wrong_app = false;
    for key in keys {
        match envelope::open(&key.aes_key, encrypt, app) {
            Ok(message) => return Ok(message),
            Err(error) => wrong_app |= error == EnvelopeError::WrongApp,
        }
    }
    if wrong_app {
        Err(PushError::WrongApp)
    } else {
        Err(PushError::NotAuthentic("no AES key opens the message; is it the one in WeChat's console?"))
    }
}

fn push_in(app: &AppId, body: &Body<'_>, secured: bool) -> Result<Push, PushError> {
    let head = body.head()?;
    let event = if head.is("event", "wxa_media_check") {
        let fields = body.media_check()?;
        if !fields.may_be_about(app) {
            return Err(PushError::WrongApp);
        }
        PushEvent::MediaCheck(MediaCheck { trace_id: fields.trace_id()?, said: fields.said(secured) })
    } else {
        PushEvent::Other { msg_type: head.msg_type().unwrap_or_default(), event: head.event() }
    };
    Ok(Push { event, secured, created_at: head.created_at() })
}
