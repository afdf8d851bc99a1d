//! Content that stays with its owner: kept here until it is decided, and known by its hashes afterwards.

use greenlight::domain::sha256::Sha256;
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture};
use greenlight_tests::world::{World, server_key};
use http::Method;
use serde_json::{Value, json};

use crate::requests::problem;

fn theirs(external_id: &str, what: Value) -> Value {
    let mut body = json!({
        "scene": "forum", "retain": "until_decided", "external_id": external_id, "openid": World::openid(0, "alice"),
        "idempotency_key": format!("the-key-of-{external_id}"),
    });
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_decided_at_once_never_stands_in_the_table() {
    let world = World::start().await;
    let key = server_key(0);
    world.log_in("alice").await;
    for (external_id, text, state) in [("a", "今天天气真好", "approved"), ("b", "出售违禁品", "rejected")] {
        let body = theirs(external_id, json!({"title": "标题", "text": text}));
        let made = world.submit(&key, &body).await.expect(201);
        assert_eq!((made.text("state"), made.text("external_id")), (state.into(), external_id.into()));
        assert_eq!((&made.json()["text"], &made.json()["retain"]), (&Value::Null, &json!("until_decided")));
        let stored = world.stored(&made.text("id")).await;
        assert!(stored.content.is_empty());
        assert_eq!(stored.text_sha256(), Some(Sha256::of(format!("标题\n{text}").as_bytes())));
        let again = world.submit(&key, &body).await.expect(200);
        assert_eq!(again.text("id"), made.text("id"));
        let mut kept = body.clone();
        kept["retain"] = json!("always");
        problem(world.submit(&key, &kept).await, 409, "idempotency_conflict");
    }
    // What waits for a person is there to be looked at.
    let doubtful = world.submit(&key, &theirs("c", json!({"text": "这很可疑"}))).await.expect(201).text("id");
    let review = world.get("/v1/reviews", &key).await.expect(200).json();
    assert_eq!(review["submissions"][0]["text"], "这很可疑");
    let decided = world.decide(&doubtful, "approve").await.expect(200);
    assert_eq!((&decided.json()["text"], decided.text("state")), (&Value::Null, "approved".into()));
    let version = decided.json()["version"].as_u64().unwrap();
    let taken_down = world.decide_on(&doubtful, "reject", version).await.expect(200).json();
    let version = taken_down["version"].as_u64().unwrap();
    problem(world.decide_on(&doubtful, "approve", version).await, 409, "erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn media_are_judged_and_gone_a_minute_after_the_decision() {
    let world = World::start().await;
    let key = server_key(0);
    for (seed, colour, state) in [(1, GREEN, "approved"), (2, RED, "rejected"), (3, YELLOW, "in_review")] {
        let alice = world.log_in("alice").await;
        let upload = world.uploaded(&alice, &picture(colour, seed)).await;
        let body = theirs(state, json!({"text": "今天天气真好", "media": [{"upload_id": upload}]}));
        world.behave(json!({"hold_pushes": true}));
        let made = world.submit(&key, &body).await.expect(201);
        let id = made.text("id");
        let url = made.json()["media"][0]["url"].as_str().unwrap().replace(&world.url, "");
        world.get(&url, "").await.expect(200);
        world.behave(json!({}));
        world.simulator.idle().await;
        world.pass(36 * 60);
        world.sweep().await;
        world.simulator.idle().await;
        assert_eq!(world.state(&id).await, state);
        if state == "in_review" {
            world.get(&url, "").await.expect(200);
            world.decide(&id, "approve").await.expect(200);
        }
        let public = format!("/media/{id}/0.png");
        for gone in [url.as_str(), &public] {
            world.get(gone, "").await.expect(404);
        }
        let seen = world.request(Method::GET, &format!("/v1/submissions/{id}"), &key);
        let seen = world.send(seen).await.expect(200).json();
        assert_eq!((&seen["media"][0]["url"], &seen["media"][0]["kind"]), (&Value::Null, &json!("image")));
        let stored = world.stored(&id).await;
        assert!(
            stored.media.len() == 1
                && stored.parts.iter().any(|part| part.attempts.iter().any(|one| one.trace_id.is_some()))
        );
        world.sweep().await;
        assert!(world.objects_of(&id).is_empty(), "{state}");
        world.until_nothing_is_due().await;
        assert_eq!(world.stored(&id).await.media, stored.media, "hashes stay");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_has_nothing_to_show_of_what_is_not_kept() {
    let world = World::start().await;
    let with = async |more: Value| world.submit(&server_key(0), &theirs("a", more)).await;
    let refused = problem(with(json!({"text": "你好", "channel": "square"})).await, 400, "invalid_submission");
    assert_eq!(refused.faults(), ["retain"]);
    let refused = problem(with(json!({"text": "你好", "retain": "never"})).await, 400, "invalid_submission");
    assert_eq!(refused.faults(), ["retain"]);
    with(json!({"text": "你好", "retain": "always", "channel": "square"})).await.expect(201);
}
