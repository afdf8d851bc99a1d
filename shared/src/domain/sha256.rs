//! The SHA-256 by which bytes are known: those that were judged are those that are served.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest;

/// A SHA-256. Written, stored and sent in one way: 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256([u8; 32]);

/// A text that is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a SHA-256 (64 hexadecimal digits in lower case)")]
pub struct NotASha256;

impl Sha256 {
    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Reads 64 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, NotASha256> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| NotASha256)?;
        bytes.try_into().map(Self).map_err(|_| NotASha256)
    }

    /// The 32 bytes, for whoever writes them otherwise (AWS wants base64).
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_in_one_way_and_read_in_no_other() {
        // FIPS 180-4's example: SHA-256("abc").
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Sha256::of(b"abc").to_string(), abc);
        assert_eq!(Sha256::parse(abc), Ok(Sha256::of(b"abc")));
        assert_eq!(serde_json::to_string(&Sha256::of(b"abc")).unwrap(), format!("\"{abc}\""));
        for other in ["", "ba78", &abc.to_uppercase(), &format!("{abc}00"), &abc.replace('b', "g")] {
            assert_eq!(Sha256::parse(other), Err(NotASha256), "{other}");
        }
    }
}
