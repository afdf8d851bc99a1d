//! The secret: rotated while everything runs, and seen by nobody.

use greenlight_tests::awaits::request;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Answer, World, form, push_aes_key, push_token, server_key};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::logged::Logged;
use crate::requests::problem;
use crate::trouble::{recover, wx};

/// How long the secret is kept, and a moment.
const KEPT: u64 = 301;

#[tokio::test(flavor = "multi_thread")]
async fn sessions_outlive_a_new_session_key_as_long_as_the_old_one_is_named() {
    let mut world = World::start().await;
    let old = world.log_in("alice").await;
    let before = world.document.clone();
    let mut document = before.clone();
    document["previous_session_key"] = before["session_key"].clone();
    document["session_key"] = json!("another-session-key-0123456789");
    world.set_secret(document.clone());
    let new = {
        // A process that started after the change signs with the new key …
        let other = world.restarted().await;
        let code = json!({"code": "alice-new"}).to_string();
        let request = http::Request::post("/v1/sessions").body(axum::body::Body::from(code)).unwrap();
        let answer = tower::ServiceExt::oneshot(other.router(), request).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        serde_json::from_slice::<Value>(&body).unwrap()["token"].as_str().unwrap().to_owned()
    };
    // … and one that started before it reads the secret again, at most once in ten seconds.
    world.get("/v1/submissions", &new).await.expect(401);
    world.pass(10);
    world.get("/v1/submissions", &new).await.expect(200);
    world.get("/v1/submissions", &old).await.expect(200);

    document.as_object_mut().unwrap().remove("previous_session_key");
    world.set_secret(document);
    world.get("/v1/submissions", &old).await.expect(200);
    world.pass(KEPT);
    world.get("/v1/submissions", &old).await.expect(401);
    world.get("/v1/submissions", &new).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_server_key_works_at_once_and_a_removed_one_ends_within_five_minutes() {
    let mut world = World::start().await;
    world.pass(10);
    let mut document = world.document.clone();
    document["apps"]["wx0"]["server_keys"] = json!(["sk-another-0123456789"]);
    world.set_secret(document);
    world.get("/v1/reviews", &server_key(0)).await.expect(200);
    world.get("/v1/reviews", "sk-another-0123456789").await.expect(200);
    // Reading again has told of the removal too.
    world.get("/v1/reviews", &server_key(0)).await.expect(401);

    let mut document = world.document.clone();
    document["apps"]["wx0"]["server_keys"] = json!([]);
    world.set_secret(document);
    world.get("/v1/reviews", "sk-another-0123456789").await.expect(200);
    world.pass(KEPT);
    world.get("/v1/reviews", "sk-another-0123456789").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_key_that_was_changed_is_read_again_at_most_once_in_ten_seconds() {
    let mut world = World::start().await;
    let alice = world.log_in("alice").await;
    let right = world.document.clone();
    for (field, wrong) in [("push_token", json!("other-token")), ("push_aes_key", json!(push_aes_key(7)))] {
        world.behave(json!({"hold_pushes": true, "push_retries": 0}));
        let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
        world.simulator.idle().await;
        // The functions know other keys than WeChat has.
        let mut document = right.clone();
        document["apps"]["wx0"][field] = wrong;
        world.set_secret(document);
        world.pass(KEPT);
        let trace_id = crate::trouble::media_checks(&world).last().unwrap().trace_id.clone().unwrap();
        assert_eq!(world.simulator.push_again(&wx(), &trace_id).await, Some(false));
        world.set_secret(right.clone());
        // They were read just now, so they are not read again for whoever sends rubbish.
        assert_eq!(world.simulator.push_again(&wx(), &trace_id).await, Some(false));
        world.pass(10);
        assert_eq!(world.simulator.push_again(&wx(), &trace_id).await, Some(true), "{field}");
        assert_eq!(world.state(&id).await, "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_sealed_with_the_previous_keys_are_taken_during_a_rotation() {
    let mut world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut document = world.document.clone();
    document["apps"]["wx0"]["previous_push_token"] = json!(push_token(0));
    document["apps"]["wx0"]["previous_push_aes_key"] = json!(push_aes_key(0));
    document["apps"]["wx0"]["push_token"] = json!("next-token");
    document["apps"]["wx0"]["push_aes_key"] = json!(push_aes_key(7));
    world.set_secret(document);
    world.pass(KEPT);
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_gone_or_broken_changes_nothing_until_it_is_back() {
    let mut world = World::start().await;
    let alice = world.log_in("alice").await;
    let right = world.document.clone();
    world.set_secret(json!("rubbish"));
    world.pass(KEPT);
    world.get("/v1/submissions", &alice).await.expect(200);
    world.stack.secrets.remove(greenlight_local::stack::SECRET);
    world.pass(KEPT);
    assert_eq!(world.submit_text(&alice, "你好").await.expect(201).text("state"), "approved");
    world.set_secret(right);
    world.pass(KEPT);
    world.get("/v1/submissions", &alice).await.expect(200);
}

#[tokio::test]
async fn uploads_and_cursors_that_another_process_signed_with_a_newer_key_are_known_at_once() {
    let mut world = World::start().await;
    let alice = world.log_in("alice").await;
    for text in ["一", "二"] {
        world.submit_text(&alice, text).await.expect(201);
    }
    world.pass(10);
    let mut document = world.document.clone();
    document["previous_session_key"] = document["session_key"].clone();
    document["session_key"] = json!("another-session-key-0123456789");
    world.set_secret(document);
    let other = world.restarted().await;
    // The session is older than the change, so nothing but the tokens themselves tells of the new key.
    let (content_type, body) = form(&[("file", Some("light.png"), &picture(GREEN, 1))]);
    let upload = http::Request::post("/v1/uploads").header("authorization", format!("Bearer {alice}"));
    let upload = upload.header("content-type", content_type).body(axum::body::Body::from(body)).unwrap();
    let upload = World::ask(&other, upload).await.expect(201).text("upload_id");
    let list = World::ask(&other, request(Method::GET, "/v1/submissions?limit=1", &alice, None)).await.expect(200);
    let form = json!({"kind": "image"});
    let form = World::ask(&other, request(Method::POST, "/v1/uploads", &alice, Some(&form))).await.expect(201);
    world.submit(&alice, &json!({"scene": 1, "media": [{"upload_id": upload}]})).await.expect(201);
    world.pass(10);
    let next = format!("/v1/submissions?limit=1&cursor={}", list.text("next_cursor"));
    assert_eq!(world.listed(&next, &alice).await.len(), 1);
    let complete = format!("/v1/uploads/{}", form.text("upload_id"));
    problem(world.post(&complete, &alice, &json!({})).await, 409, "not_uploaded");
}

#[tokio::test]
async fn logins_and_refreshes_go_on_at_once_after_the_app_secret_was_changed() {
    let mut world = World::start().await;
    let mut document = world.document.clone();
    document["apps"]["wx0"]["app_secret"] = json!("not-the-secret");
    let right = world.document.clone();
    // WeChat has another secret than the one that the functions have read.
    world.set_secret(document);
    world.pass(KEPT);
    world.post("/v1/sessions", "", &json!({"code": "alice-1"})).await.expect(503);
    assert_eq!(world.functions.refresh_token.run().await.failed, [wx()]);
    world.set_secret(right);
    // It was read just now, so it is not read again for a while.
    world.post("/v1/sessions", "", &json!({"code": "alice-2"})).await.expect(503);
    world.pass(10);
    world.post("/v1/sessions", "", &json!({"code": "alice-3"})).await.expect(201);
    assert_eq!(world.functions.refresh_token.run().await.renewed, 1);
}

/// On one thread, so that the log of this test is all of this test's and nothing else.
#[tokio::test]
async fn no_secret_no_openid_and_no_text_is_ever_logged_or_told() {
    let logged = Logged::start();
    let mut world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut answers: Vec<Answer> = Vec::new();
    let text = "一段不该出现在日志里的话";
    world.functions.refresh_token.run().await;
    let token = world.table().access_state(&wx(), greenlight::table::Consistency::Strong).await.unwrap();
    let token = token.token().unwrap().secret().expose_secret().to_owned();
    let troubles = [
        json!({"errcode": -1}),
        json!({"errcode": 40001}),
        json!({"errcode": 45009}),
        json!({"errcode": 47001}),
        json!({"errcode": 48001}),
        json!({"errcode": 61010}),
        json!({"http_status": 500}),
        json!("close"),
        json!("not_json"),
    ];
    for how in troubles {
        let fail = |api: &str| json!({"api": api, "calls": 3, "how": how});
        let apis = ["msg_sec_check", "media_check_async", "stable_token", "jscode2session"];
        world.behave(json!({"fail": apis.map(fail)}));
        answers.push(world.submit_text(&alice, text).await);
        let check = json!({"scene": 1, "content": text});
        answers.push(world.post("/v1/checks/text", &alice, &check).await);
        answers.push(world.post("/v1/sessions", "", &json!({"code": format!("alice-{how}")})).await);
        let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
        let body = json!({"scene": 1, "title": text, "media": [{"upload_id": upload}]});
        answers.push(world.submit(&alice, &body).await);
        world.pass(61);
        world.sweep().await;
        world.functions.refresh_token.run().await;
        recover(&world);
        world.pass(61);
        world.sweep().await;
    }
    // A table that fails, a push that is forged, a secret that is broken, a key that is none.
    let any = greenlight_tests::table_proxy::CallMatch::any;
    for action in ["GetItem", "PutItem", "Query", "TransactWriteItems"] {
        world.proxy.throttle_next(any().action(action), 3);
        answers.push(world.submit_text(&alice, text).await);
        answers.push(world.get("/v1/submissions", &alice).await);
    }
    let forged = "/push/wx0?timestamp=1&nonce=2&msg_signature=3&encrypt_type=aes&openid=o";
    answers.push(world.post(forged, "", &json!({"ToUserName": "x", "Encrypt": "eA=="})).await);
    answers.push(world.get("/v1/submissions", &format!("{alice}x")).await);
    answers.push(world.get("/v1/reviews", &server_key(7)).await);
    world.set_secret(json!({"session_key": "session-key-0123456789abcdef", "apps": {"wx0": {"app_secret": 5}}}));
    world.pass(KEPT);
    answers.push(world.get("/v1/submissions", &alice).await);

    let log = logged.text();
    assert!(log.lines().count() > 20, "there is something to look at");
    let openid = World::openid(0, "alice");
    let secrets = [
        ("the app secret", "app-secret-0".to_owned()),
        ("the access token", token),
        ("any access token", "access_token=".to_owned()),
        ("the push token", push_token(0)),
        ("the push key", push_aes_key(0)),
        ("the session key", "session-key-0123456789abcdef".to_owned()),
        ("the server key", server_key(0)),
        ("AWS's key", "local-secret-key".to_owned()),
    ];
    for (what, secret) in &secrets {
        assert!(!log.contains(secret), "{what} is in the log");
        for answer in &answers {
            assert!(!answer.to_string().contains(secret), "{what} is in {answer}");
        }
    }
    for (what, private) in [("a session", &alice), ("a wrong server key", &server_key(7)), ("the openid", &openid)] {
        assert!(!log.contains(private.as_str()), "{what} is in the log");
    }
    for answer in &answers {
        assert!(!answer.to_string().contains(&openid), "the openid is in {answer}");
    }
    assert!(!log.contains(text), "the text is in the log");
}
