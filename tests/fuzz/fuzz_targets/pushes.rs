//! Pushes: any bytes as a message that WeChat encrypted, as a body in plaintext mode, as an encrypted text, as a query.
#![no_main]

use greenlight::domain::ids::AppId;
use greenlight::domain::outcome::Outcome;
use greenlight::domain::verdict::{Suggest, Verdict};
use greenlight::wechat::envelope::{AesKey, PushKey, seal, signature};
use greenlight::wechat::push::{PlaintextPolicy, Push, PushError, PushEvent, PushQuery, receive, verify_url};
use greenlight_fuzz::in_time;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const APP: &str = "wx8f16a5be77871234";
const TOKEN: &str = "a-token";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";

/// A query with the signature over what is given.
fn signed(encrypt: Option<&str>) -> PushQuery {
    let mut parts = vec![TOKEN, "1714112445", "415670741"];
    parts.extend(encrypt);
    let made = signature(&parts);
    let name = if encrypt.is_some() { "encrypt_type=aes&msg_signature" } else { "signature" };
    PushQuery::parse(&format!("{name}={made}&timestamp=1714112445&nonce=415670741"))
}

fn is_pass(push: &Push) -> bool {
    let PushEvent::MediaCheck(check) = &push.event else { return false };
    matches!(check.said.outcome, Outcome::Verdict(Verdict { suggest: Suggest::Pass, .. }))
}

fuzz_target!(|input: &[u8]| {
    let Some((kind, bytes)) = input.split_first() else { return };
    let app = AppId::parse(APP).unwrap();
    let keys = [PushKey { token: TOKEN.into(), aes_key: AesKey::parse(KEY).unwrap() }];
    let take = |query: &PushQuery, body: &[u8]| in_time(|| receive(&app, &keys, PlaintextPolicy::Allow, query, body));
    match kind % 4 {
        0 => {
            let encrypt = seal(&keys[0].aes_key, b"0123456789abcdef", bytes, &app);
            let received = take(&signed(Some(&encrypt)), json!({ "Encrypt": encrypt }).to_string().as_bytes());
            assert!(!matches!(received, Err(PushError::NotAuthentic(_))), "{received:?}");
            assert!(!received.is_ok_and(|push| !push.secured), "the signature covers it");
        }
        1 => {
            let received = take(&signed(None), bytes);
            assert!(!received.is_ok_and(|push| push.secured || is_pass(&push)), "no signature covers it");
        }
        2 => {
            let encrypt = String::from_utf8_lossy(bytes);
            let body = json!({ "Encrypt": encrypt }).to_string();
            assert!(take(&signed(Some(&encrypt)), body.as_bytes()).is_err(), "nobody seals by chance");
        }
        _ => {
            let query = PushQuery::parse(&String::from_utf8_lossy(bytes));
            assert!(verify_url(&keys, &query).is_err() && take(&query, bytes).is_err(), "nobody signs by chance");
        }
    }
});
