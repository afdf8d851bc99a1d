//! Webhooks as Standard Webhooks 1.0 has them: what an owner's backend is told bears a name, a time and a signature.
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>)

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

/// The specification's bounds, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
const PREFIX: &str = "whsec_";

/// What webhooks of an app are signed with.
#[derive(Clone)]
pub struct WebhookKey(Arc<SecretBox<Vec<u8>>>);

impl fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookKey(…)")
    }
}

/// A text that is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it must be whsec_ and the base64 of 24 to 64 random bytes")]
pub struct NotAWebhookKey;

impl WebhookKey {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// When it is anything else, or too short or too long.
    pub fn parse(text: &SecretString) -> Result<Self, NotAWebhookKey> {
        let bytes = text.expose_secret().strip_prefix(PREFIX).and_then(|key| STANDARD.decode(key).ok());
        let bytes = bytes.filter(|bytes| KEY_BYTES.contains(&bytes.len())).ok_or(NotAWebhookKey)?;
        Ok(Self(Arc::new(SecretBox::new(Box::new(bytes)))))
    }

    /// The headers of a webhook that has this name, which stays the same however often it is sent, is sent at this time, in
    /// seconds since 1970, and has this body.
    pub fn headers(&self, name: &str, at: i64, body: &[u8]) -> HeaderMap {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("any length");
        let at = at.to_string();
        for piece in [name.as_bytes(), b".", at.as_bytes(), b".", body] {
            mac.update(piece);
        }
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let header = |name, value: &str| Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?));
        let headers = [
            header("webhook-id", name),
            header("webhook-timestamp", &at),
            header("webhook-signature", &signature),
            header("content-type", "application/json"),
        ];
        headers.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specifications_example_is_signed_as_it_has_it() {
        let key = WebhookKey::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let headers = key.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers["webhook-timestamp"], "1614265330");
        assert_eq!(headers["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused_and_none_is_shown() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for bad in ["", "whsec_", "hunter2", "whsec_hunter2!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &of(23), &of(65)] {
            assert_eq!(WebhookKey::parse(&bad.into()).unwrap_err(), NotAWebhookKey, "{bad}");
        }
        let key = WebhookKey::parse(&of(24).into()).unwrap();
        assert_eq!(format!("{key:?}"), "WebhookKey(…)");
        WebhookKey::parse(&of(64).into()).unwrap();
    }
}
