//! Media by URL: what an owner's backend names is fetched by us, and is then an upload like any other.

use greenlight_local::functions::Functions;
use greenlight_tests::awaits::request;
use greenlight_tests::files_over_tls::{certificate_file, serve};
use greenlight_tests::pictures::{GREEN, RED, photo, picture, sound};
use greenlight_tests::world::{Answer, World, server_key};
use http::Method;
use serde_json::{Value, json};

use crate::logged::Logged;
use crate::requests::problem;

const UPLOADS: &str = "/v1/uploads";
const CHECKS: &str = "/v1/checks/image";

/// Functions that trust the owner's server, and may go to this machine.
async fn trusting(world: &World) -> Functions {
    let trusted = certificate_file();
    world.restarted_with(&[("GREENLIGHT_CA_FILE", &trusted), ("GREENLIGHT_ALLOW_PRIVATE", "true")]).await
}

async fn post(functions: &Functions, path: &str, key: &str, body: &Value) -> Answer {
    World::ask(functions, request(Method::POST, path, key, Some(body))).await
}

fn named(url: &str) -> Value {
    json!({"url": url, "openid": World::openid(0, "alice")})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_url_names_is_an_upload_like_any_other() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let base = serve(vec![("/green.gif", picture(GREEN, 1)), ("/voice", sound("a")), ("/photo.png", photo(GREEN))]);
    let functions = trusting(&world).await;
    for (path, kind, same) in
        [("green.gif", "image", Some(picture(GREEN, 1))), ("voice", "audio", None), ("photo.png", "image", None)]
    {
        // What it is, its bytes say, not its name, and not its server.
        let answer = post(&functions, UPLOADS, &server_key(0), &named(&format!("{base}/{path}?size=large"))).await;
        let answer = answer.expect(201);
        assert_eq!(answer.text("kind"), kind);
        if let Some(file) = same {
            let own = world.upload(&alice, &file).await.expect(201).json();
            assert_eq!((&own["sha256"], &own["width"]), (&answer.json()["sha256"], &answer.json()["width"]));
        }
        let media = json!([{"upload_id": answer.text("upload_id")}]);
        let body = json!({"scene": "forum", "media": media, "openid": World::openid(0, "alice")});
        let id = world.submit(&server_key(0), &body).await.expect(201).text("id");
        world.simulator.idle().await;
        assert_eq!(world.state(&id).await, "approved", "{path}");
    }
    for (kind, status) in [("image", 201), ("audio", 415)] {
        let mut body = named(&format!("{base}/green.gif"));
        body["kind"] = json!(kind);
        assert_eq!(post(&functions, UPLOADS, &server_key(0), &body).await.status, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_a_url_names_is_checked_within_the_request() {
    let world = World::start().await;
    world.log_in("alice").await;
    let base = serve(vec![("/green", picture(GREEN, 1)), ("/red", photo(RED)), ("/voice", sound("a"))]);
    let functions = trusting(&world).await;
    for (path, suggest) in [("green", "pass"), ("red", "risky")] {
        let answer = post(&functions, CHECKS, &server_key(0), &named(&format!("{base}/{path}"))).await;
        assert_eq!(answer.expect(200).text("suggest"), suggest);
    }
    problem(post(&functions, CHECKS, &server_key(0), &named(&format!("{base}/voice"))).await, 415, "wrong_kind");
}

#[tokio::test]
async fn whoever_has_no_server_key_names_no_url_and_one_call_names_one_thing() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for path in [UPLOADS, CHECKS] {
        let answer = world.post(path, &alice, &json!({"url": "https://example.com/a.jpg"})).await;
        problem(answer, 403, "server_key_required");
        let answer = world.post(path, &server_key(0), &json!({"url": "https://example.com/a.jpg"})).await;
        assert_eq!(answer.expect(400).text("code"), "invalid_openid");
        let answer = world.post(path, &server_key(0), &json!({"url": 7})).await.expect(400);
        assert_eq!(answer.faults()[0], "url");
    }
    let both = json!({"url": "https://example.com/a.jpg", "upload_id": "x", "openid": World::openid(0, "alice")});
    assert_eq!(world.post(CHECKS, &server_key(0), &both).await.expect(400).faults(), ["upload_id"]);
    assert_eq!(world.post(UPLOADS, &server_key(0), &both).await.expect(400).faults(), ["upload_id"]);
    let wrong = json!({"url": "https://example.com/a.jpg", "kind": "video", "openid": World::openid(0, "alice")});
    assert_eq!(world.post(UPLOADS, &server_key(0), &wrong).await.expect(400).faults(), ["kind"]);
}

#[tokio::test]
async fn a_url_that_must_not_be_fetched_is_told_why_and_nothing_of_what_stands_within() {
    let logged = Logged::start();
    let world = World::start().await;
    world.log_in("alice").await;
    let base = serve(vec![("/green", picture(GREEN, 1))]);
    let mut told = Vec::new();
    for url in [
        "https://169.254.169.254/latest/meta-data/iam?token=secret-of-the-owner",
        "https://localhost/",
        "https://[::ffff:127.0.0.1]/",
        "https://2130706433/",
    ] {
        for path in [UPLOADS, CHECKS] {
            let answer = world.post(path, &server_key(0), &named(url)).await;
            told.push(answer.json()["message"].clone());
            problem(answer, 400, "url_not_allowed");
        }
    }
    assert!(told.iter().all(|message| *message == told[0]), "whatever stands there: {told:?}");
    for url in ["http://example.com/", "https://user:word@example.com/", &format!("{base}/green"), "green.jpg"] {
        problem(world.post(UPLOADS, &server_key(0), &named(url)).await, 400, "url_not_allowed");
    }
    let log = logged.text();
    assert!(log.contains("url_not_fetched"));
    for secret in ["secret-of-the-owner", "169.254", "user:word", &World::openid(0, "alice")] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_is_told_and_what_is_fetched_must_be_a_medium_that_fits() {
    let world = World::start().await;
    world.log_in("alice").await;
    let largest = usize::try_from(world.functions.accept_upload.largest).unwrap();
    let base = serve(vec![
        ("/page", b"<!doctype html><title>Not found</title>".to_vec()),
        ("/empty", Vec::new()),
        ("/too-large", vec![0xff; largest + 1]),
        ("/damaged", photo(GREEN)[..300].to_vec()),
    ]);
    let functions = trusting(&world).await;
    for (path, status, code) in [
        ("missing", 422, "url_not_fetched"),
        ("page", 415, "unknown_medium"),
        ("empty", 415, "empty_medium"),
        ("too-large", 413, "too_large"),
        ("damaged", 415, "damaged_medium"),
    ] {
        let answer = post(&functions, UPLOADS, &server_key(0), &named(&format!("{base}/{path}"))).await;
        problem(answer, status, code);
    }
    // Nobody vouches for that server's certificate.
    let strangers = world.restarted_with(&[("GREENLIGHT_ALLOW_PRIVATE", "true")]).await;
    let answer = post(&strangers, UPLOADS, &server_key(0), &named(&format!("{base}/page"))).await;
    problem(answer, 422, "url_not_fetched");
}
