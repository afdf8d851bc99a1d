//! What people decide: moderators' words and bans, by server key alone.

use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Plan, World, server_key};
use serde_json::{Value, json};

use super::problem;

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_approves_rejects_takes_down_and_restores() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let doubtful = world.submit(&alice, &json!({"scene": 3, "text": "可疑", "channel": "square"})).await.expect(201);
    assert_eq!(doubtful.text("state"), "in_review");
    let id = doubtful.text("id");
    let mut version = doubtful.json()["version"].as_u64().unwrap();
    for (decision, state, public) in
        [("reject", "rejected", 0), ("approve", "approved", 1), ("reject", "rejected", 0), ("approve", "approved", 1)]
    {
        let decided = world.decide_on(&id, decision, version).await.expect(200);
        assert_eq!((decided.text("state").as_str(), world.feed("").await.len()), (state, public));
        let seen = world.get(&format!("/v1/submissions/{id}"), "").await.status.as_u16();
        assert_eq!(seen, if public == 1 { 200 } else { 404 });
        problem(world.decide_on(&id, decision, version).await, 409, "version_conflict");
        version = decided.json()["version"].as_u64().unwrap();
    }
    // The author sees why it was doubted, and that it is decided.
    let own = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).json();
    assert_eq!(own["reasons"][0]["part"], "text");
    assert!(own["decided_at"].is_string());

    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    problem(world.decide(&id, "approve").await, 409, "withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_says_all_that_is_wrong_with_it() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_text(&alice, "好").await.expect(201).text("id");
    let path = format!("/v1/submissions/{id}/decisions");
    for (body, named) in [
        (json!({}), vec!["decision", "reason", "moderator", "version"]),
        (
            json!({"decision": "delete", "reason": " ", "moderator": 1, "version": "1", "until": null}),
            vec!["decision", "reason", "moderator", "version", "until"],
        ),
        (
            json!({"decision": "approve", "reason": "r".repeat(501), "moderator": "m".repeat(101), "version": -1}),
            vec!["reason", "moderator", "version"],
        ),
    ] {
        let answer = world.post(&path, &server_key(0), &body).await;
        assert_eq!(problem(answer, 400, "invalid_decision").faults(), named, "{body}");
    }
    problem(world.decide_on("aaaaaaaaaaaaaaaaaaaaaaaaaa", "approve", 1).await, 404, "not_found");
    let word = json!({"decision": "approve", "reason": "x", "moderator": "li", "version": 1});
    problem(world.post(&path, &alice, &word).await, 403, "server_key_required");
    problem(world.get("/v1/reviews", &alice).await, 403, "server_key_required");
    problem(world.post("/v1/bans", &alice, &json!({})).await, 403, "server_key_required");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_holds_for_submissions_uploads_and_checks_until_it_ends_or_is_lifted() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (owner, alice, bob) = (server_key(0), world.log_in("alice").await, world.log_in("bob").await);
    let elsewhere = world.log_in_to(1, "alice").await;
    let openid = World::openid(0, "alice");
    let ban = async |until: Value| {
        let body = json!({"openid": openid, "until": until, "reason": "spam", "moderator": "li"});
        world.post("/v1/bans", &owner, &body).await.expect(200).json()
    };
    let statuses = async || {
        let upload = world.upload(&alice, &picture(GREEN, 1)).await;
        let form = world.post("/v1/uploads", &alice, &json!({"kind": "image"})).await;
        let text = world.submit_text(&alice, "好").await;
        let check = world.post("/v1/checks/text", &alice, &json!({"scene": 1, "content": "好"})).await;
        let vouched = world.submit(&owner, &json!({"scene": 1, "text": "好", "openid": openid})).await;
        [upload, form, text, check, vouched].map(|answer| {
            let banned = answer.status == 403 && answer.text("code") == "author_banned";
            assert!(banned || answer.status.is_success(), "{answer}");
            banned
        })
    };
    assert_eq!(statuses().await, [false; 5]);
    let until = world.now().plus(std::time::Duration::from_secs(3600)).to_string();
    let answer = ban(json!(until)).await;
    assert_eq!(answer, json!({"openid": openid, "until": until}));
    assert_eq!(statuses().await, [true; 5], "nor does a server key help");
    world.submit_text(&bob, "好").await.expect(201);
    world.submit_text(&elsewhere, "好").await.expect(201);
    // Reading and withdrawing is no publishing.
    world.get("/v1/submissions", &alice).await.expect(200);

    assert_eq!(ban(Value::Null).await["until"], Value::Null);
    assert_eq!(statuses().await, [false; 5]);
    ban(json!(until)).await;
    world.pass(3600);
    assert_eq!(statuses().await, [false; 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_lifts_a_ban_by_leaving_something_out() {
    let world = World::start().await;
    let openid = World::openid(0, "never-seen");
    for (body, named) in [
        (json!({"openid": openid, "reason": "r", "moderator": "li"}), vec!["until"]),
        (json!({"openid": openid, "until": "tomorrow", "reason": "r", "moderator": "li"}), vec!["until"]),
        (json!({"openid": openid, "until": 1_900_000_000, "reason": "r", "moderator": "li"}), vec!["until"]),
        (json!({"openid": "一", "until": null, "for": 1}), vec!["openid", "reason", "moderator", "for"]),
    ] {
        let answer = world.post("/v1/bans", &server_key(0), &body).await;
        assert_eq!(problem(answer, 400, "invalid_ban").faults(), named, "{body}");
    }
    // Who was never here can be banned before coming, in any time zone.
    let body = json!({"openid": openid, "until": "2099-01-01T00:00:00+08:00", "reason": "r", "moderator": "li"});
    let answer = world.post("/v1/bans", &server_key(0), &body).await.expect(200);
    assert_eq!(answer.text("until"), "2098-12-31T16:00:00Z");
    let vouched = json!({"scene": 1, "text": "好", "openid": openid});
    problem(world.submit(&server_key(0), &vouched).await, 403, "author_banned");
}
