//! Signed tokens: what we hand out and must recognise when it comes back: sessions, uploads, cursors.
//!
//! Each is a JSON Web Token with HMAC-SHA-256 (RFC 7515, RFC 7519) and a purpose of its own, so that none serves as
//! another. The header is fixed and compared as a whole: there is no algorithm to choose, and so none to confuse.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::apps::Apps;
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, AuthorId, OpenId};
use crate::domain::media::{MediaKind, MediaType};
use crate::domain::picture_hash::PictureHash;
use crate::domain::sha256::Sha256 as Digest;
use crate::secrets::Secrets;

/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// No token of ours is longer.
const LONGEST: usize = 4_096;

/// What a token is for.
pub trait Purpose: Serialize + DeserializeOwned {
    /// The name of the purpose; it stands in the token as `aud`.
    const NAME: &'static str;
}

/// A session: who calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The app.
    pub app: AppId,
    /// The user.
    #[serde(rename = "sub")]
    pub openid: OpenId,
}

impl Purpose for Session {
    const NAME: &'static str = "session";
}

/// An upload: bytes that were made safe and hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// The app.
    pub app: AppId,
    /// Who uploaded; nobody else can submit it.
    pub author: AuthorId,
    /// What the bytes are known by.
    pub sha256: Digest,
    /// What was uploaded is known by: an encoder that is newer makes other bytes of it.
    pub source: Digest,
    /// What they are.
    #[serde(rename = "type")]
    pub media_type: MediaType,
    /// How many.
    pub size: u64,
    /// Where they lie.
    pub key: String,
    /// How wide and high a picture is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<(u32, u32)>,
    /// What a picture looks like, if it looks like anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<PictureHash>,
    /// What its metadata said of being made by a machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ai_label: Option<serde_json::Value>,
}

impl Purpose for Upload {
    /// Uploads of before, which knew neither their source nor their size, were for `upload`.
    const NAME: &'static str = "medium";
}

/// A form that somebody may upload with, and has yet to complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The app.
    pub app: AppId,
    /// Whose it is.
    pub author: AuthorId,
    /// What is to be uploaded.
    pub kind: MediaKind,
    /// Where it will lie.
    pub key: String,
}

impl Purpose for Form {
    const NAME: &'static str = "form";
}

/// A place in a list: good for the same list and the same asker only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which list.
    pub list: String,
    /// Who asked.
    pub asker: String,
    /// The place of the last entry shown.
    pub after: String,
}

impl Purpose for Cursor {
    const NAME: &'static str = "cursor";
}

#[derive(Serialize, Deserialize)]
struct Claims<T> {
    aud: String,
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    body: T,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotOurs {
    /// We did not sign it, or not for this.
    #[error("not signed by us for this")]
    Forged,
    /// Its time is over.
    #[error("expired")]
    Expired,
}

fn mac(key: &SecretString, message: &str) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("a key of any length");
    mac.update(message.as_bytes());
    mac
}

/// Signs `body` with the first of `keys`, good until `expires`.
///
/// Without a key there is no token: the result is empty, which [`verify`] takes from nobody.
pub fn sign<T: Purpose>(keys: &[SecretString], body: &T, now: Timestamp, expires: Timestamp) -> String {
    let claims = Claims { aud: T::NAME.to_owned(), iat: now.unix_seconds(), exp: expires.unix_seconds(), body };
    let (Some(key), Ok(json)) = (keys.first(), serde_json::to_vec(&claims)) else { return String::new() };
    let message = format!("{HEADER}.{}", BASE64URL_NOPAD.encode(&json));
    let signature = BASE64URL_NOPAD.encode(&mac(key, &message).finalize().into_bytes());
    format!("{message}.{signature}")
}

/// Reads a token that was signed for the purpose `T`; if it is not ours, once more with newly read keys, for another
/// process may have signed it with a key that is newer than what this one has read.
pub async fn verify_or_read_again<T: Purpose>(
    secrets: &Secrets,
    apps: &Apps,
    token: &str,
    now: Timestamp,
) -> Result<T, NotOurs> {
    match verify(apps.session_keys(), token, now) {
        Err(NotOurs::Forged) => match secrets.fresh().await {
            Some(apps) => verify(apps.session_keys(), token, now),
            None => Err(NotOurs::Forged),
        },
        verified => verified,
    }
}

/// Reads a token that one of `keys` signed for the purpose `T`. The signature is compared in constant time.
pub fn verify<T: Purpose>(keys: &[SecretString], token: &str, now: Timestamp) -> Result<T, NotOurs> {
    if token.len() > LONGEST {
        return Err(NotOurs::Forged);
    }
    let (message, signature) = token.rsplit_once('.').ok_or(NotOurs::Forged)?;
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).map_err(|_| NotOurs::Forged)?;
    let signed = keys.iter().fold(false, |signed, key| mac(key, message).verify_slice(&signature).is_ok() | signed);
    let payload = message.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('.')).filter(|_| signed);
    let json = BASE64URL_NOPAD.decode(payload.ok_or(NotOurs::Forged)?.as_bytes()).map_err(|_| NotOurs::Forged)?;
    let claims: Claims<serde_json::Value> = serde_json::from_slice(&json).map_err(|_| NotOurs::Forged)?;
    if claims.aud != T::NAME {
        return Err(NotOurs::Forged);
    }
    if now.unix_seconds() >= claims.exp {
        return Err(NotOurs::Expired);
    }
    serde_json::from_value(claims.body).map_err(|_| NotOurs::Forged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(keys: &[&str]) -> Vec<SecretString> {
        keys.iter().map(|key| SecretString::from(*key)).collect()
    }

    fn session() -> Session {
        Session { app: AppId::parse("wx1").unwrap(), openid: OpenId::parse("o1").unwrap() }
    }

    #[test]
    fn the_header_says_hs256() {
        assert_eq!(BASE64URL_NOPAD.decode(HEADER.as_bytes()).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
    }

    #[test]
    fn a_token_is_good_until_it_expires_with_the_current_or_the_previous_key() {
        let token = sign(&keys(&["old"]), &session(), Timestamp(0), Timestamp(10_000));
        for ours in [&["old"][..], &["new", "old"]] {
            assert_eq!(verify(&keys(ours), &token, Timestamp(9_999)), Ok(session()));
            assert_eq!(verify::<Session>(&keys(ours), &token, Timestamp(10_000)), Err(NotOurs::Expired));
        }
        assert_eq!(verify::<Session>(&keys(&["new"]), &token, Timestamp(0)), Err(NotOurs::Forged));
    }

    #[test]
    fn a_token_for_one_purpose_does_not_serve_another() {
        let token = sign(&keys(&["key"]), &session(), Timestamp(0), Timestamp(10_000));
        assert_eq!(verify::<Cursor>(&keys(&["key"]), &token, Timestamp(0)), Err(NotOurs::Forged));
    }

    #[test]
    fn without_a_key_nothing_is_ours() {
        let token = sign(&[], &session(), Timestamp(0), Timestamp(10_000));
        assert_eq!(verify::<Session>(&[], &token, Timestamp(0)), Err(NotOurs::Forged));
        assert_eq!(verify::<Session>(&keys(&[""]), "", Timestamp(0)), Err(NotOurs::Forged));
    }

    #[test]
    fn a_token_signed_with_no_algorithm_is_forged() {
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
        let token = sign(&keys(&["key"]), &session(), Timestamp(0), Timestamp(10_000));
        let payload = token.split('.').nth(1).unwrap();
        for forged in [format!("{none}.{payload}."), format!("{HEADER}.{payload}."), format!("{HEADER}.{payload}.AA")] {
            assert_eq!(verify::<Session>(&keys(&["key"]), &forged, Timestamp(0)), Err(NotOurs::Forged));
        }
    }

    proptest! {
        #[test]
        fn no_other_text_is_taken_for_ours(text in "\\PC{0,200}", at in 0_usize..300, to in "[A-Za-z0-9_.-]") {
            prop_assert_eq!(verify::<Session>(&keys(&["key"]), &text, Timestamp(0)), Err(NotOurs::Forged));
            let token = sign(&keys(&["key"]), &session(), Timestamp(0), Timestamp(10_000));
            let changed: String =
                token.chars().enumerate().map(|(place, letter)| if place == at { to.clone() } else { letter.to_string() }).collect();
            prop_assert!(changed == token || verify::<Session>(&keys(&["key"]), &changed, Timestamp(0)).is_err());
        }
    }
}
