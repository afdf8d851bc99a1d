//! Pushes as WeChat sends them, and as others would.

mod authenticity;
mod hostile_input;
mod shapes;

use super::*;
use crate::domain::outcome::Outcome;
use crate::domain::verdict::{Label, Suggest, Verdict};
use crate::wechat::envelope::{AesKey, seal, signature};

const APP: &str = "wx8f16a5be77871234";
const TOKEN: &str = "a-token";
const KEY: &str = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG";
const OTHER_TOKEN: &str = "an-older-token";
const OTHER_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// The example of 多媒体内容安全识别.
const V2_JSON: &str = r#"{"ToUserName":"gh_9df7d78a1234","FromUserName":"o4_t144jTUSEoxydysUA2E234_tc",
"CreateTime":1626959646,"MsgType":"event","Event":"wxa_media_check","appid":"wx8f16a5be77871234",
"trace_id":"60f96f1d-3845297a-1976a3ae","version":2,
"detail":[{"strategy":"content_model","errcode":0,"suggest":"pass","label":100,"prob":90}],
"errcode":0,"errmsg":"ok","result":{"suggest":"pass","label":100}}"#;

/// A real one, from the tests of JeffreySu/WeiXinMPSDK at be573f6, `MessageHandlerTests.cs`; the app id is ours.
const V2_XML: &str = r"<xml><ToUserName><![CDATA[gh_6e306981e699]]></ToUserName>
<FromUserName><![CDATA[o4_t144jTUSEoxydysUA2E234_tc]]></FromUserName><CreateTime>1659967849</CreateTime>
<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[wxa_media_check]]></Event>
<appid><![CDATA[wx8f16a5be77871234]]></appid><trace_id><![CDATA[62f11967-2b24d27a-34715985]]></trace_id>
<version>2</version><detail><strategy><![CDATA[content_model]]></strategy><errcode>0</errcode>
<suggest><![CDATA[pass]]></suggest><label>100</label><prob>90</prob></detail><errcode>0</errcode>
<errmsg><![CDATA[ok]]></errmsg><result><suggest><![CDATA[pass]]></suggest><label>100</label></result></xml>";

fn app() -> AppId {
    AppId::parse(APP).unwrap()
}

fn push_key(token: &str, aes_key: &str) -> PushKey {
    PushKey { token: token.into(), aes_key: AesKey::parse(aes_key).unwrap() }
}

fn keys() -> Vec<PushKey> {
    vec![push_key(TOKEN, KEY)]
}

/// The query of a push in plaintext mode.
fn plain_query(token: &str) -> PushQuery {
    let signature = signature(&[token, "1714112445", "415670741"]);
    PushQuery::parse(&format!("signature={signature}&timestamp=1714112445&nonce=415670741&openid=oSomebody"))
}

/// The query of a push in security mode.
fn secure_query(token: &str, encrypt: &str) -> PushQuery {
    let msg_signature = signature(&[token, "1714112445", "415670741", encrypt]);
    PushQuery { msg_signature: Some(msg_signature), encrypt_type: Some("aes".into()), ..plain_query(token) }
}

fn seal_with(key: &str, message: &[u8], app: &str) -> String {
    seal(&AesKey::parse(key).unwrap(), b"0123456789abcdef", message, &AppId::parse(app).unwrap())
}

fn json_envelope(encrypt: &str) -> String {
    format!(r#"{{"ToUserName":"gh_9df7d78a1234","Encrypt":"{encrypt}"}}"#)
}

/// Receives a message as WeChat encrypts it.
fn secured(message: &str) -> Result<Push, PushError> {
    let encrypt = seal_with(KEY, message.as_bytes(), APP);
    let query = secure_query(TOKEN, &encrypt);
    receive(&app(), &keys(), PlaintextPolicy::Refuse, &query, json_envelope(&encrypt).as_bytes())
}

/// Receives a message in plaintext mode.
fn plain(message: &[u8]) -> Result<Push, PushError> {
    receive(&app(), &keys(), PlaintextPolicy::Allow, &plain_query(TOKEN), message)
}

/// No verdict that can be read, though WeChat names no error.
const UNREADABLE: Outcome = Outcome::Failed { errcode: None };

fn outcome_of(push: Result<Push, PushError>) -> Outcome {
    match push.unwrap().event {
        PushEvent::MediaCheck(check) => check.said.outcome,
        other => panic!("{other:?}"),
    }
}

fn verdict(suggest: Suggest, label: Option<u32>) -> Outcome {
    Outcome::Verdict(Verdict { suggest, label: label.map(Label) })
}

/// The outcome of a JSON check with these fields.
fn json_outcome(fields: &str) -> Outcome {
    outcome_of(secured(&format!(r#"{{"MsgType":"event","Event":"wxa_media_check","trace_id":"t-1",{fields}}}"#)))
}

fn xml_check(fields: &str) -> String {
    format!("<xml><MsgType>event</MsgType><Event>wxa_media_check</Event><trace_id>t-1</trace_id>{fields}</xml>")
}

fn xml_outcome(fields: &str) -> Outcome {
    outcome_of(secured(&xml_check(fields)))
}

fn is_malformed(push: &Result<Push, PushError>) -> bool {
    matches!(push, Err(PushError::Malformed(_)))
}

fn is_not_authentic(push: &Result<Push, PushError>) -> bool {
    matches!(push, Err(PushError::NotAuthentic(_)))
}

fn is_pass(push: &Result<Push, PushError>) -> bool {
    let Ok(Push { event: PushEvent::MediaCheck(check), .. }) = push else { return false };
    matches!(check.said.outcome, Outcome::Verdict(Verdict { suggest: Suggest::Pass, .. }))
}

mod vectors {
    use super::*;

    /// The known push with that id; see its sources there.
    fn vector(id: &str) -> serde_json::Value {
        let all: Vec<serde_json::Value> = serde_json::from_str(include_str!("../vectors/push.json")).unwrap();
        all.into_iter().find(|vector| vector["id"] == id).unwrap()
    }

    fn text<'a>(vector: &'a serde_json::Value, field: &str) -> &'a str {
        vector[field].as_str().unwrap()
    }

    #[test]
    fn the_documented_url_check_is_answered_with_its_echostr() {
        let vector = vector("official-url-verify-get");
        let query = PushQuery::parse(&format!(
            "signature={}&timestamp={}&nonce={}&echostr={}",
            text(&vector, "signature"),
            text(&vector, "timestamp"),
            text(&vector, "nonce"),
            text(&vector, "echostr")
        ));
        let keys = [push_key("another", KEY), push_key(text(&vector, "token"), KEY)];
        assert_eq!(verify_url(&keys, &query).unwrap(), text(&vector, "expected_response_body"));
        assert!(matches!(verify_url(&keys[..1], &query), Err(PushError::NotAuthentic(_))));
        assert!(matches!(verify_url(&[], &query), Err(PushError::NotAuthentic(_))));
    }

    #[test]
    fn the_documented_plaintext_push_is_taken_only_where_plaintext_is_allowed() {
        let vector = vector("official-plaintext-post-json");
        let query = PushQuery {
            signature: Some(text(&vector, "signature").into()),
            timestamp: Some(text(&vector, "timestamp").into()),
            nonce: Some(text(&vector, "nonce").into()),
            ..PushQuery::default()
        };
        let keys = [push_key(text(&vector, "token"), KEY)];
        let body = text(&vector, "body").as_bytes();
        let push = receive(&app(), &keys, PlaintextPolicy::Allow, &query, body).unwrap();
        let debug_demo = PushEvent::Other { msg_type: "event".into(), event: Some("debug_demo".into()) };
        assert_eq!(push, Push { event: debug_demo, secured: false, created_at: Some(Timestamp(1_714_037_059_000)) });
        let refused = receive(&app(), &keys, PlaintextPolicy::Refuse, &query, body);
        assert_eq!(refused, Err(PushError::PlaintextRefused));
    }

    #[test]
    fn the_documented_encrypted_push_opens_from_json_and_from_xml() {
        let vector = vector("official-secure-mode-json-decrypt");
        let query = PushQuery::parse(text(&vector, "url_query"));
        let keys = [push_key(text(&vector, "token"), text(&vector, "encoding_aes_key"))];
        let app = AppId::parse(text(&vector, "appid")).unwrap();
        for body in ["body_json", "body_xml"] {
            let body = text(&vector, body).as_bytes();
            let push = receive(&app, &keys, PlaintextPolicy::Refuse, &query, body).unwrap();
            assert!(push.secured);
            assert_eq!(push.event, PushEvent::Other { msg_type: "event".into(), event: Some("debug_demo".into()) });
            let third_party = AppId::parse("wx134c8103faa5a59e").unwrap();
            let wrong = receive(&third_party, &keys, PlaintextPolicy::Refuse, &query, body);
            assert_eq!(wrong, Err(PushError::WrongApp));
        }
    }

    #[test]
    fn the_known_xml_message_opens_though_its_key_is_not_canonical() {
        let vector = vector("easywechat-encryptor-decrypt");
        let query = PushQuery {
            msg_signature: Some(text(&vector, "msg_signature").into()),
            timestamp: Some(text(&vector, "timestamp").into()),
            nonce: Some(text(&vector, "nonce").into()),
            ..PushQuery::default()
        };
        let keys = [push_key(text(&vector, "token"), text(&vector, "encoding_aes_key"))];
        let app = AppId::parse(text(&vector, "appid")).unwrap();
        let body = text(&vector, "body_xml").as_bytes();
        let push = receive(&app, &keys, PlaintextPolicy::Refuse, &query, body).unwrap();
        assert_eq!(push.event, PushEvent::Other { msg_type: "text".into(), event: None });
        assert_eq!(push.created_at, Some(Timestamp(1_234_567_898_000)));
    }
}

mod query {
    use super::*;

    #[test]
    fn percent_signs_and_plus_are_decoded() {
        let query = PushQuery::parse("echostr=a%2Bb%2fc+d&nonce=%E9%80%9A&signature=&%74imestamp=5&x");
        assert_eq!(query.echostr.as_deref(), Some("a+b/c d"));
        assert_eq!(query.nonce.as_deref(), Some("通"));
        assert_eq!(query.signature.as_deref(), Some(""));
        assert_eq!(query.timestamp.as_deref(), Some("5"));
        assert_eq!(query.encrypt_type, None);
    }

    #[test]
    fn what_comes_twice_or_does_not_decode_is_absent() {
        let query = PushQuery::parse(
            "nonce=1&nonce=1&echostr=%zz&timestamp=%ff&signature=%4&msg%5fsignature=1&msg_signature=2",
        );
        assert_eq!(query, PushQuery::default());
    }

    #[test]
    fn an_echostr_must_be_there_once_short_and_printable() {
        let signed = plain_query(TOKEN);
        for bad in [None, Some(String::new()), Some("a b".into()), Some("a\nb".into()), Some("1".repeat(257))] {
            let query = PushQuery { echostr: bad, ..signed.clone() };
            assert!(matches!(verify_url(&keys(), &query), Err(PushError::Malformed(_))), "{query:?}");
        }
        let query = PushQuery { echostr: Some("P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld".into()), ..signed };
        assert_eq!(verify_url(&keys(), &query).ok(), query.echostr);
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        let query = PushQuery { echostr: Some("1".into()), ..plain_query("") };
        assert!(matches!(verify_url(&[push_key("", KEY)], &query), Err(PushError::NotAuthentic(_))));
        let encrypt = seal_with(KEY, V2_JSON.as_bytes(), APP);
        let (query, body) = (secure_query("", &encrypt), json_envelope(&encrypt));
        let keys = [push_key("", KEY)];
        assert!(is_not_authentic(&receive(&app(), &keys, PlaintextPolicy::Allow, &query, body.as_bytes())));
        let plain = receive(&app(), &keys, PlaintextPolicy::Allow, &plain_query(""), V2_JSON.as_bytes());
        assert!(is_not_authentic(&plain));
    }
}
