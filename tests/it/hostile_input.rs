//! Input that nobody of good will sends: it never breaks anything, never opens anything, and is told so properly.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use greenlight::domain::author::Rates;
use greenlight::domain::text::judged_form;
use greenlight::wechat::envelope::{AesKey, seal, signature};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Answer, Plan, World, app_id, form, push_aes_key, push_token, server_key};
use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH, RANGE};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::BodyExt;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::requests::problem;

/// A world with a runtime of its own, as a property is no async function; and an author who may do much.
struct Rig {
    world: World,
    alice: String,
    router: Router,
    // Last, so that the world's servers end before what they run on.
    runtime: Runtime,
}

impl Rig {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let world = runtime.block_on(World::start());
        let alice = runtime.block_on(world.log_in("alice"));
        let mut functions = world.functions.clone();
        let rates = Rates { submissions: u32::MAX, calls: u32::MAX, ..Rates::default() };
        (functions.submit_content.rates, functions.accept_upload.rates) = (rates, rates);
        let router = functions.router();
        Self { world, alice, router, runtime }
    }

    /// Puts a request before the routers, with nothing between that could smooth it.
    fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            let bytes = body.collect().await.unwrap().to_bytes();
            Answer { status: head.status, headers: head.headers, bytes }
        })
    }

    fn post(&self, path: &str, key: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::post(path).header(AUTHORIZATION, format!("Bearer {key}"));
        self.send(request.header(CONTENT_TYPE, content_type).body(Body::from(body.into())).unwrap())
    }
}

/// What holds for every answer: we did not fail, and what is refused is refused in the one way there is.
fn is_sane(answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(!answer.status.is_server_error(), "{}", answer);
    if answer.status.is_client_error() && answer.status != 416 {
        prop_assert_eq!(&answer.headers[CONTENT_TYPE], "application/problem+json; charset=utf-8", "{}", answer);
        let body = answer.json();
        prop_assert!(body["code"].is_string() && body["message"].is_string(), "{}", answer);
        prop_assert_eq!(&body["status"], &json!(answer.status.as_u16()));
    }
    Ok(())
}

const CALLS: [(&str, &str); 16] = [
    ("POST", "/v1/sessions"),
    ("POST", "/v1/submissions"),
    ("GET", "/v1/submissions"),
    ("GET", "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("DELETE", "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
    ("POST", "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa/decisions"),
    ("GET", "/v1/channels/square/submissions"),
    ("POST", "/v1/checks/text"),
    ("GET", "/v1/reviews"),
    ("POST", "/v1/bans"),
    ("POST", "/v1/uploads"),
    ("POST", "/v1/uploads/x"),
    ("GET", "/push/wx0"),
    ("POST", "/push/wx0"),
    ("GET", "/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/0.png"),
    ("HEAD", "/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/0/aaaaaaaaaaaaaaaaaaaaaaaaaa.png"),
];

/// JSON as text, so that it can be what no JSON library writes.
fn json_text() -> impl Strategy<Value = String> {
    let odd = [
        "null",
        "true",
        "-0",
        "1e400",
        "1e308",
        "-1",
        "123456789012345678901234567890",
        "0.1",
        "01",
        "NaN",
        "'x'",
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\ude00""#,
        r#""\u0000""#,
        r#""\u001b[31m""#,
        "\"\u{0}\"",
        "\"\u{7f}\u{202e}\u{feff}\"",
        r#""""#,
        r#"" ""#,
        r#""forbidden""#,
        r#""可疑""#,
        r#""好""#,
        "{}",
        "[]",
        "1",
        "2",
        r#""square""#,
        r#""image""#,
        r#""aaaaaaaaaaaaaaaaaaaaaaaaaa""#,
        r#""2099-01-01T00:00:00Z""#,
        r#""approve""#,
    ];
    let deep = (1_usize..200).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let text = "\\PC{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap());
    let leaf = prop_oneof![6 => select(odd.to_vec()).prop_map(str::to_owned), 1 => deep, 3 => text];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        let object = prop::collection::vec((field(), inner), 0..4).prop_map(|fields| object(&fields));
        prop_oneof![list, object]
    })
}

fn field() -> impl Strategy<Value = String> {
    let known = [
        "scene",
        "text",
        "title",
        "nickname",
        "signature",
        "media",
        "upload_id",
        "channel",
        "metadata",
        "external_id",
        "idempotency_key",
        "openid",
        "code",
        "app_id",
        "content",
        "kind",
        "decision",
        "reason",
        "moderator",
        "version",
        "until",
    ];
    prop_oneof![9 => select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,9}"]
}

/// An object of these fields, doubles and all.
fn object(fields: &[(String, String)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{value}", serde_json::to_string(name).unwrap())).collect();
    format!("{{{}}}", fields.join(","))
}

fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((field(), json_text()), 0..9)
}

#[test]
fn any_json_to_any_call_is_answered_properly() {
    let rig = Rig::start();
    let calls: Vec<&str> = CALLS.iter().filter(|(method, _)| *method == "POST").map(|(_, path)| *path).collect();
    let config = ProptestConfig::with_cases(400);
    proptest!(config, |(path in select(calls), by_owner in any::<bool>(), fields in fields())| {
        let key = if by_owner { server_key(0) } else { rig.alice.clone() };
        is_sane(&rig.post(path, &key, "application/json", object(&fields)))?;
    });
}

#[test]
fn whatever_is_submitted_only_what_wechat_passed_is_approved() {
    let rig = Rig::start();
    let suggests = select(&["pass", "review", "risky", "Pass", "pass ", "", "ok", "block", "通过"][..]);
    let label = prop::option::of(prop_oneof![Just(100_i64), Just(20001), any::<i64>()]);
    let before = prop::collection::vec((field(), json_text()), 0..4);
    let words = select(&["\"好\"", "\"forbidden\"", "\"\\u0000forbidden\"", "\"可疑\"", "\"a\\ud83d\\ude00\""][..]);
    let config = ProptestConfig::with_cases(250);
    proptest!(config, |(before in before, title in words.clone(), text in words, suggest in suggests, label in label)| {
        // The last of doubles counts, so the scene and the text are as they stand here, whatever came before.
        let mut fields = before;
        fields.retain(|(name, _)| name != "openid");
        for (name, value) in [("scene", "1"), ("title", title), ("text", text)] {
            fields.push((name.to_owned(), value.to_owned()));
        }
        let checked_before = rig.world.simulator.checks().len();
        rig.world.behave(json!({"text_verdicts": [{"verdict": {"suggest": suggest, "label": label}}]}));
        let answer = rig.post("/v1/submissions", &rig.alice, "application/json", object(&fields));
        is_sane(&answer)?;
        let shown = answer.json();
        if answer.status == 201 {
            let checks = rig.world.simulator.checks().split_off(checked_before);
            prop_assert_eq!(checks.len(), 1);
            let judged = checks[0].text.clone().unwrap();
            for field in ["title", "text", "nickname", "signature"] {
                // Control characters are nothing that anybody sees.
                let seen = judged_form(shown[field].as_str().unwrap_or_default());
                prop_assert!(judged_form(&judged).contains(&*seen), "{field} is shown and was not judged: {judged:?}");
            }
            let passed = suggest == "pass" && label.is_none_or(|label| label == 100);
            prop_assert_eq!(shown["state"] == "approved", passed, "{}", answer);
            prop_assert_eq!(&shown["shareable"], &json!(passed));
        }
    });
}

#[test]
fn any_bytes_and_headers_to_any_call_are_answered_properly() {
    let rig = Rig::start();
    let key = prop_oneof![
        Just(format!("Bearer {}", rig.alice).into_bytes()),
        Just(format!("Bearer {}", server_key(0)).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..60),
        (1_usize..200_000).prop_map(|length| [b"Bearer ".as_slice(), &vec![b'a'; length]].concat()),
    ];
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60),
        select(&["en;q=NaN", "*;q=-1", "bytes=18446744073709551615-", "bytes=-99999999999999999999", "W/\"", ","][..])
            .prop_map(|value| value.as_bytes().to_vec()),
        select(&["application/json", "multipart/form-data; boundary=a", "multipart/form-data; boundary=\"", "/"][..])
            .prop_map(|value| value.as_bytes().to_vec()),
        select(&["-1", "1e9", "18446744073709551616", "00"][..]).prop_map(|value| value.as_bytes().to_vec()),
        Just(vec![b'x'; 100_000]),
    ];
    let names = select(vec![ACCEPT_LANGUAGE, CONTENT_TYPE, CONTENT_LENGTH, RANGE, IF_NONE_MATCH, AUTHORIZATION]);
    let headers = prop::collection::vec((names, value), 0..5);
    let methods = select(&["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"][..]);
    let config = ProptestConfig::with_cases(400);
    proptest!(config, |(
        (method, path) in select(&CALLS[..]), other in prop::option::weighted(0.1, methods), key in key,
        headers in headers, body in prop::collection::vec(any::<u8>(), 0..300),
    )| {
        let method = Method::from_bytes(other.unwrap_or(method).as_bytes()).unwrap();
        let mut request = Request::new(Body::from(body));
        (*request.method_mut(), *request.uri_mut()) = (method.clone(), path.parse().unwrap());
        let all: Vec<(HeaderName, Vec<u8>)> = [vec![(AUTHORIZATION, key)], headers].concat();
        for (name, value) in all {
            // What is no header value never gets past the server.
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(name, value);
            }
        }
        let answer = rig.send(request);
        if method == Method::HEAD {
            prop_assert!(!answer.status.is_server_error());
        } else {
            is_sane(&answer)?;
        }
    });
}

#[test]
fn any_path_and_query_are_answered_properly_and_lead_nowhere() {
    let rig = Rig::start();
    let world = &rig.world;
    world.behave(json!({"hold_pushes": true}));
    let id = rig.runtime.block_on(world.submit_media(&rig.alice, &[picture(GREEN, 1)]));
    let known = [
        "v1",
        "submissions",
        "uploads",
        "media",
        "push",
        "wx0",
        "..",
        ".",
        "%2e%2e",
        "%00",
        "%ff",
        "%",
        "",
        "0.png",
        "reviews",
        "channels",
    ];
    let segment = prop_oneof![
        6 => select(known.to_vec()).prop_map(str::to_owned),
        2 => Just(id.clone()),
        2 => "[a-zA-Z0-9%./;@:,~+=*-]{0,12}",
    ];
    let parameter = prop_oneof![
        select(
            &[
                "limit=1",
                "limit=%00",
                "cursor=a.b.c",
                "openid=o1",
                "app_id=wx0",
                "limit",
                "=",
                "&&",
                "%ff=%ff",
                "limit=1&limit=0"
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-zA-Z0-9%./;@:,~+=*?-]{0,20}",
    ];
    let (segments, query) = (prop::collection::vec(segment, 0..6), prop::collection::vec(parameter, 0..4));
    let config = ProptestConfig::with_cases(600);
    proptest!(config, |(segments in segments, query in query, signed_in in any::<bool>())| {
        let uri = format!("/{}?{}", segments.join("/"), query.join("&"));
        let Ok(uri) = uri.parse::<http::Uri>() else { return Ok(()) };
        let mut request = Request::get(uri);
        if signed_in {
            request = request.header(AUTHORIZATION, format!("Bearer {}", server_key(0)));
        }
        let answer = rig.send(request.body(Body::empty()).unwrap());
        is_sane(&answer)?;
        let picture = picture(GREEN, 1);
        prop_assert!(answer.bytes != picture, "without its word nobody is shown what waits");
    });
}

#[test]
fn any_multipart_form_is_answered_properly() {
    let rig = Rig::start();
    let light = picture(GREEN, 1);
    let pieces: Vec<Vec<u8>> = [
        "--b",
        "\r\n",
        "--",
        "--b--",
        "\n",
        "Content-Disposition: form-data; name=\"file\"",
        "; filename=\"a.png\"",
        "Content-Disposition: form-data; name=\"openid\"",
        "Content-Disposition: form-data; name=\"fi\0le\"",
        "Content-Disposition: attachment",
        "Content-Type: image/png",
        "Content-Transfer-Encoding: base64",
        "\r\n\r\n",
        "Content-Disposition: form-data; name*=UTF-8''file",
        "Content-Disposition: form-data; name=file",
        "\"",
        "\0",
    ]
    .iter()
    .map(|piece| piece.as_bytes().to_vec())
    .chain([light, b"--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n".to_vec(), b"\r\n--b--\r\n".to_vec()])
    .collect();
    let body =
        prop::collection::vec(prop_oneof![9 => select(pieces), 1 => prop::collection::vec(any::<u8>(), 0..9)], 0..14);
    let boundary = prop_oneof![9 => Just("b".to_owned()), 1 => "[ -~]{0,80}"];
    let config = ProptestConfig::with_cases(400);
    proptest!(config, |(body in body, boundary in boundary)| {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        is_sane(&rig.post("/v1/uploads", &rig.alice, &content_type, body.concat()))?;
    });
}

#[test]
fn no_file_is_taken_for_a_medium_that_it_only_begins_as() {
    let rig = Rig::start();
    let light = picture(GREEN, 1);
    let start = select(vec![
        b"\xff\xd8\xff".to_vec(),
        b"GIF89a".to_vec(),
        b"BM".to_vec(),
        b"ID3".to_vec(),
        b"OggS".to_vec(),
        b"RIFF".to_vec(),
        light.clone(),
        light[..40].to_vec(),
    ]);
    let config = ProptestConfig::with_cases(200);
    proptest!(config, |(start in start, rest in prop::collection::vec(any::<u8>(), 0..200))| {
        let (content_type, body) = greenlight_tests::world::form(&[("file", Some("a"), &[start.clone(), rest].concat())]);
        let answer = rig.post("/v1/uploads", &rig.alice, &content_type, body);
        is_sane(&answer)?;
        // What stands behind a whole picture is cut off, and the picture taken.
        prop_assert!(start != light || answer.status == 201, "{}", answer);
    });
}

#[test]
fn a_signed_push_that_does_not_say_pass_never_approves() {
    let rig = Rig::start();
    let (world, aes_key) = (&rig.world, AesKey::parse(&push_aes_key(0)).unwrap());
    world.behave(json!({"hold_pushes": true}));
    let odd = select(vec![
        json!(null),
        json!("Pass"),
        json!("pass "),
        json!("PASS"),
        json!(""),
        json!(["pass"]),
        json!({"suggest": ["pass"]}),
        json!(true),
        json!(0),
        json!(100),
        json!(-1),
        json!("100"),
        json!("0 "),
        json!(u64::MAX),
        json!(4_294_966_288_u32),
        json!({"suggest": "review", "label": 100}),
        json!({"label": 100}),
        json!({"suggest": "pass", "label": 20001}),
        json!([{"suggest": "pass", "label": 100, "errcode": 0}]),
    ]);
    // `isrisky` is never a plain 0 here, for that is how version 1 says pass.
    let risky = odd.clone().prop_filter("says pass", |value| *value != json!(0) && *value != json!("0 "));
    let names = select(&["suggest", "label", "errcode", "result", "status_code", "version", "detail", "MsgType"][..]);
    let fields = prop::collection::vec((names, odd.clone()), 0..6);
    let config = ProptestConfig::with_cases(120);
    proptest!(config, |(fields in fields, risky in prop::option::of(risky), result in odd, seed in any::<u8>())| {
        let id = rig.runtime.block_on(async {
            let (content_type, body) = greenlight_tests::world::form(&[("file", Some("a"), &picture(GREEN, seed))]);
            let upload = Request::post("/v1/uploads").header(AUTHORIZATION, format!("Bearer {}", rig.alice));
            let upload = upload.header(CONTENT_TYPE, content_type).body(Body::from(body)).unwrap();
            rig.router.clone().oneshot(upload).await.unwrap().into_body().collect().await.unwrap().to_bytes()
        });
        let upload: Value = serde_json::from_slice(&id).unwrap();
        let body = json!({"scene": 1, "media": [{"upload_id": upload["upload_id"]}]}).to_string();
        let id = rig.post("/v1/submissions", &rig.alice, "application/json", body).text("id");
        rig.runtime.block_on(world.simulator.idle());
        let trace_id = world.simulator.checks().last().unwrap().trace_id.clone().unwrap();

        let mut message = json!({"MsgType": "event", "Event": "wxa_media_check", "trace_id": trace_id, "errcode": 0});
        message["result"] = result;
        for (name, value) in fields {
            message[name] = value;
        }
        if let Some(risky) = risky {
            message["isrisky"] = risky;
        }
        let encrypted = seal(&aes_key, b"0123456789abcdef", message.to_string().as_bytes(), &app_id(0));
        let query = format!("timestamp=1&nonce=2&msg_signature={}", signature(&[&push_token(0), "1", "2", &encrypted]));
        let push = Request::post(format!("/push/wx0?{query}"));
        let answer = rig.send(push.body(Body::from(json!({"Encrypt": encrypted}).to_string())).unwrap());
        is_sane(&answer)?;
        let state = rig.runtime.block_on(world.state(&id));
        prop_assert!(state != "approved", "{} made it {}", message, state);
    });
}

#[test]
fn what_comes_twice_is_judged_and_shown_the_same() {
    let rig = Rig::start();
    let body = r#"{"scene":1,"text":"好","text":"forbidden","title":"forbidden","title":"a\u0000b\u001b[0m"}"#;
    let answer = rig.post("/v1/submissions", &rig.alice, "application/json", body).expect(201);
    assert_eq!((answer.text("text"), answer.text("title")), ("forbidden".into(), "a\0b\u{1b}[0m".into()));
    assert_eq!(answer.text("state"), "rejected");
    let judged = rig.world.simulator.checks().pop().unwrap().text.unwrap();
    assert!(judged_form(&judged).contains("ab[0m") && judged.contains("forbidden"), "{judged:?}");
    let path = format!("/v1/submissions/{}", answer.text("id"));
    let read = Request::get(path).header(AUTHORIZATION, format!("Bearer {}", rig.alice)).body(Body::empty()).unwrap();
    assert_eq!(rig.send(read).expect(200).text("title"), "a\0b\u{1b}[0m");
}

#[test]
fn a_word_that_control_characters_cut_in_two_is_judged_as_readers_see_it() {
    let rig = Rig::start();
    for field in ["title", "text", "nickname", "signature"] {
        for cut in ["for\0bidden", "违\u{1b}禁", "forbid\u{7f}den", "forbid\u{85}den"] {
            let body = json!({"scene": 1, field: cut}).to_string();
            let answer = rig.post("/v1/submissions", &rig.alice, "application/json", body).expect(201);
            assert_eq!(answer.text("state"), "rejected", "{field} {cut:?}");
        }
    }
    // Where nothing is left to judge, nothing is approved.
    let nothing = rig.post("/v1/submissions", &rig.alice, "application/json", r#"{"scene":1,"text":"\u0000"}"#);
    assert!(nothing.status != 201 || nothing.text("state") != "approved", "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_says_is_followed_or_refused_but_never_passed_over() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, owner) = (world.log_in("alice").await, server_key(0));
    let feed = "/v1/channels/square/submissions";
    for (query, key, status, code) in [
        ("app_id=wx1", owner.as_str(), 404, "not_found"),
        ("app_id=wx1", &alice, 404, "not_found"),
        ("app_id=", &owner, 404, "not_found"),
        ("app_id=wx0&openid=somebody", &alice, 400, "invalid_openid"),
        ("app_id=wx0&openid=somebody", "", 400, "invalid_list"),
    ] {
        problem(world.get(&format!("{feed}?{query}"), key).await, status, code);
    }
    for key in [owner.as_str(), &alice, ""] {
        world.get(&format!("{feed}?app_id=wx0"), key).await.expect(200);
    }

    let green = picture(GREEN, 1);
    let (content_type, body) = form(&[("file", Some("a.png"), &green)]);
    let check = async |query: &str, content_type: &str, body: Vec<u8>, key: &str| {
        let request = world.request(Method::POST, &format!("/v1/checks/image{query}"), key);
        world.send(request.header("content-type", content_type).body(body)).await
    };
    check("", &content_type, body.clone(), &alice).await.expect(200);
    for query in ["?openid=x", "?nonsense=1", "?"] {
        let answer = check(query, &content_type, body.clone(), &alice).await;
        if query == "?" {
            answer.expect(200)
        } else {
            problem(answer, 400, "invalid_check")
        };
    }
    problem(check("?nonsense=1", "image/png", green.clone(), &alice).await, 400, "invalid_check");
    let openid = World::openid(0, "alice");
    let escaped: String = openid.bytes().map(|byte| format!("%{byte:02x}")).collect();
    check(&format!("?openid={escaped}"), "image/png", green, &owner).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_names_one_openid_that_is_one() {
    let world = World::start().await;
    world.log_in("alice").await;
    let (green, openid) = (picture(GREEN, 2), World::openid(0, "alice"));
    let long = "x".repeat(300);
    for (openids, status) in [
        (vec![openid.as_bytes()], 201),
        (vec![long.as_bytes()], 400),
        (vec![b"\xff".as_slice()], 400),
        (vec![b"somebody".as_slice(), openid.as_bytes()], 400),
    ] {
        let mut parts: Vec<(&str, Option<&str>, &[u8])> = openids.iter().map(|one| ("openid", None, *one)).collect();
        parts.push(("file", Some("a.png"), &green));
        let (content_type, body) = form(&parts);
        let request = world.request(Method::POST, "/v1/uploads", &server_key(0)).header("content-type", content_type);
        let answer = world.send(request.body(body)).await.expect(status);
        assert_eq!(answer.faults(), if status == 201 { vec![] } else { vec!["openid"] }, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_of_spaces_is_no_text_and_a_number_is_whole_however_it_is_written() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for text in ["   ", "\u{3000}\n", " \u{200b}"] {
        let submitted = world.post("/v1/submissions", &alice, &json!({"scene": 1, "text": text})).await;
        assert_eq!(problem(submitted, 400, "invalid_submission").faults(), ["text"]);
        let checked = world.post("/v1/checks/text", &alice, &json!({"scene": 1, "content": text})).await;
        assert_eq!(problem(checked, 400, "invalid_check").faults(), ["content"]);
    }
    let body = r#"{"scene": 1.0, "text": "好"}"#;
    let request = world.request(Method::POST, "/v1/submissions", &alice).header("content-type", "application/json");
    let id = world.send(request.body(body)).await.expect(201).text("id");
    let decide = async |version: &str| {
        let body = format!(r#"{{"decision": "reject", "reason": "r", "moderator": "m", "version": {version}}}"#);
        let path = format!("/v1/submissions/{id}/decisions");
        let request = world.request(Method::POST, &path, &server_key(0)).header("content-type", "application/json");
        world.send(request.body(body)).await
    };
    for version in ["1.5", "-1.0", "1e300"] {
        problem(decide(version).await, 400, "invalid_decision");
    }
    decide("1.0").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_at_a_time_that_can_be_told() {
    let world = World::start().await;
    let ban = async |until: &str| {
        let body = json!({"openid": "somebody", "until": until, "reason": "r", "moderator": "m"});
        world.post("/v1/bans", &server_key(0), &body).await
    };
    for until in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "9999-12-31T23:59:59Z"] {
        assert_eq!(problem(ban(until).await, 400, "invalid_ban").faults(), ["until"], "{until}");
    }
    assert_eq!(ban("9999-12-31T15:59:59Z").await.expect(200).json()["until"], "9999-12-31T15:59:59Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn head_at_the_push_url_is_a_get_and_no_push() {
    let world = World::start().await;
    let signed = signature(&[&push_token(0), "1714036504", "1514711492"]);
    let query = format!("signature={signed}&timestamp=1714036504&nonce=1514711492&echostr=hello");
    let asked = |method| world.send(world.request(method, &format!("/push/wx0?{query}"), ""));
    assert_eq!(&asked(Method::GET).await.expect(200).bytes[..], b"hello");
    asked(Method::HEAD).await.expect(200);
}
