//! Names that are computed, so that they are always the same: openids, accounts, digests.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use greenlight::domain::ids::AppId;
use sha2::{Digest, Sha256};

/// A real openid has 28 characters, and those of one app begin alike.
pub(crate) const OPENID_LENGTH: usize = 28;
const PREFIX: usize = 6;

/// How all openids of `app` begin.
pub(crate) fn openid_prefix(app: &AppId) -> String {
    let hash = BASE64URL_NOPAD.encode(&digest(&[b"app", app.as_str().as_bytes()]));
    format!("o{}", hash.get(..PREFIX - 1).unwrap_or_default())
}

/// The openid of the user called `name` in `app`: always the same, and different in every app.
pub(crate) fn openid_of(app: &AppId, name: &str) -> String {
    let hash = BASE64URL_NOPAD.encode(&digest(&[b"user", app.as_str().as_bytes(), name.as_bytes()]));
    openid_prefix(app) + hash.get(..OPENID_LENGTH - PREFIX).unwrap_or_default()
}

/// SHA-256 over `parts`, a zero byte after each.
pub(crate) fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// SHA-256 of a medium, as it stands in the record.
pub(crate) fn digest_of_bytes(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// The account that a push is for: `gh_` and twelve hexadecimal digits, as in the official examples.
pub(crate) fn account_of(app: &AppId) -> String {
    let hash = HEXLOWER.encode(&digest(&[b"account", app.as_str().as_bytes()]));
    format!("gh_{}", hash.get(..12).unwrap_or_default())
}
