//! The two shapes of a media check, in both forms, whole and broken.

use super::*;

#[test]
fn version_2_says_pass_review_or_risky() {
    for (said, suggest) in [("pass", Suggest::Pass), ("review", Suggest::Review), ("risky", Suggest::Risky)] {
        let json = format!(r#""version":2,"errcode":0,"result":{{"suggest":"{said}","label":100}}"#);
        assert_eq!(json_outcome(&json), verdict(suggest, Some(100)));
        let xml = format!("<errcode>0</errcode><result><suggest>{said}</suggest><label>100</label></result>");
        assert_eq!(xml_outcome(&xml), verdict(suggest, Some(100)));
    }
    let risky = r#""version":2,"errcode":0,"result":{"suggest":"risky","label":20002}"#;
    assert_eq!(json_outcome(risky), verdict(Suggest::Risky, Some(20002)));
}

#[test]
fn numbers_may_be_texts() {
    let json = r#""version":"2","errcode":"0","result":{"suggest":"pass","label":"100"}"#;
    assert_eq!(json_outcome(json), verdict(Suggest::Pass, Some(100)));
    assert_eq!(json_outcome(r#""errcode":"-1008""#), Outcome::Failed { errcode: Some(-1008) });
    assert_eq!(json_outcome(r#""isrisky":"1","status_code":"0""#), verdict(Suggest::Risky, None));
    let push = secured(&V2_JSON.replace("1626959646", r#""1626959646""#)).unwrap();
    assert_eq!(push.created_at, Some(Timestamp(1_626_959_646_000)));
}

#[test]
fn a_failed_check_has_no_result_and_is_never_a_pass() {
    let failed = |errcode| Outcome::Failed { errcode: Some(errcode) };
    assert_eq!(json_outcome(r#""version":2,"detail":[],"errcode":-1008,"errmsg":"下载错误""#), failed(-1008));
    assert_eq!(json_outcome(r#""version":2,"errcode":43104"#), failed(43104));
    assert_eq!(json_outcome(r#""errcode":-1008,"result":{"suggest":"pass","label":100}"#), failed(-1008));
    assert_eq!(xml_outcome("<errcode>-1008</errcode><errmsg><![CDATA[下载错误]]></errmsg>"), failed(-1008));
}

#[test]
fn no_readable_result_is_no_verdict() {
    for fields in [
        r#""version":2,"errcode":0"#,
        r#""version":2"#,
        r#""errmsg":"ok""#,
        r#""errcode":0,"result":null"#,
        r#""errcode":0,"result":"pass""#,
        r#""errcode":0,"result":["pass",100]"#,
        r#""errcode":0,"result":true"#,
        r#""errcode":0,"result":-5"#,
        r#""errcode":0,"result":5.5"#,
        r#""errcode":"","result":{"suggest":"pass"}"#,
        r#""errcode":"ok","result":{"suggest":"pass"}"#,
        r#""errcode":0.0,"result":{"suggest":"pass"}"#,
        r#""errcode":false,"result":{"suggest":"pass"}"#,
        r#""errcode":[0],"result":{"suggest":"pass"}"#,
        r#""errcode":18446744073709551615,"result":{"suggest":"pass"}"#,
        r#""detail":[{"suggest":"pass","label":100}]"#,
    ] {
        assert_eq!(json_outcome(fields), UNREADABLE, "{fields}");
    }
    let xml = "<errcode>0<b>1</b></errcode><result><suggest>pass</suggest></result>";
    assert_eq!(xml_outcome(xml), UNREADABLE);
    assert_eq!(xml_outcome("<errcode/><result><suggest>pass</suggest></result>"), UNREADABLE);
    assert_eq!(xml_outcome("<errcode>0</errcode><result>pass</result>"), UNREADABLE);
    assert_eq!(xml_outcome("<errcode>0</errcode>"), UNREADABLE);
}

#[test]
fn a_result_that_is_not_understood_is_for_a_human() {
    for result in [
        "{}",
        r#"{"label":100}"#,
        r#"{"suggest":"PASS","label":100}"#,
        r#"{"suggest":5}"#,
        r#"{"suggest":["pass"]}"#,
        r#"{"suggest":"pass","label":"normal"}"#,
        r#"{"suggest":"pass","label":[100]}"#,
        r#"{"suggest":"pass","label":20002}"#,
    ] {
        let Outcome::Verdict(said) = json_outcome(&format!(r#""errcode":0,"result":{result}"#)) else {
            panic!("{result}")
        };
        assert_eq!(said.suggest, Suggest::Review, "{result}");
    }
    let nested = "<errcode>0</errcode><result><suggest>pass<b/></suggest></result>";
    assert_eq!(xml_outcome(nested), verdict(Suggest::Review, None));
}

#[test]
fn version_1_says_isrisky() {
    assert_eq!(json_outcome(r#""isrisky":0,"extra_info_json":"","status_code":0"#), verdict(Suggest::Pass, None));
    assert_eq!(json_outcome(r#""isrisky":0,"detail":[]"#), verdict(Suggest::Pass, None));
    assert_eq!(json_outcome(r#""isrisky":1,"status_code":0"#), verdict(Suggest::Risky, None));
    assert_eq!(xml_outcome("<isrisky>1</isrisky><status_code>0</status_code>"), verdict(Suggest::Risky, None));
    for unreadable in
        [r#""isrisky":2"#, r#""isrisky":-1"#, r#""isrisky":"""#, r#""isrisky":false"#, r#""status_code":0"#]
    {
        assert_eq!(json_outcome(unreadable), UNREADABLE, "{unreadable}");
    }
}

#[test]
fn version_1_writes_its_codes_without_a_sign() {
    let code = |code: &str| json_outcome(&format!(r#""isrisky":0,"status_code":{code}"#));
    assert_eq!(code("4294966288"), Outcome::Failed { errcode: Some(-1008) });
    assert_eq!(code("\"4294966287\""), Outcome::Failed { errcode: Some(-1009) });
    assert_eq!(code("-1008"), Outcome::Failed { errcode: Some(-1008) });
    assert_eq!(code("4294967296"), Outcome::Failed { errcode: Some(4_294_967_296) });
    assert_eq!(code("\"?\""), UNREADABLE);
}

#[test]
fn where_the_two_versions_contradict_the_worse_holds() {
    let pass = r#""errcode":0,"result":{"suggest":"pass","label":100}"#;
    let risky = r#""errcode":0,"result":{"suggest":"risky","label":20002}"#;
    let both = |two: &str, one: &str| json_outcome(&format!("{two},{one}"));
    assert_eq!(both(pass, r#""isrisky":1"#), verdict(Suggest::Risky, None));
    assert_eq!(both(risky, r#""isrisky":0"#), verdict(Suggest::Risky, Some(20002)));
    assert_eq!(both(risky, r#""isrisky":1"#), verdict(Suggest::Risky, Some(20002)));
    assert_eq!(both(pass, r#""isrisky":0"#), verdict(Suggest::Pass, Some(100)));
    assert_eq!(both(pass, r#""status_code":4294966288"#), Outcome::Failed { errcode: Some(-1008) });
    assert_eq!(both(r#""errcode":-1008"#, r#""isrisky":0"#), Outcome::Failed { errcode: Some(-1008) });
    assert_eq!(both(r#""errcode":-1008"#, r#""isrisky":1"#), verdict(Suggest::Risky, None));
    assert_eq!(both(r#""version":2"#, r#""isrisky":0"#), UNREADABLE);
    let review = r#""errcode":0,"result":{"suggest":"review"}"#;
    assert_eq!(both(review, r#""status_code":5"#), verdict(Suggest::Review, None));
}

#[test]
fn in_xml_only_the_results_own_suggest_counts() {
    let detail = "<detail><errcode>0</errcode><suggest>pass</suggest><label>100</label></detail>";
    let risky = "<result><suggest>risky</suggest><label>20002</label></result>";
    let fields = format!("{detail}{detail}<errcode>0</errcode>{risky}");
    assert_eq!(xml_outcome(&fields), verdict(Suggest::Risky, Some(20002)));
    assert_eq!(xml_outcome(detail), UNREADABLE);
    // A detail's code is not the check's, nor is a result that lies deeper.
    let failed = "<detail><errcode>0</errcode></detail><errcode>-1008</errcode>";
    assert_eq!(xml_outcome(failed), Outcome::Failed { errcode: Some(-1008) });
    let deeper = format!("<errcode>0</errcode><detail><result><suggest>pass</suggest></result></detail>{risky}");
    assert_eq!(xml_outcome(&deeper), verdict(Suggest::Risky, Some(20002)));
    let nested = "<errcode>0</errcode><result><item><suggest>pass</suggest></item></result>";
    assert_eq!(xml_outcome(nested), verdict(Suggest::Review, None));
    let twice_inside = "<detail><suggest>pass</suggest><suggest>pass</suggest></detail><errcode>-1</errcode>";
    assert_eq!(xml_outcome(twice_inside), Outcome::Failed { errcode: Some(-1) });
}

#[test]
fn a_field_that_comes_twice_is_malformed() {
    let risky = r#""result":{"suggest":"risky"}"#;
    let pass = r#""result":{"suggest":"pass"}"#;
    for fields in [
        format!(r#""errcode":0,{risky},{pass}"#),
        format!(r#""errcode":0,{risky},"res\u0075lt":{{"suggest":"pass"}}"#),
        format!(r#""errcode":-1008,"errcode":0,{pass}"#),
        r#""errcode":0,"result":{"suggest":"risky","suggest":"pass"}"#.to_owned(),
        r#""errcode":0,"result":{"suggest":"pass","label":20002,"label":100}"#.to_owned(),
        r#""isrisky":1,"isrisky":0"#.to_owned(),
        r#""isrisky":0,"Event":"another""#.to_owned(),
        r#""isrisky":0,"trace_id":"t-2""#.to_owned(),
    ] {
        let message = format!(r#"{{"MsgType":"event","Event":"wxa_media_check","trace_id":"t-1",{fields}}}"#);
        assert!(is_malformed(&secured(&message)), "{message}");
    }
    let (risky, pass) = ("<result><suggest>risky</suggest></result>", "<result><suggest>pass</suggest></result>");
    for fields in [
        format!("{risky}{pass}"),
        format!("<errcode>-1008</errcode><errcode>0</errcode>{pass}"),
        "<result><suggest>risky</suggest><suggest>pass</suggest></result>".to_owned(),
        "<isrisky>1</isrisky><isrisky>0</isrisky>".to_owned(),
        format!("<trace_id>t-2</trace_id>{pass}"),
        format!("<Event>another</Event>{pass}"),
    ] {
        assert!(is_malformed(&secured(&xml_check(&fields))), "{fields}");
    }
}

#[test]
fn a_check_needs_a_trace_id() {
    for id in [r#""""#, "null", "5", r#""a b""#, r#"{"a":1}"#] {
        let message = V2_JSON.replace(r#""60f96f1d-3845297a-1976a3ae""#, id);
        assert!(is_malformed(&secured(&message)), "{id}");
    }
    assert!(is_malformed(&secured("<xml><MsgType>event</MsgType><Event>wxa_media_check</Event></xml>")));
    // Version 1 has 32 hexadecimal digits, which may all be decimal.
    let digits = V2_JSON.replace("60f96f1d-3845297a-1976a3ae", "12345678123456781234567812345678");
    assert!(is_pass(&secured(&digits)));
}

#[test]
fn a_time_that_is_none_is_left_out() {
    for time in ["-1", "9223372036854775807", "\"?\"", "[]", "1e3"] {
        assert_eq!(secured(&V2_JSON.replace("1626959646", time)).unwrap().created_at, None, "{time}");
    }
}

#[test]
fn other_events_are_accepted_whatever_else_is_in_them() {
    let popup = r#"{"MsgType":"event","Event":"subscribe_msg_popup_event",
        "List":[{"a":[[{}]]}],"result":[1],"errcode":{},"appid":7}"#;
    let text = r#"{"MsgType":"text","Content":"wxa_media_check","trace_id":5,"result":{"suggest":1,"suggest":2}}"#;
    let no_event = r#"{"MsgType":"text","Event":"wxa_media_check","result":{"suggest":"pass"}}"#;
    let xml = "<xml><MsgType>event</MsgType><Event>a&amp;b&#x4e2d;</Event><result/><result><x>1</x></result></xml>";
    for (message, msg_type, event) in [
        (popup, "event", Some("subscribe_msg_popup_event")),
        (text, "text", None),
        (no_event, "text", Some("wxa_media_check")),
        (r#"{"action":"CheckContainerPath"}"#, "", None),
        (xml, "event", Some("a&b中")),
        ("<xml/>", "", None),
    ] {
        let expected = PushEvent::Other { msg_type: msg_type.into(), event: event.map(str::to_owned) };
        assert_eq!(secured(message).unwrap().event, expected, "{message}");
    }
    let long = format!(r#"{{"MsgType":"{}"}}"#, "长".repeat(100_000));
    assert_eq!(secured(&long).unwrap().event, PushEvent::Other { msg_type: "长".repeat(64), event: None });
}
