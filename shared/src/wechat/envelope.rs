//! The envelope around a push: its signatures, and the encryption of the security mode.
//!
//! Everything here is from WeChat's page 消息推送 (message push),
//! <https://developers.weixin.qq.com/miniprogram/dev/framework/server-ability/message-push.html>,
//! whose worked examples are among the tests.

use std::fmt;
use std::sync::Arc;

use aes::Aes256;
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use data_encoding::HEXLOWER;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::domain::ids::AppId;

/// WeChat pads to whole blocks of this many bytes, twice AES's own block.
const PADDED_BLOCK: usize = 32;
/// Before the message stand 16 random bytes and its length in four.
const RANDOM: usize = 16;
const LENGTH: usize = 4;

/// Three of four keys that WeChat makes end in a character whose last two bits mean nothing and are not zero;
/// a strict decoder refuses those.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// What one setting of the push page (消息推送) gives: its Token and its EncodingAESKey.
///
/// Debug output shows neither.
#[derive(Clone, Debug)]
pub struct PushKey {
    /// Token: signs every push.
    pub token: SecretString,
    /// EncodingAESKey: encrypts the pushes of the security mode.
    pub aes_key: AesKey,
}

/// An EncodingAESKey. Debug output does not show it.
#[derive(Clone)]
pub struct AesKey(Arc<SecretBox<[u8; 32]>>);

/// A text that is no EncodingAESKey. The text is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an EncodingAESKey (43 characters: letters, digits, '+' or '/')")]
pub struct BadAesKey;

impl AesKey {
    /// Reads the 43 characters that WeChat's console shows: 32 bytes in base64, its closing `=` left out.
    pub fn parse(text: &str) -> Result<Self, BadAesKey> {
        let mut key = SecretBox::new(Box::new([0_u8; 32]));
        if text.len() != 43 {
            return Err(BadAesKey);
        }
        let written = KEY_BASE64.decode_slice(text, key.expose_secret_mut()).map_err(|_| BadAesKey)?;
        if written == 32 { Ok(Self(Arc::new(key))) } else { Err(BadAesKey) }
    }

    /// The initialisation vector is the first half of the key, so it is the same for every message.
    fn initialisation_vector(&self) -> [u8; 16] {
        let mut vector = [0; 16];
        vector.iter_mut().zip(self.0.expose_secret()).for_each(|(to, from)| *to = *from);
        vector
    }
}

impl fmt::Debug for AesKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AesKey(…)")
    }
}

/// Signs as WeChat does: SHA-1, in lower-case hex, of all parts in bytewise order, joined.
///
/// The parts of `signature` are token, timestamp and nonce; `msg_signature` has the encrypted text besides.
pub fn signature(parts: &[&str]) -> String {
    let mut parts = parts.to_vec();
    parts.sort_unstable();
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    HEXLOWER.encode(&hash.finalize())
}

/// Whether `given` is the signature of the parts, compared in constant time.
///
/// Never if a part is empty: with an empty token everybody could sign.
pub fn signature_matches(parts: &[&str], given: &str) -> bool {
    !parts.is_empty()
        && parts.iter().all(|part| !part.is_empty())
        && bool::from(signature(parts).as_bytes().ct_eq(given.as_bytes()))
}

/// Why an encrypted message does not open. Never tell it to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not base64.
    #[error("the encrypted message is not base64")]
    NotBase64,
    /// No whole blocks of 32 bytes.
    #[error("the encrypted message is cut off")]
    CutOff,
    /// Opened, the end is no padding: another key encrypted it, or it was changed.
    #[error("the AES key does not open the message")]
    BadPadding,
    /// Opened, it is shorter than it says.
    #[error("the message is shorter than it says")]
    BadLength,
    /// Opened, it is addressed to another app.
    #[error("the message is for another app")]
    WrongApp,
}

/// Opens an encrypted message that is addressed to `app`.
///
/// Inside stand 16 random bytes, the message's length in four bytes, the message, the app id, and 1 to 32 bytes of
/// padding, each of them the number of them. All of that is checked.
pub fn open(key: &AesKey, encrypt_base64: &str, app: &AppId) -> Result<Vec<u8>, EnvelopeError> {
    let encrypted = STANDARD.decode(encrypt_base64).map_err(|_| EnvelopeError::NotBase64)?;
    if encrypted.is_empty() || encrypted.len() % PADDED_BLOCK != 0 {
        return Err(EnvelopeError::CutOff);
    }
    let decryptor = cbc::Decryptor::<Aes256>::new(key.0.expose_secret().into(), &key.initialisation_vector().into());
    let padded = decryptor.decrypt_padded_vec::<NoPadding>(&encrypted).map_err(|_| EnvelopeError::CutOff)?;

    let (_random, rest) = unpadded(&padded)?.split_at_checked(RANDOM).ok_or(EnvelopeError::BadLength)?;
    let (length, rest) = rest.split_first_chunk::<LENGTH>().ok_or(EnvelopeError::BadLength)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| EnvelopeError::BadLength)?;
    let (message, recipient) = rest.split_at_checked(length).ok_or(EnvelopeError::BadLength)?;
    if recipient == app.as_str().as_bytes() { Ok(message.to_vec()) } else { Err(EnvelopeError::WrongApp) }
}

fn unpadded(padded: &[u8]) -> Result<&[u8], EnvelopeError> {
    let count = padded.last().copied().ok_or(EnvelopeError::BadPadding)?;
    let length = usize::from(count);
    if !(1..=PADDED_BLOCK).contains(&length) {
        return Err(EnvelopeError::BadPadding);
    }
    let (message, padding) =
        padded.len().checked_sub(length).and_then(|at| padded.split_at_checked(at)).ok_or(EnvelopeError::BadPadding)?;
    if padding.iter().all(|byte| *byte == count) { Ok(message) } else { Err(EnvelopeError::BadPadding) }
}

/// Encrypts a message to `app`, in base64: what [`open`] opens.
///
/// WeChat does this to what it pushes. The random bytes come from outside, so that the result can be known.
pub fn seal(key: &AesKey, random16: &[u8; 16], message: &[u8], app: &AppId) -> String {
    // A message that does not fit into the length field cannot be held in memory either, with its copies.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    let mut plain = Vec::with_capacity(RANDOM + LENGTH + message.len() + app.as_str().len() + PADDED_BLOCK);
    plain.extend_from_slice(random16);
    plain.extend_from_slice(&length.to_be_bytes());
    plain.extend_from_slice(message);
    plain.extend_from_slice(app.as_str().as_bytes());
    let padding = PADDED_BLOCK - plain.len() % PADDED_BLOCK;
    plain.resize(plain.len() + padding, u8::try_from(padding).unwrap_or_default());
    let encryptor = cbc::Encryptor::<Aes256>::new(key.0.expose_secret().into(), &key.initialisation_vector().into());
    STANDARD.encode(encryptor.encrypt_padded_vec::<NoPadding>(&plain))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// Known messages, each with its sources.
    const VECTORS: &str = include_str!("vectors/push.json");

    #[derive(Deserialize)]
    struct Vector {
        id: String,
        kind: String,
        token: String,
        timestamp: String,
        nonce: String,
        signature: Option<String>,
        msg_signature: Option<String>,
        encoding_aes_key: Option<String>,
        appid: Option<String>,
        random16: Option<String>,
        plaintext: Option<String>,
        encrypt: Option<String>,
    }

    fn vectors() -> Vec<Vector> {
        serde_json::from_str(VECTORS).unwrap()
    }

    fn key() -> AesKey {
        AesKey::parse(&"A".repeat(43)).unwrap()
    }

    fn app() -> AppId {
        AppId::parse("wxba5fad812f8e6fb9").unwrap()
    }

    /// Encrypts bytes as they are: what an envelope would be whose inside is wrong.
    fn encrypt(key: &AesKey, plain: &[u8]) -> String {
        let encryptor =
            cbc::Encryptor::<Aes256>::new(key.0.expose_secret().into(), &key.initialisation_vector().into());
        STANDARD.encode(encryptor.encrypt_padded_vec::<NoPadding>(plain))
    }

    fn decrypt(key: &AesKey, encrypted: &str) -> Vec<u8> {
        let decryptor =
            cbc::Decryptor::<Aes256>::new(key.0.expose_secret().into(), &key.initialisation_vector().into());
        decryptor.decrypt_padded_vec::<NoPadding>(&STANDARD.decode(encrypted).unwrap()).unwrap()
    }

    #[test]
    fn every_known_signature_holds() {
        let mut checked = 0;
        for vector in vectors() {
            let three = [vector.token.as_str(), &vector.timestamp, &vector.nonce];
            if let Some(given) = &vector.signature {
                assert_eq!(&signature(&three), given, "{}", vector.id);
                assert!(signature_matches(&three, given));
                checked += 1;
            }
            if let (Some(given), Some(encrypt)) = (&vector.msg_signature, &vector.encrypt) {
                let [token, timestamp, nonce] = three;
                assert_eq!(&signature(&[encrypt, nonce, token, timestamp]), given, "{}", vector.id);
                checked += 1;
            }
        }
        assert_eq!(checked, 6);
    }

    #[test]
    fn every_known_message_opens_and_is_sealed_the_same_again() {
        let mut checked = 0;
        for vector in vectors().iter().filter(|vector| vector.kind != "signature3") {
            let key = AesKey::parse(vector.encoding_aes_key.as_ref().unwrap()).unwrap();
            let app = AppId::parse(vector.appid.as_ref().unwrap()).unwrap();
            let (encrypt, plain) = (vector.encrypt.as_ref().unwrap(), vector.plaintext.as_ref().unwrap());
            assert_eq!(open(&key, encrypt, &app).unwrap(), plain.as_bytes(), "{}", vector.id);
            let random: [u8; 16] = vector.random16.as_ref().unwrap().as_bytes().try_into().unwrap();
            assert_eq!(&seal(&key, &random, plain.as_bytes(), &app), encrypt, "{}", vector.id);
            let other = AppId::parse("wx134c8103faa5a59e").unwrap();
            assert_eq!(open(&key, encrypt, &other), Err(EnvelopeError::WrongApp), "{}", vector.id);
            checked += 1;
        }
        assert_eq!(checked, 3);
    }

    #[test]
    fn a_key_may_end_in_bits_that_mean_nothing() {
        let canonical = AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFE").unwrap();
        for last in ['E', 'F', 'G', 'H'] {
            let text = format!("abcdefghijklmnopqrstuvwxyz0123456789ABCDEF{last}");
            assert_eq!(AesKey::parse(&text).unwrap().0.expose_secret(), canonical.0.expose_secret());
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let a = |count: usize| "A".repeat(count);
        for bad in [String::new(), a(42), a(44), a(42) + "=", a(42) + "-", a(42) + " ", a(41) + "é", a(40) + "…"] {
            assert_eq!(AesKey::parse(&bad).unwrap_err(), BadAesKey, "{bad}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let key = PushKey { token: "token-of-mine".into(), aes_key: key() };
        let shown = format!("{key:?}");
        assert!(!shown.contains("token-of-mine") && !shown.contains("AAAA") && !shown.contains("0, 0"), "{shown}");
    }

    #[test]
    fn an_empty_part_never_matches() {
        for parts in
            [vec![], vec![""], vec!["", "1714036504", "1514711492"], vec!["AAAAA", "", "1"], vec!["A", "1", ""]]
        {
            assert!(!signature_matches(&parts, &signature(&parts)), "{parts:?}");
        }
    }

    #[test]
    fn a_signature_that_differs_anywhere_does_not_match() {
        let parts = ["AAAAA", "1714036504", "1514711492"];
        let good = signature(&parts);
        assert!(signature_matches(&parts, &good));
        for bad in ["", &good[..39], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "e")] {
            assert!(!signature_matches(&parts, bad), "{bad}");
        }
        assert!(!signature_matches(&["AAAAB", "1714036504", "1514711492"], &good));
    }

    #[test]
    fn messages_of_every_length_make_the_way_there_and_back() {
        for length in 0..100 {
            let message = vec![b'x'; length];
            assert_eq!(open(&key(), &seal(&key(), &[7; 16], &message, &app()), &app()).unwrap(), message);
        }
    }

    #[test]
    fn a_cut_off_message_does_not_open() {
        let sealed = seal(&key(), &[7; 16], b"{\"some\":\"message\"}", &app());
        for length in 0..sealed.len() {
            assert!(open(&key(), &sealed[..length], &app()).is_err(), "{length}");
        }
        let bytes = STANDARD.decode(&sealed).unwrap();
        for length in 0..bytes.len() {
            assert!(open(&key(), &STANDARD.encode(&bytes[..length]), &app()).is_err(), "{length}");
        }
    }

    #[test]
    fn blocks_are_of_32_bytes() {
        let mut plain = [&[7; 16][..], &7_u32.to_be_bytes(), b"message", app().as_str().as_bytes()].concat();
        assert_eq!(plain.len(), 45);
        plain.resize(48, 3);
        assert_eq!(open(&key(), &encrypt(&key(), &plain), &app()), Err(EnvelopeError::CutOff));
    }

    #[test]
    fn another_key_does_not_open_it() {
        let other = AesKey::parse("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG").unwrap();
        assert!(open(&other, &seal(&key(), &[7; 16], b"message", &app()), &app()).is_err());
    }

    #[test]
    fn every_wrong_padding_is_refused() {
        let good = decrypt(&key(), &seal(&key(), &[7; 16], b"message", &app()));
        let padding = usize::from(*good.last().unwrap());
        for at in good.len() - padding..good.len() {
            for change in 1..=255 {
                let mut bad = good.clone();
                bad[at] ^= change;
                // A last byte of 1 is a padding of its own; then the rest is no app id.
                assert!(open(&key(), &encrypt(&key(), &bad), &app()).is_err(), "{at} {change}");
            }
        }
        for byte in [0, 33, 64, 255] {
            let all = vec![byte; 64];
            assert_eq!(open(&key(), &encrypt(&key(), &all), &app()), Err(EnvelopeError::BadPadding), "{byte}");
        }
        assert_eq!(open(&key(), &encrypt(&key(), &[32; 32]), &app()), Err(EnvelopeError::BadLength));
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        let good = decrypt(&key(), &seal(&key(), &[7; 16], b"message", &app()));
        for lie in [0_u32, 6, 8, 25, 26, 40, 1 << 31, u32::MAX] {
            let mut bad = good.clone();
            bad[16..20].copy_from_slice(&lie.to_be_bytes());
            let opened = open(&key(), &encrypt(&key(), &bad), &app());
            assert!(matches!(opened, Err(EnvelopeError::BadLength | EnvelopeError::WrongApp)), "{lie}: {opened:?}");
        }
    }

    #[test]
    fn an_app_id_must_be_whole() {
        for suffix in ["", "wxba5fad812f8e6fb", "wxba5fad812f8e6fb9x", "xwxba5fad812f8e6fb9"] {
            let mut plain = [&[7; 16][..], &7_u32.to_be_bytes(), b"message", suffix.as_bytes()].concat();
            let padding = 32 - plain.len() % 32;
            plain.resize(plain.len() + padding, u8::try_from(padding).unwrap());
            assert_eq!(open(&key(), &encrypt(&key(), &plain), &app()), Err(EnvelopeError::WrongApp), "{suffix}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_opens(text in ".{0,200}") {
            prop_assert!(open(&key(), &text, &app()).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic_or_open(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(open(&key(), &STANDARD.encode(&bytes), &app()).is_err());
            let mut padded = bytes;
            let padding = 32 - padded.len() % 32;
            padded.resize(padded.len() + padding, u8::try_from(padding).unwrap());
            prop_assert!(open(&key(), &encrypt(&key(), &padded), &app()).is_err());
        }

        #[test]
        fn what_was_sealed_opens(message in prop::collection::vec(any::<u8>(), 0..300), random in any::<[u8; 16]>()) {
            prop_assert_eq!(open(&key(), &seal(&key(), &random, &message, &app()), &app()), Ok(message));
        }
    }
}
