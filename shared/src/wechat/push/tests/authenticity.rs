//! Who may push: signatures, keys, modes and apps.

use super::*;

#[test]
fn a_media_check_is_read_from_json_and_from_xml() {
    let push = secured(V2_JSON).unwrap();
    let trace_id = TraceId::parse("60f96f1d-3845297a-1976a3ae").unwrap();
    let outcome = verdict(Suggest::Pass, Some(100));
    assert_eq!(push.event, PushEvent::MediaCheck(MediaCheck { trace_id, said: outcome.into() }));
    assert_eq!((push.secured, push.created_at), (true, Some(Timestamp(1_626_959_646_000))));

    let encrypt = seal_with(KEY, V2_XML.as_bytes(), APP);
    let body = format!(
        "\u{feff}\r\n <?xml version=\"1.0\"?><xml>\n<ToUserName>g</ToUserName><Encrypt>\n<![CDATA[{encrypt}]]></Encrypt></xml>\n"
    );
    let query = secure_query(TOKEN, &encrypt);
    let push = receive(&app(), &keys(), PlaintextPolicy::Refuse, &query, body.as_bytes()).unwrap();
    let trace_id = TraceId::parse("62f11967-2b24d27a-34715985").unwrap();
    assert_eq!(push.event, PushEvent::MediaCheck(MediaCheck { trace_id, said: outcome.into() }));
    assert_eq!(push.created_at, Some(Timestamp(1_659_967_849_000)));
}

#[test]
fn a_byte_order_mark_and_white_space_may_come_first() {
    assert!(is_pass(&secured(&format!("\u{feff}{V2_JSON}"))));
    assert!(is_pass(&secured(&format!(" \r\n\t{V2_JSON}\n"))));
    assert!(is_pass(&secured(&format!("\u{feff}\n{V2_XML}\n"))));
}

#[test]
fn a_wrong_signature_is_refused_before_anything_is_opened() {
    let encrypt = seal_with(KEY, V2_JSON.as_bytes(), APP);
    let body = json_envelope(&encrypt);
    let good = secure_query(TOKEN, &encrypt);
    let take = |query: &PushQuery| receive(&app(), &keys(), PlaintextPolicy::Allow, query, body.as_bytes());
    assert!(take(&good).is_ok());
    // The three-part signature is valid, but says nothing about the body.
    assert!(is_not_authentic(&take(&PushQuery { msg_signature: good.signature.clone(), ..good.clone() })));
    assert!(is_not_authentic(&take(&PushQuery { msg_signature: None, ..good.clone() })));
    assert!(is_not_authentic(&take(&PushQuery { msg_signature: Some(String::new()), ..good.clone() })));
    assert!(is_not_authentic(&take(&PushQuery { nonce: Some("415670742".into()), ..good.clone() })));
    assert!(is_not_authentic(&take(&PushQuery { timestamp: None, ..good.clone() })));
    assert!(is_not_authentic(&take(&secure_query("another", &encrypt))));
    assert!(is_not_authentic(&take(&plain_query(TOKEN))));
    assert!(is_not_authentic(&receive(&app(), &[], PlaintextPolicy::Allow, &good, body.as_bytes())));
}

#[test]
fn while_keys_change_any_token_may_sign_and_any_key_may_open() {
    let current_and_previous = [push_key(TOKEN, KEY), push_key(OTHER_TOKEN, OTHER_KEY)];
    for token in [TOKEN, OTHER_TOKEN] {
        for key in [KEY, OTHER_KEY] {
            let encrypt = seal_with(key, V2_JSON.as_bytes(), APP);
            let (query, body) = (secure_query(token, &encrypt), json_envelope(&encrypt));
            let take = |keys: &[PushKey]| receive(&app(), keys, PlaintextPolicy::Refuse, &query, body.as_bytes());
            assert!(is_pass(&take(&current_and_previous)), "{token} {key}");
            let alone = take(&current_and_previous[..1]);
            assert_eq!(is_not_authentic(&alone), token != TOKEN || key != KEY, "{token} {key}");
        }
    }
}

#[test]
fn a_message_for_another_app_is_refused() {
    let encrypt = seal_with(KEY, V2_JSON.as_bytes(), "wx134c8103faa5a59e");
    let body = json_envelope(&encrypt);
    let query = secure_query(TOKEN, &encrypt);
    let push = receive(&app(), &keys(), PlaintextPolicy::Allow, &query, body.as_bytes());
    assert_eq!(push, Err(PushError::WrongApp));
}

#[test]
fn an_event_about_another_app_is_refused() {
    for about in [r#""wx134c8103faa5a59e""#, r#""""#, "7", "{}", "true"] {
        let message = V2_JSON.replace(r#""wx8f16a5be77871234""#, about);
        assert_eq!(secured(&message), Err(PushError::WrongApp), "{about}");
    }
    assert!(is_pass(&secured(&V2_JSON.replace(r#""appid":"wx8f16a5be77871234","#, ""))));
    assert_eq!(secured(&V2_XML.replace(APP, "wx134c8103faa5a59e")), Err(PushError::WrongApp));
}

#[test]
fn plaintext_is_refused_in_security_mode() {
    let refused = receive(&app(), &keys(), PlaintextPolicy::Refuse, &plain_query(TOKEN), V2_JSON.as_bytes());
    assert_eq!(refused, Err(PushError::PlaintextRefused));
    assert!(PushError::PlaintextRefused.to_string().contains("安全模式"));
    let unsigned = receive(&app(), &keys(), PlaintextPolicy::Refuse, &plain_query("another"), V2_JSON.as_bytes());
    assert!(is_not_authentic(&unsigned));
}

#[test]
fn a_body_that_should_be_encrypted_and_is_not_is_refused_even_where_plaintext_is_allowed() {
    let query = secure_query(TOKEN, "whatever");
    assert!(is_not_authentic(&receive(&app(), &keys(), PlaintextPolicy::Allow, &query, V2_JSON.as_bytes())));
}

#[test]
fn a_pass_in_plaintext_counts_as_review() {
    let push = plain(V2_JSON.as_bytes());
    assert!(!push.as_ref().unwrap().secured);
    assert_eq!(outcome_of(push), verdict(Suggest::Review, Some(100)));
    let risky = V2_JSON.replace(r#""result":{"suggest":"pass","label":100}"#, r#""result":{"suggest":"risky"}"#);
    assert_eq!(outcome_of(plain(risky.as_bytes())), verdict(Suggest::Risky, None));
    let query = plain_query("another");
    assert!(is_not_authentic(&receive(&app(), &keys(), PlaintextPolicy::Allow, &query, V2_JSON.as_bytes())));
}

#[test]
fn in_compatible_mode_only_what_is_encrypted_counts() {
    let risky = V2_JSON.replace(r#""result":{"suggest":"pass""#, r#""result":{"suggest":"risky""#);
    let encrypt = seal_with(KEY, risky.as_bytes(), APP);
    let query = secure_query(TOKEN, &encrypt);
    let forged_json = V2_JSON.replacen('{', &format!(r#"{{"Encrypt":"{encrypt}","#), 1);
    let forged_xml = V2_XML.replace("</xml>", &format!("<Encrypt>{encrypt}</Encrypt></xml>"));
    for forged in [forged_json, forged_xml] {
        for policy in [PlaintextPolicy::Refuse, PlaintextPolicy::Allow] {
            let push = receive(&app(), &keys(), policy, &query, forged.as_bytes());
            assert_eq!(outcome_of(push), verdict(Suggest::Risky, Some(100)));
            let unsigned = receive(&app(), &keys(), policy, &plain_query(TOKEN), forged.as_bytes());
            assert!(is_not_authentic(&unsigned));
        }
    }
}

#[test]
fn two_encrypted_parts_or_one_that_is_no_text_are_malformed() {
    let encrypt = seal_with(KEY, V2_JSON.as_bytes(), APP);
    let query = secure_query(TOKEN, &encrypt);
    for body in [
        format!(r#"{{"Encrypt":"{encrypt}","Encrypt":"{encrypt}"}}"#),
        format!(r#"{{"Encrypt":"{encrypt}","\u0045ncrypt":"{encrypt}"}}"#),
        format!(r#"{{"Encrypt":["{encrypt}"]}}"#),
        r#"{"Encrypt":5}"#.to_owned(),
        format!("<xml><Encrypt>{encrypt}</Encrypt><Encrypt>{encrypt}</Encrypt></xml>"),
        format!("<xml><Encrypt><a>{encrypt}</a></Encrypt></xml>"),
    ] {
        assert!(is_malformed(&receive(&app(), &keys(), PlaintextPolicy::Allow, &query, body.as_bytes())), "{body}");
    }
    for body in [r#"{"Encrypt":""}"#, "<xml><Encrypt/></xml>"] {
        let query = secure_query(TOKEN, "");
        assert!(is_not_authentic(&receive(&app(), &keys(), PlaintextPolicy::Allow, &query, body.as_bytes())));
    }
    let buried = format!("<xml><a><Encrypt>{encrypt}</Encrypt></a></xml>");
    assert!(is_not_authentic(&receive(&app(), &keys(), PlaintextPolicy::Allow, &query, buried.as_bytes())));
}

#[test]
fn a_body_that_is_too_large_is_not_read() {
    let mut body = V2_JSON.as_bytes().to_vec();
    body.resize(MAX_PUSH_BYTES, b' ');
    assert!(plain(&body).is_ok());
    body.push(b' ');
    assert_eq!(plain(&body), Err(PushError::TooLarge));
}

#[test]
fn empty_bodies_and_other_forms_are_malformed() {
    for body in ["", " \r\n", "\u{feff}", "[]", "null", "5", "event=wxa_media_check", "{", "<", "{}{}", "<xml>"] {
        assert!(is_malformed(&plain(body.as_bytes())), "{body:?}");
        assert!(is_malformed(&secured(body)), "{body:?}");
    }
    assert!(is_malformed(&plain(b"{\"MsgType\":\"\xff\"}")));
}
