//! The apps of the secret: none yet, one that is wrong, and what is told of it.

use greenlight_local::stack::SECRET;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Plan, World, app_id, form, push_token, server_key};
use http::Method;
use serde_json::json;

use crate::logged::Logged;
use crate::requests::problem;

/// All functions of a world once more, behind an address, as new processes that read the secret at their start.
async fn started(world: &World) -> String {
    let router = world.restarted().await.router();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_without_apps_starts_and_says_how_to_add_one() {
    let mut world = World::start().await;
    let full = world.document.clone();
    world.set_secret(json!({"apps": {}, "session_key": full["session_key"]}));
    let url = started(&world).await;
    let (content_type, body) = form(&[("file", Some("a.png"), &picture(GREEN, 0))]);
    let http = |method: Method, path: &str| {
        world.http.request(method, format!("{url}{path}")).header("accept-language", "en").bearer_auth(server_key(0))
    };
    let calls = [
        http(Method::POST, "/v1/sessions").body(r#"{"code": "alice-1"}"#),
        http(Method::POST, "/v1/submissions").body(r#"{"scene": "comment", "text": "hello"}"#),
        http(Method::GET, "/v1/submissions"),
        http(Method::GET, "/v1/channels/square/submissions"),
        http(Method::GET, "/v1/reviews"),
        world.http.get(format!("{url}/v1/channels/square/submissions?app_id=wx0")).header("accept-language", "en"),
        http(Method::POST, "/v1/uploads").header("content-type", content_type).body(body),
        http(Method::GET, "/push/wx0?signature=x&timestamp=1&nonce=1&echostr=1"),
        http(Method::POST, "/push/wx0?signature=x&timestamp=1&nonce=1").body("{}"),
    ];
    for call in calls {
        let told = problem(world.send(call).await, 503, "no_app");
        assert!(told.text("message").contains("node infra/add-app.mjs --stack"), "{told}");
        assert!(told.headers.contains_key("retry-after"), "WeChat and the impatient come again: {told}");
    }
    // Nothing is due and no token is to be had, and neither is an error.
    let functions = world.restarted().await;
    assert_eq!(functions.refresh_token.run().await, refresh_token::Refresh::default());
    functions.sweep_overdue.run().await.unwrap();

    // The first app is there some seconds after it was added, not five minutes.
    world.pass(10);
    world.stack.secrets.set(SECRET, &full.to_string());
    world.send(http(Method::GET, "/v1/reviews")).await.expect(200);
}

#[tokio::test]
async fn an_app_that_is_wrong_is_switched_off_and_nobody_else() {
    let mut world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let session = world.log_in("alice").await;
    let full = world.document.clone();
    let mut document = full.clone();
    document["apps"]["wx0"]["push_aes_key"] = json!("hunter2");
    world.set_secret(document);
    let log = Logged::start();
    let url = started(&world).await;
    let get = |path: &str, key: &str| {
        let call = world.http.get(format!("{url}{path}")).header("accept-language", "en");
        world.send(if key.is_empty() { call } else { call.bearer_auth(key) })
    };
    for (path, key) in [
        ("/v1/submissions", session.as_str()),
        ("/v1/reviews", &server_key(0)),
        ("/v1/channels/square/submissions?app_id=wx0", ""),
        ("/push/wx0?signature=x&timestamp=1&nonce=1&echostr=1", ""),
    ] {
        let told = problem(get(path, key).await, 503, "app_switched_off");
        assert!(told.text("message").contains("`apps.wx0.push_aes_key`"), "{told}");
        assert!(!told.to_string().contains("hunter2"), "{told}");
    }
    get("/v1/reviews", &server_key(1)).await.expect(200);
    get("/v1/channels/square/submissions?app_id=wx1", "").await.expect(200);
    let echo = {
        use greenlight::wechat::envelope::signature;
        let signature = signature(&[&push_token(1), "1", "2"]);
        get(&format!("/push/wx1?signature={signature}&timestamp=1&nonce=2&echostr=seen"), "").await.expect(200)
    };
    assert_eq!(&echo.bytes[..], b"seen");

    // The schedule fails, so that an alarm is raised, and has renewed the other's token all the same.
    let refresh = world.restarted().await.refresh_token.run().await;
    assert_eq!((refresh.faults, refresh.renewed, refresh.failed.len()), (1, 1, 0), "{refresh:?}");
    let lines = log.lines_with("app_switched_off");
    assert!(lines.iter().any(|line| line.contains("apps.wx0.push_aes_key") && line.contains("43 characters")));
    assert!(!log.text().contains("hunter2"));

    // Mended, it is back without a restart.
    world.pass(10);
    world.stack.secrets.set(SECRET, &full.to_string());
    get("/v1/submissions", &session).await.expect(200);
    assert_eq!(app_id(0).as_str(), "wx0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_wechats_error_code_and_nobody_else_is() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let openid = World::openid(0, "alice");
    for errcode in [40003, 40125, 40164] {
        let api = if errcode == 40003 { "msg_sec_check" } else { "stable_token" };
        world.simulator.expire_token(&app_id(0));
        world.behave(json!({"fail": [{"api": api, "calls": null, "how": {"errcode": errcode}}]}));
        let body = json!({"scene": "comment", "content": "hello", "openid": openid});
        let owner = world.post("/v1/checks/text", &server_key(0), &body).await;
        let owner = problem(owner, 503, "check_unavailable").json();
        let author = world.post("/v1/checks/text", &alice, &json!({"scene": "comment", "content": "hello"})).await;
        let author = problem(author, 503, "check_unavailable").json();
        assert_eq!((&owner["errcode"], author.get("errcode")), (&json!(errcode), None));
    }
}
