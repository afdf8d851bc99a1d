//! Requests to the API: who may call, what is said when something is wrong, and each call by itself.

mod bodies;
mod moderation;
mod sessions;
mod submissions;

use greenlight_tests::world::{Answer, Plan, World, server_key};
use http::Method;
use serde_json::{Value, json};

/// The answer, if it is a problem of this status and code as RFC 9457 has them.
pub(crate) fn problem(answer: Answer, status: u16, code: &str) -> Answer {
    assert_eq!(answer.status.as_u16(), status, "{answer}");
    assert_eq!(answer.headers["content-type"], "application/problem+json; charset=utf-8", "{answer}");
    assert_eq!(answer.headers["cache-control"], "no-store");
    let body = answer.json();
    assert_eq!((&body["code"], &body["status"]), (&json!(code), &json!(status)), "{answer}");
    assert_eq!(body["type"], "about:blank");
    for text in ["title", "message"] {
        assert!(body[text].as_str().is_some_and(|text| !text.is_empty()), "{answer}");
    }
    answer
}

/// The texts that WeChat was asked about, oldest first.
pub(crate) fn judged_texts(world: &World) -> Vec<String> {
    world.simulator.checks().into_iter().filter_map(|check| check.text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_or_with_another_token_nobody_gets_past_401() {
    let world = World::start().await;
    let calls = [
        (Method::POST, "/v1/submissions"),
        (Method::GET, "/v1/submissions"),
        (Method::DELETE, "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (Method::POST, "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa/decisions"),
        (Method::POST, "/v1/checks/text"),
        (Method::GET, "/v1/reviews"),
        (Method::POST, "/v1/bans"),
        (Method::POST, "/v1/uploads"),
        (Method::POST, "/v1/uploads/x"),
    ];
    for (method, path) in &calls {
        let answer = world.send(world.request(method.clone(), path, "").body("{}")).await;
        problem(answer, 401, "unauthorized");
    }
    let token = world.log_in("alice").await;
    // One letter of the signature is another than it was.
    let at = token.len() - 9;
    let other = if &token[at..=at] == "x" { "y" } else { "x" };
    let broken = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    let unsigned = token.rsplit_once('.').unwrap().0.to_owned() + ".";
    for authorization in ["Bearer x", "Bearer ", "Bearer", &format!("Bearer {broken}"), &format!("Bearer {unsigned}")] {
        let request = world.request(Method::GET, "/v1/submissions", "").header("authorization", authorization);
        problem(world.send(request).await, 401, "unauthorized");
    }
    for scheme in ["Basic", "Token", ""] {
        let request = world.request(Method::GET, "/v1/submissions", "");
        let request = request.header("authorization", format!("{scheme} {token}"));
        problem(world.send(request).await, 401, "unauthorized");
    }
    // The scheme's case does not matter (RFC 9110, 11.1).
    let request = world.request(Method::GET, "/v1/submissions", "").header("authorization", format!("bEARER {token}"));
    world.send(request).await.expect(200);
    let raw = http::HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    let request = world.request(Method::GET, "/v1/submissions", "").header("authorization", raw);
    problem(world.send(request).await, 401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_after_110_minutes_and_says_so() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.pass(110 * 60 - 1);
    world.get("/v1/submissions", &alice).await.expect(200);
    world.pass(1);
    problem(world.get("/v1/submissions", &alice).await, 401, "session_expired");
    // Even where a stranger may look: who thinks to be logged in learns that the login is over.
    problem(world.get("/v1/channels/square/submissions", &alice).await, 401, "session_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_one_purpose_opens_nothing_else() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let upload = world.uploaded(&alice, &greenlight_tests::pictures::picture([40, 180, 60], 1)).await;
    problem(world.get("/v1/submissions", &upload).await, 401, "unauthorized");
    let as_upload = json!({"scene": 1, "media": [{"upload_id": alice}]});
    assert_eq!(world.submit(&alice, &as_upload).await.expect(400).faults(), ["media[0].upload_id"]);
    problem(world.get(&format!("/v1/submissions?cursor={alice}"), &alice).await, 400, "invalid_list");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_key_names_the_openid_and_a_session_names_none_but_its_own() {
    let world = World::start().await;
    let (owner, alice) = (server_key(0), world.log_in("alice").await);
    let bob = World::openid(0, "bob");
    let text = json!({"scene": 2, "text": "好"});
    let with = |openid: &Value| {
        let mut body = text.clone();
        body["openid"] = openid.clone();
        body
    };
    problem(world.submit(&owner, &text).await, 400, "invalid_openid");
    problem(world.submit(&owner, &with(&json!("not an openid!"))).await, 400, "invalid_openid");
    problem(world.get("/v1/submissions", &owner).await, 400, "invalid_openid");
    problem(world.submit(&alice, &with(&json!(bob))).await, 400, "invalid_openid");
    world.submit(&alice, &with(&json!(World::openid(0, "alice")))).await.expect(201);

    world.log_in("bob").await;
    let id = world.submit(&owner, &with(&json!(bob))).await.expect(201).text("id");
    let own = world.get(&format!("/v1/submissions?openid={bob}"), &owner).await.expect(200).json();
    assert_eq!(own["submissions"][0]["id"], json!(id));
    assert_eq!(own["submissions"][0]["openid"], json!(bob), "the owner bans by it");
    problem(world.get(&format!("/v1/submissions?openid={bob}"), &alice).await, 400, "invalid_openid");
    let checked = json!({"scene": 2, "content": "好"});
    problem(world.post("/v1/checks/text", &owner, &checked).await, 400, "invalid_openid");
    let mut named = checked;
    named["openid"] = json!(bob);
    world.post("/v1/checks/text", &owner, &named).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_chinese_unless_they_prefer_english() {
    let world = World::start().await;
    let ask = |language: Option<&'static str>| {
        let mut request = world.http.post(format!("{}/v1/submissions", world.url));
        if let Some(language) = language {
            request = request.header("accept-language", language);
        }
        world.send(request)
    };
    let (chinese, english) = (ask(None).await, ask(Some("en-US,en;q=0.9")).await);
    assert!(chinese.text("message").starts_with("请先登录"), "{chinese}");
    assert!(english.text("message").starts_with("Sign in first"), "{english}");
    assert_eq!(
        (&chinese.headers["content-language"], &english.headers["content-language"]),
        (&http::HeaderValue::from_static("zh-CN"), &http::HeaderValue::from_static("en"))
    );
    assert_eq!(ask(Some("zh-CN,zh;q=0.9,en;q=0.8")).await.bytes, chinese.bytes);
    assert_eq!(ask(Some("fr-FR")).await.bytes, chinese.bytes);

    let alice = world.log_in("alice").await;
    let submit = |language: &'static str| {
        let request = world.http.post(format!("{}/v1/submissions", world.url)).bearer_auth(&alice);
        world.send(request.header("accept-language", language).body(r#"{"scene": 1, "text": "forbidden"}"#))
    };
    let (chinese, english) = (submit("zh").await.expect(201).json(), submit("en").await.expect(201).json());
    assert_eq!(
        (&chinese["reasons"][0]["label_name"], &english["reasons"][0]["label_name"]),
        (&json!("违法犯罪"), &json!("crime"))
    );
    assert!(chinese["message"].as_str().unwrap().starts_with("内容未通过审核"), "{chinese}");
    assert!(english["message"].as_str().unwrap().starts_with("It did not pass"), "{english}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_existed_and_what_is_not_for_you_are_the_same_bytes() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let rejected = world.submit_text(&alice, "forbidden").await.expect(201).text("id");
    let withdrawn = world.submit_text(&alice, "好").await.expect(201).text("id");
    world.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    let nowhere = world.get("/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa", "").await;
    let nowhere = problem(nowhere, 404, "not_found");
    for key in ["", &bob, &server_key(1)] {
        for id in [&rejected, &withdrawn, "x", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "%E4%BD%A0", "%00", &"a".repeat(3000)] {
            let read = world.get(&format!("/v1/submissions/{id}"), key).await;
            assert_eq!(problem(read, 404, "not_found").bytes, nowhere.bytes, "{id}");
            if !key.is_empty() {
                let deleted = world.delete(&format!("/v1/submissions/{id}"), key).await;
                assert_eq!(problem(deleted, 404, "not_found").bytes, nowhere.bytes, "{id}");
            }
        }
    }
    // Its author sees nothing of it either, once it is withdrawn; the owner of its app does.
    let read = world.get(&format!("/v1/submissions/{withdrawn}"), &alice).await;
    assert_eq!(problem(read, 404, "not_found").bytes, nowhere.bytes);
    let kept = world.get(&format!("/v1/submissions/{withdrawn}"), &server_key(0)).await.expect(200).json();
    assert_eq!(
        (&kept["state"], &kept["visible_to"], &kept["text"]),
        (&json!("withdrawn"), &json!("nobody"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let unknown = [
        "/",
        "/v1",
        "/v1/",
        "/v2/submissions",
        "/v1/submissions/",
        "/v1/checks",
        "/v1/checks/image2",
        "/v1/uploads/",
        "/push",
        "/push/",
        "/media",
        "/media/",
        "//v1/submissions",
        "/v1//submissions",
        "/favicon.ico",
    ];
    for path in unknown {
        problem(world.get(path, &alice).await, 404, "not_found");
    }
    let wrong = [
        (Method::GET, "/v1/sessions"),
        (Method::PUT, "/v1/submissions"),
        (Method::PATCH, "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (Method::POST, "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (Method::GET, "/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa/decisions"),
        (Method::POST, "/v1/channels/square/submissions"),
        (Method::GET, "/v1/checks/text"),
        (Method::POST, "/v1/reviews"),
        (Method::GET, "/v1/bans"),
        (Method::GET, "/v1/uploads"),
        (Method::DELETE, "/v1/uploads/x"),
        (Method::PUT, "/push/wx0"),
        (Method::POST, "/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/0.png"),
        (Method::OPTIONS, "/v1/submissions"),
    ];
    for (method, path) in wrong {
        let answer = world.send(world.request(method, path, &alice)).await;
        let answer = problem(answer, 405, "method_not_allowed");
        assert!(answer.headers.contains_key("allow"), "{path}: a 405 names what is allowed (RFC 9110, 15.5.6)");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_no_utf8_is_nowhere_in_every_function() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let nowhere = world.get("/v1/nowhere", "").await;
    for (method, path) in [
        (Method::GET, "/v1/submissions/%ff"),
        (Method::DELETE, "/v1/submissions/%ff"),
        (Method::GET, "/v1/channels/%ff/submissions"),
        (Method::POST, "/v1/uploads/%ff"),
        (Method::GET, "/push/%ff"),
        (Method::POST, "/push/%ff"),
        (Method::GET, "/media/%ff"),
        (Method::GET, "/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/%c3%28.png"),
    ] {
        let answer = world.send(world.request(method, path, &alice)).await;
        assert_eq!(problem(answer, 404, "not_found").bytes, nowhere.bytes, "{path}");
    }
    let path = "/v1/submissions/%ff/decisions";
    let word = json!({"decision": "approve", "reason": "x", "moderator": "li", "version": 1});
    problem(world.post(path, &server_key(0), &word).await, 404, "not_found");
}
