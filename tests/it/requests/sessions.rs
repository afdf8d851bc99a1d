//! Sessions: by a code from wx.login, or by the owner's word.

use greenlight::domain::clock::Timestamp;
use greenlight_local::simulator::Api;
use greenlight_tests::world::{Plan, World, app_id, server_key};
use serde_json::json;

use crate::requests::problem;

#[tokio::test(flavor = "multi_thread")]
async fn a_code_opens_a_session_that_carries_no_session_key() {
    let world = World::start().await;
    let answer = world.post("/v1/sessions", "", &json!({"code": "alice-1"})).await.expect(201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    let expires = Timestamp::parse_rfc3339(&answer.text("expires_at")).unwrap();
    assert_eq!(expires, world.now().plus(std::time::Duration::from_secs(110 * 60)));
    let token = answer.text("token");
    let claims = data_encoding::BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["app", "aud", "exp", "iat", "sub"]);
    world.get("/v1/submissions", &token).await.expect(200);
    // The app may be named although there is but one.
    world.post("/v1/sessions", "", &json!({"code": "alice-2", "app_id": app_id(0)})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once() {
    let world = World::start().await;
    let code = json!({"code": "alice-1"});
    world.post("/v1/sessions", "", &code).await.expect(201);
    problem(world.post("/v1/sessions", "", &code).await, 401, "login_refused");
    problem(world.post("/v1/sessions", "", &json!({"code": "bad-1"})).await, 401, "login_refused");
    problem(world.post("/v1/sessions", "", &json!({"code": "blocked-1"})).await, 403, "login_blocked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_says_what_is_wrong_with_it() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let faults = async |body: serde_json::Value| {
        problem(world.post("/v1/sessions", "", &body).await, 400, "invalid_session").faults()
    };
    assert_eq!(faults(json!({"code": "alice-1"})).await, ["app_id"]);
    assert_eq!(faults(json!({"code": "alice-1", "app_id": "wx9"})).await, ["app_id"]);
    assert_eq!(faults(json!({"code": "alice-1", "app_id": "../wx0"})).await, ["app_id"]);
    assert_eq!(faults(json!({"app_id": "wx0"})).await, ["code"]);
    assert_eq!(faults(json!({"code": 7, "app_id": "wx0", "openid": "o1"})).await, ["code", "openid"]);
    assert_eq!(
        faults(json!({"code": "x".repeat(513), "app_id": null, "colour": 1})).await,
        ["code", "app_id", "colour"]
    );
    assert_eq!(world.simulator.calls(&app_id(0), Api::Jscode2session), 0, "WeChat was not asked");
    let both = (world.log_in_to(0, "alice").await, world.log_in_to(1, "alice").await);
    assert_ne!(both.0, both.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_key_opens_a_session_without_asking_wechat() {
    let world = World::start().await;
    let openid = World::openid(0, "alice");
    let answer = world.post("/v1/sessions", &server_key(0), &json!({"openid": openid})).await.expect(201);
    assert_eq!(world.simulator.calls(&app_id(0), Api::Jscode2session), 0);
    // It is the same author whichever way the session came.
    let by_code = world.log_in("alice").await;
    let id = world.submit_text(&by_code, "forbidden").await.expect(201).text("id");
    let read = world.get(&format!("/v1/submissions/{id}"), &answer.text("token")).await.expect(200);
    assert_eq!(read.json()["mine"], json!(true));

    for (body, named) in [
        (json!({}), vec!["openid"]),
        (json!({"openid": "no openid"}), vec!["openid"]),
        (json!({"code": "alice-2"}), vec!["openid", "code"]),
    ] {
        let answer = world.post("/v1/sessions", &server_key(0), &body).await;
        assert_eq!(problem(answer, 400, "invalid_session").faults(), named);
    }
    let stranger = world.post("/v1/sessions", "sk-of-nobody-at-all", &json!({"openid": openid})).await;
    problem(stranger, 401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread")]
async fn wechats_login_quota_is_429_and_wechats_absence_503() {
    let world = World::start().await;
    let login = async |code: &str| world.post("/v1/sessions", "", &json!({"code": code})).await;
    world.behave(json!({"quotas": {"jscode2session": {"per_minute": 1, "minute_errcode": 45011}}}));
    login("alice-1").await.expect(201);
    let refused = problem(login("alice-2").await, 429, "too_many_requests");
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
    world.pass(60);
    login("alice-3").await.expect(201);

    for how in [
        json!({"errcode": -1}),
        json!({"http_status": 502}),
        json!("close"),
        json!("not_json"),
        json!("empty"),
        json!({"errcode": 40125}),
    ] {
        world.behave(json!({"fail": [{"api": "jscode2session", "calls": null, "how": how}]}));
        let refused = problem(login("alice-4").await, 503, "login_unavailable");
        assert!(refused.headers.contains_key("retry-after"), "{how}");
        assert!(!refused.to_string().contains("40125"), "no internal text: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_still_sends_an_ended_session_can_log_in() {
    let world = World::start().await;
    let ended = world.log_in("alice").await;
    world.pass(110 * 60);
    let refused = world.get("/v1/submissions", &ended).await.expect(401);
    assert_eq!(refused.text("code"), "session_expired");
    world.post("/v1/sessions", &ended, &json!({"code": "alice-again"})).await.expect(201);
    world.post("/v1/sessions", "no-key-of-ours", &json!({"code": "alice-third"})).await.expect(401);
}
