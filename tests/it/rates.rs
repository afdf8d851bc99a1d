//! Rates: how much an author may do in ten minutes, counted once each, for each author and app.

use futures_util::future::join_all;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Answer, Plan, World, server_key};
use serde_json::json;

use crate::requests::problem;

const SUBMISSIONS: usize = 30;
const CALLS: usize = 120;
const WINDOW_S: u64 = 600;
/// How many requests a mini program has under way at most. (WeChat: network, at most 10 at once.)
const AT_ONCE: usize = 10;

async fn check(world: &World, key: &str) -> Answer {
    world.post("/v1/checks/text", key, &json!({"scene": 1, "content": "好"})).await
}

fn too_many(answer: Answer, retry_after: u64) {
    let answer = problem(answer, 429, "too_many_requests");
    assert_eq!(answer.headers["retry-after"], retry_after.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_submissions_in_ten_minutes_and_then_429_until_they_are_over() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let elsewhere = world.log_in_to(1, "alice").await;
    for _ in 0..SUBMISSIONS {
        world.submit_text(&alice, "好").await.expect(201);
    }
    too_many(world.submit_text(&alice, "好").await, WINDOW_S);
    world.pass(100);
    too_many(world.submit_text(&alice, "好").await, WINDOW_S - 100);
    // A new session is the same author; others are others, and what is not a submission is counted by itself.
    let again = world.log_in("alice").await;
    too_many(world.submit_text(&again, "好").await, WINDOW_S - 100);
    world.submit_text(&bob, "好").await.expect(201);
    world.submit_text(&elsewhere, "好").await.expect(201);
    check(&world, &alice).await.expect(200);
    world.uploaded(&alice, &picture(GREEN, 1)).await;
    // The owner answers for what the owner sends.
    let vouched = json!({"scene": 1, "text": "好", "openid": World::openid(0, "alice")});
    for _ in 0..3 {
        world.submit(&server_key(0), &vouched).await.expect(201);
    }
    world.pass(WINDOW_S - 101);
    too_many(world.submit_text(&alice, "好").await, 1);
    world.pass(1);
    world.submit_text(&alice, "好").await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_or_repeated_is_not_counted() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let body = json!({"scene": 1, "text": "好", "idempotency_key": "a key of mine"});
    for _ in 1..SUBMISSIONS {
        world.submit_text(&alice, "好").await.expect(201);
        world.submit(&alice, &json!({"scene": 9})).await.expect(400);
    }
    world.submit(&alice, &body).await.expect(201);
    too_many(world.submit_text(&alice, "好").await, WINDOW_S);
    // A phone whose answer was lost may still ask what became of it, and see and withdraw what it has.
    world.submit(&alice, &body).await.expect(200);
    let own = world.listed("/v1/submissions", &alice).await;
    world.delete(&format!("/v1/submissions/{}", own[0]), &alice).await.expect(204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_twenty_checks_and_uploads_together_and_then_429() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let form = json!({"kind": "image"});
    let asked = world.post("/v1/uploads", &alice, &form).await.expect(201).text("upload_id");
    // Completing is an upload as well, whether or not a file has come.
    problem(world.post(&format!("/v1/uploads/{asked}"), &alice, &json!({})).await, 409, "not_uploaded");
    world.uploaded(&alice, &picture(GREEN, 1)).await;
    for _ in 3..CALLS {
        check(&world, &alice).await.expect(200);
    }
    too_many(check(&world, &alice).await, WINDOW_S);
    too_many(world.upload(&alice, &picture(GREEN, 1)).await, WINDOW_S);
    too_many(world.post("/v1/uploads", &alice, &form).await, WINDOW_S);
    too_many(world.post(&format!("/v1/uploads/{asked}"), &alice, &json!({})).await, WINDOW_S);
    check(&world, &bob).await.expect(200);
    world.submit_text(&alice, "好").await.expect(201);
    let vouched = json!({"scene": 1, "content": "好", "openid": World::openid(0, "alice")});
    world.post("/v1/checks/text", &server_key(0), &vouched).await.expect(200);
    let mine = World::openid(0, "alice");
    let fields = [("openid", None, mine.as_bytes()), ("file", Some("x"), &picture(GREEN, 1))];
    world.upload_fields(&server_key(0), &fields).await.expect(201);
    world.pass(WINDOW_S);
    check(&world, &alice).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_submissions_at_once_are_all_made_and_all_counted() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for _ in 0..SUBMISSIONS / AT_ONCE {
        let answers = join_all((0..AT_ONCE).map(|_| world.submit_text(&alice, "好"))).await;
        answers.into_iter().for_each(|answer| drop(answer.expect(201)));
    }
    let answers = join_all((0..AT_ONCE).map(|_| world.submit_text(&alice, "好"))).await;
    answers.into_iter().for_each(|answer| too_many(answer, WINDOW_S));
    assert_eq!(world.listed("/v1/submissions?limit=100", &alice).await.len(), SUBMISSIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_checks_and_uploads_at_once_lose_no_count() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let light = picture(GREEN, 1);
    for round in 0..CALLS / AT_ONCE {
        let uploads = join_all((0..AT_ONCE / 2).map(|_| world.upload(&alice, &light)));
        let checks = join_all((0..AT_ONCE / 2).map(|_| check(&world, &alice)));
        let (uploads, checks) = tokio::join!(uploads, checks);
        for answer in uploads.into_iter().chain(checks) {
            assert!(answer.status.is_success(), "round {round}: {answer}");
        }
    }
    too_many(check(&world, &alice).await, WINDOW_S);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_at_once_with_three_left_three_are_admitted() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for _ in 0..SUBMISSIONS - 3 {
        world.submit_text(&alice, "好").await.expect(201);
    }
    let answers = join_all((0..AT_ONCE).map(|_| world.submit_text(&alice, "好"))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 201, 201, 429, 429, 429, 429, 429, 429, 429]);
    // What was refused is nowhere.
    assert_eq!(world.listed("/v1/submissions?limit=100", &alice).await.len(), SUBMISSIONS);
}
