//! 61010: WeChat judges nothing of an author who was not there in the last two hours; it waits for the author.

use std::time::Duration;

use greenlight::domain::submission::{GivenUp, PartState};
use greenlight_local::simulator::Api;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{World, server_key};
use serde_json::json;

use crate::trouble::{attempts, calls, first_part, id_of, minutes, submit_for, submit_text_for, wx};

/// Makes WeChat forget that the user was there.
fn leave(world: &World, name: &str) {
    assert!(world.simulator.leave(&wx(), &World::openid(0, name)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_author_is_queued_by_the_next_login_and_decided_by_the_sweep() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
    leave(&world, "alice");
    world.pass(1);
    let text = submit_text_for(&world, "alice", "你好").await;
    let medium = submit_for(&world, "alice", json!({"scene": 1, "media": [{"upload_id": upload}]})).await;
    for one in [&text, &medium] {
        assert_eq!(one["state"], "pending");
        assert!(matches!(first_part(&world, &id_of(one)).await, PartState::WaitingForAuthor { .. }));
        assert_eq!(attempts(&world, &id_of(one)).await, [0], "it is no attempt");
    }
    let asked = calls(&world, Api::MsgSecCheck);
    minutes(&world, 90).await;
    assert_eq!(calls(&world, Api::MsgSecCheck), asked, "nobody asks while the author is away");
    world.log_in("bob").await;
    minutes(&world, 1).await;
    assert_eq!(world.state(&id_of(&text)).await, "pending", "another author is not this one");

    world.log_in("alice").await;
    world.sweep().await;
    for one in [&text, &medium] {
        assert_eq!(world.state(&id_of(one)).await, "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_word_that_a_user_is_active_queues_what_waits() {
    let world = World::start().await;
    world.log_in("alice").await;
    leave(&world, "alice");
    world.pass(1);
    let id = id_of(&submit_text_for(&world, "alice", "你好").await);
    let openid = World::openid(0, "alice");
    world.pass(60);
    world.post("/v1/sessions", &server_key(0), &json!({"openid": openid})).await.expect(201);
    assert!(matches!(first_part(&world, &id).await, PartState::Queued { .. }));
    // The owner was wrong, so it waits again; and then right.
    world.sweep().await;
    assert!(matches!(first_part(&world, &id).await, PartState::WaitingForAuthor { .. } | PartState::Queued { .. }));
    world.simulator.visit(&wx(), &openid);
    world.pass(60);
    world.post("/v1/sessions", &server_key(0), &json!({"openid": openid})).await.expect(201);
    world.sweep().await;
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_found_waiting_after_a_newer_login_is_queued_at_once() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": "hang"}]}));
    world.pass(60);
    let submitting = world.submit_text(&alice, "你好");
    let meanwhile = async {
        world.simulator.until_hanging(1).await;
        // WeChat was asked; the author logs in; then WeChat says that the author was not there when it was asked.
        world.pass(1);
        world.log_in("alice").await;
        leave(&world, "alice");
        world.pass(1);
        world.simulator.release_hangs();
    };
    let (answer, ()) = tokio::join!(submitting, meanwhile);
    let id = answer.expect(201).text("id");
    world.simulator.visit(&wx(), &World::openid(0, "alice"));
    world.sweep().await;
    assert_eq!(world.state(&id).await, "approved", "no further login is needed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_that_was_never_noted_with_its_author_is_noted_by_the_next_look() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    leave(&world, "alice");
    world.pass(1);
    // The process ends before it notes with the author that the submission waits.
    for _ in 0..3 {
        world.proxy.cut_before_next(CallMatch::any().function("submit-content").action("PutItem").key("A#").after(1));
    }
    let unnoted = world.submit_text(&alice, "你好").await.expect(201).text("id");
    assert_eq!(world.proxy.orders_left(), 0);
    minutes(&world, 3).await;
    assert!(matches!(first_part(&world, &unnoted).await, PartState::WaitingForAuthor { .. }));
    world.log_in("alice").await;
    world.sweep().await;
    assert_eq!(world.state(&unnoted).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_could_not_queue_what_waits_is_found_by_the_hourly_look() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    leave(&world, "alice");
    world.pass(1);
    let id = world.submit_text(&alice, "你好").await.expect(201).text("id");
    minutes(&world, 3).await;
    world.proxy.throttle_next(CallMatch::any().function("submit-content").action("BatchGetItem").key("S#"), 3);
    world.log_in("alice").await;
    assert_eq!(world.proxy.orders_left(), 0);
    minutes(&world, 56).await;
    assert!(matches!(first_part(&world, &id).await, PartState::WaitingForAuthor { .. }));
    minutes(&world, 2).await;
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_who_never_returns_leaves_it_to_a_moderator_after_a_day() {
    let world = World::start().await;
    world.log_in("alice").await;
    leave(&world, "alice");
    world.pass(1);
    let id = id_of(&submit_text_for(&world, "alice", "你好").await);
    for _ in 0..23 {
        world.clock.advance(Duration::from_secs(3600));
        world.sweep().await;
    }
    assert_eq!(world.state(&id).await, "pending");
    for _ in 0..2 {
        world.clock.advance(Duration::from_secs(3600));
        world.sweep().await;
    }
    assert_eq!((world.state(&id).await, calls(&world, Api::MsgSecCheck)), ("in_review", 1));
    assert_eq!(first_part(&world, &id).await, PartState::GivenUp { why: GivenUp::Time });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_author_waits_for_nothing_twice() {
    let world = World::start().await;
    world.log_in("alice").await;
    leave(&world, "alice");
    world.pass(1);
    let id = id_of(&submit_text_for(&world, "alice", "你好").await);
    world.pass(60);
    // Two logins at once queue it once; two sweeps ask once.
    let (_, _) = tokio::join!(world.log_in("alice"), world.log_in("alice"));
    let (one, other) = tokio::join!(world.functions.sweep_overdue.run(), world.functions.sweep_overdue.run());
    one.unwrap();
    other.unwrap();
    assert_eq!((world.state(&id).await, calls(&world, Api::MsgSecCheck)), ("approved", 2));
}
