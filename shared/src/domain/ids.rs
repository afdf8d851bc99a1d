//! Names of things: apps, users, submissions, and the secrets in URLs.

use std::fmt;

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use super::text::is_unseen;

/// Base32 in lower case without padding: 26 characters for 16 bytes, safe in URLs, keys and file names.
fn base32() -> Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        specification.encoding().unwrap_or(BASE32_NOPAD)
    });
    ENCODING.clone()
}

/// Fills 16 bytes from the operating system and writes them in base32.
fn random_name() -> String {
    let mut bytes = [0_u8; 16];
    // The operating system's generator does not fail after boot; without randomness nothing here is safe, so stop.
    #[expect(clippy::expect_used, reason = "no randomness, no service")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    base32().encode(&bytes)
}

/// The first 16 bytes of SHA-256 over `parts`, each followed by a zero byte but the last, in base32.
fn hashed_name(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            hash.update([0]);
        }
        hash.update(part);
    }
    let digest = hash.finalize();
    base32().encode(digest.get(..16).unwrap_or_default())
}

fn is_base32_name(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
}

/// A text that is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not {expected}")]
pub struct NotAName {
    /// What was expected, with its article.
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes `text` if it has the right form. The error says what was expected; it never repeats the text.
            pub fn parse(text: &str) -> Result<Self, NotAName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) { Ok(Self(text.to_owned())) } else { Err(NotAName { expected: $expected }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
            }
        }
    };
}

macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    )*};
}

name!(
    /// One mini program, by WeChat's `appid`.
    AppId,
    "an app id (letters, digits, '_' or '-', at most 64)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
);
name!(
    /// A user of one app, by WeChat's `openid`. Personal: it is shown nowhere, not even in debug output.
    OpenId,
    "an openid (letters, digits, '_' or '-', at most 128)",
    |text| (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
);
name!(
    /// The author's name inside: the first 16 bytes of SHA-256(`app_id` 0x00 `openid`) in base32.
    /// No key to lose, and no openid in a URL or a log.
    AuthorId,
    "an author id (26 characters of base32)",
    is_base32_name
);
name!(
    /// A submission: 128 bits in base32.
    SubmissionId,
    "a submission id (26 characters of base32)",
    is_base32_name
);
name!(
    /// What makes a URL known to nobody but whom it was given: 128 random bits in base32. Not shown in debug output.
    UrlSecret,
    "a URL's secret (26 characters of base32)",
    is_base32_name
);
name!(
    /// WeChat's name for one media check, as it appears in the answer and in the push.
    TraceId,
    "a trace id (letters, digits, '_' or '-', at most 128)",
    |text| (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
);
name!(
    /// Where approved submissions are listed together: one of the owner's feeds.
    Channel,
    "a channel (a-z, 0-9, '_' or '-', at most 64)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_' || byte == b'-')
);

name!(
    /// Who works in the console, by the name that the owner's backend gave.
    ModeratorName,
    "a name (1 to 100 characters that can be seen)",
    |text| (1..=100).contains(&text.chars().count()) && !text.chars().any(|letter| letter.is_control() || is_unseen(letter)) && !text.trim().is_empty()
);
name!(
    /// A moderator of one app in keys and URLs: the first 16 bytes of SHA-256(`app_id` 0x00 name) in base32.
    ModeratorKey,
    "a moderator's key (26 characters of base32)",
    is_base32_name
);
name!(
    /// What a link into the console, or a session there, is known by: 128 random bits in base32. Not shown in debug output,
    /// and kept as its hash only.
    ConsoleToken,
    "a token of the console (26 characters of base32)",
    is_base32_name
);

shown!(AppId, AuthorId, SubmissionId, TraceId, Channel, ModeratorName, ModeratorKey);

impl fmt::Debug for ConsoleToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConsoleToken(…)")
    }
}

impl fmt::Debug for OpenId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("OpenId(…)")
    }
}

impl fmt::Debug for UrlSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UrlSecret(…)")
    }
}

impl AuthorId {
    /// The author that `openid` is in `app`.
    pub fn of(app: &AppId, openid: &OpenId) -> Self {
        Self(hashed_name(&[app.0.as_bytes(), openid.0.as_bytes()]))
    }
}

impl ModeratorKey {
    /// The key of that moderator of `app`.
    pub fn of(app: &AppId, name: &ModeratorName) -> Self {
        Self(hashed_name(&[b"moderator", app.0.as_bytes(), name.0.as_bytes()]))
    }
}

impl ConsoleToken {
    /// A new one.
    pub fn random() -> Self {
        Self(random_name())
    }

    /// What it is kept as: who reads the table cannot come in with that.
    pub fn hash(&self) -> String {
        hashed_name(&[b"console", self.0.as_bytes()])
    }

    /// What the forms of its session carry, so that no other site can send one. It leads back to no token.
    pub fn form_secret(&self) -> UrlSecret {
        UrlSecret(hashed_name(&[b"form", self.0.as_bytes()]))
    }
}

impl SubmissionId {
    /// A new id that nobody can guess.
    pub fn random() -> Self {
        Self(random_name())
    }

    /// The id that an author's idempotency key always leads to.
    ///
    /// The author's id is part of it, so no author can reach another's; it links nothing, for it is a hash.
    pub fn from_idempotency_key(app: &AppId, author: &AuthorId, key: &str) -> Self {
        Self(hashed_name(&[b"submission", app.0.as_bytes(), author.0.as_bytes(), key.as_bytes()]))
    }

    /// A number that spreads ids evenly: the first five bits, 0 to 31.
    pub fn spread(&self) -> u8 {
        match self.0.as_bytes().first() {
            Some(letter @ b'a'..=b'z') => letter - b'a',
            Some(digit @ b'2'..=b'7') => digit - b'2' + 26,
            _ => 0,
        }
    }
}

impl UrlSecret {
    /// A new one.
    pub fn random() -> Self {
        Self(random_name())
    }

    /// Compares with one that came from outside, in constant time.
    pub fn matches(&self, other: &str) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_author_is_the_same_for_the_same_app_and_openid_only() {
        let (one, two) = (AppId::parse("wx1").unwrap(), AppId::parse("wx2").unwrap());
        let openid = OpenId::parse("o1").unwrap();
        assert_eq!(AuthorId::of(&one, &openid), AuthorId::of(&one, &openid));
        assert_ne!(AuthorId::of(&one, &openid), AuthorId::of(&two, &openid));
        // sha256("wx1" 00 "o1"), first 16 bytes, base32: computed with Python's hashlib and base64.
        assert_eq!(AuthorId::of(&one, &openid).as_str(), PYTHON_SAYS);
    }

    const PYTHON_SAYS: &str = "hbgpgpcfzhevotvazzziljq4vi";

    #[test]
    fn an_openid_is_not_shown() {
        assert_eq!(format!("{:?}", OpenId::parse("oSecret").unwrap()), "OpenId(…)");
    }

    #[test]
    fn names_from_outside_are_checked() {
        for bad in ["", "a/b", "a b", "ä", &"x".repeat(129), "a\0"] {
            assert!(AppId::parse(bad).is_err());
            assert!(OpenId::parse(bad).is_err());
            assert!(TraceId::parse(bad).is_err());
            assert!(SubmissionId::parse(bad).is_err());
        }
        assert!(Channel::parse("Square").is_err());
        assert!(Channel::parse("square-1_a").is_ok());
    }

    #[test]
    fn secrets_differ_and_have_26_characters() {
        let (one, two) = (UrlSecret::random(), UrlSecret::random());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 26);
        assert!(one.matches(one.as_str()) && !one.matches(two.as_str()));
    }

    #[test]
    fn ids_spread_over_all_shards() {
        let seen: std::collections::BTreeSet<u8> = (0..2000).map(|_| SubmissionId::random().spread()).collect();
        assert_eq!(seen.len(), 32);
    }
}
