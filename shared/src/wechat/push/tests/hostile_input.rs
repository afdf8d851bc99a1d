//! Bodies that nobody at WeChat wrote.

use proptest::prelude::*;

use super::*;

/// What JSON and XML are made of.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "{", "}", "[", "]", ":", ",", "\"", "\\", "\"result\":", "\"errcode\":0", "\"isrisky\":", "pass", "-1",
    "\"MsgType\":\"event\"", "\"Event\":\"wxa_media_check\"", "\u{feff}", "\0", "é", " ",
    "<xml>", "</xml>", "<result>", "</result>", "<", "/>", "&", ";", "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", "<!DOCTYPE",
];

#[test]
fn a_doctype_is_refused_before_and_after_decryption() {
    let xxe = r#"<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY e SYSTEM "file:///etc/passwd">]>"#;
    let bomb = r#"<!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY e "&b;&b;&b;">]>"#;
    for doctype in [xxe, bomb, "<!DOCTYPE xml>", r#"<!DOCTYPE xml SYSTEM "https://example.com/x.dtd">"#] {
        for body in [format!("{doctype}{V2_XML}"), format!("{doctype}<xml><MsgType>&e;</MsgType></xml>")] {
            assert!(is_malformed(&secured(&body)), "{body}");
            assert!(is_malformed(&plain(body.as_bytes())), "{body}");
        }
    }
}

#[test]
fn unknown_entities_and_what_is_no_xml_are_malformed() {
    for body in [
        "<xml><MsgType>&e;</MsgType></xml>",
        "<xml><MsgType>&#xD800;</MsgType></xml>",
        "<xml><MsgType>&#x110000;</MsgType></xml>",
        "<xml><MsgType>&</MsgType></xml>",
        "<xml><a></b></xml>",
        "<xml></xml></xml>",
        "<xml></xml><xml></xml>",
        "<xml></xml>text",
        "<a/><b/>",
        "<?xml version=\"1.0\"?>",
        "<!-- nothing -->",
        "<![CDATA[<xml></xml>]]>",
    ] {
        assert!(is_malformed(&secured(body)), "{body}");
    }
}

#[test]
fn deep_nesting_is_refused_and_overflows_nothing() {
    let deep = |depth: usize| format!("<xml>{}{}</xml>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(plain(deep(63).as_bytes()).is_ok());
    assert!(is_malformed(&plain(deep(64).as_bytes())));
    assert!(is_malformed(&plain("<a>".repeat(300_000).as_bytes())));
    let lists = "[".repeat(500_000);
    assert!(is_malformed(&plain(format!(r#"{{"a":{lists}"#).as_bytes())));
    assert!(is_malformed(&plain(format!(r#"{{"MsgType":{lists}"#).as_bytes())));
    let closed = format!(r#"{{"MsgType":"text","a":{}{}}}"#, "[".repeat(300_000), "]".repeat(300_000));
    assert!(plain(closed.as_bytes()).is_ok());
}

#[test]
fn a_message_cut_off_anywhere_is_malformed() {
    for whole in [V2_JSON, V2_XML] {
        for length in 0..whole.len() {
            assert!(is_malformed(&plain(&whole.as_bytes()[..length])), "{length}");
            if whole.is_char_boundary(length) {
                assert!(is_malformed(&secured(&whole[..length])), "{length}");
            }
        }
    }
}

#[test]
fn an_envelope_cut_off_or_changed_anywhere_is_refused() {
    let encrypt = seal_with(KEY, V2_JSON.as_bytes(), APP);
    let query = secure_query(TOKEN, &encrypt);
    for body in [json_envelope(&encrypt), format!("<xml><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>")] {
        let take = |body: &[u8]| receive(&app(), &keys(), PlaintextPolicy::Refuse, &query, body);
        assert!(take(body.as_bytes()).is_ok());
        for length in 0..body.len() {
            assert!(take(&body.as_bytes()[..length]).is_err(), "{length}");
        }
        let start = body.find(&encrypt).unwrap();
        for at in start..start + encrypt.len() {
            let mut changed = body.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(take(&changed).is_err(), "{at}");
        }
    }
}

/// A signed envelope around anything: what a sender could say who knows token and key.
fn enclosed(message: &[u8]) -> Result<Push, PushError> {
    let encrypt = seal_with(KEY, message, APP);
    let query = secure_query(TOKEN, &encrypt);
    receive(&app(), &keys(), PlaintextPolicy::Refuse, &query, json_envelope(&encrypt).as_bytes())
}

proptest! {
    #[test]
    fn no_bytes_make_a_panic_or_a_pass(bytes in prop::collection::vec(any::<u8>(), 0..400), query in ".{0,200}") {
        let query = PushQuery::parse(&query);
        prop_assert!(receive(&app(), &keys(), PlaintextPolicy::Allow, &query, &bytes).is_err());
        prop_assert!(verify_url(&keys(), &query).is_err());
        prop_assert!(!is_pass(&plain(&bytes)));
        prop_assert!(!is_pass(&enclosed(&bytes)));
    }

    #[test]
    fn nothing_like_json_or_xml_makes_a_panic_or_a_pass(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..40),
    ) {
        let text = pieces.concat();
        prop_assert!(!is_pass(&plain(text.as_bytes())));
        prop_assert!(!is_pass(&enclosed(text.as_bytes())));
    }

    #[test]
    fn a_changed_risky_message_is_never_a_pass(
        xml in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        // No "pass" in it that could come to stand elsewhere.
        let message = if xml { V2_XML } else { V2_JSON }.replace("pass", "risky");
        let mut changed = message.into_bytes();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        // A piece of it comes twice.
        let (one, two) = (cut.index(changed.len()), again.index(changed.len()));
        let piece = changed[one.min(two)..one.max(two)].to_vec();
        let doubled = [&changed[..one], &piece, &changed[one..]].concat();
        for bytes in [&changed, &doubled] {
            prop_assert!(!is_pass(&enclosed(bytes)));
            prop_assert!(!is_pass(&plain(bytes)));
        }
    }

    #[test]
    fn in_plaintext_nothing_is_a_pass(
        xml in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut changed = if xml { V2_XML } else { V2_JSON }.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(changed.len());
            changed[at] = byte;
        }
        prop_assert!(!is_pass(&plain(&changed)));
    }
}
