//! The same bytes are checked once a day: whoever posts them again takes the verdict, until a moderator or WeChat says otherwise.

use greenlight::domain::ids::TraceId;
use greenlight::domain::outcome::Outcome;
use greenlight::domain::verdict;
use greenlight::moderation::push::take_push;
use greenlight_local::simulator::{Api, ForcedVerdict, ReleaseOrder, Verdict};
use greenlight_tests::awaits::{Stepped, at_every_await, request};
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture};
use greenlight_tests::world::{Plan, World, app_id, server_key};
use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

fn asked(world: &World) -> u64 {
    world.simulator.calls(&app_id(0), Api::MediaCheckAsync)
}

async fn judged(world: &World, author: &str, file: &[u8]) -> String {
    let id = world.submit_media(author, &[file.to_vec()]).await;
    world.simulator.idle().await;
    id
}

fn trace_of(world: &World, number: usize) -> String {
    let checks = world.simulator.checks();
    checks.iter().filter(|check| check.api == Api::MediaCheckAsync).nth(number).unwrap().trace_id.clone().unwrap()
}

async fn push(world: &World, trace_id: &str, suggest: &str) {
    let verdict = ForcedVerdict::Verdict(Verdict::new(suggest, if suggest == "pass" { 100 } else { 20_006 }));
    assert_eq!(world.simulator.push_verdict(&app_id(0), trace_id, &verdict).await, Some(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_take_the_verdict_at_once_in_the_same_scene_for_a_day() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    for (seed, colour, state) in [(1, GREEN, "approved"), (2, YELLOW, "in_review"), (3, RED, "rejected")] {
        let file = picture(colour, seed);
        let first = judged(&world, &alice, &file).await;
        let before = asked(&world);
        let upload = world.uploaded(&bob, &file).await;
        let body = json!({"scene": "forum", "media": [{"upload_id": upload}]});
        let answer = world.submit(&bob, &body).await.expect(201);
        assert_eq!((answer.text("state").as_str(), asked(&world)), (state, before));
        let stored = world.stored(&answer.text("id")).await;
        assert!(stored.parts[0].known.is_some() && stored.parts[0].attempts.is_empty());
        // People are shown what WeChat found in them.
        assert_eq!(stored.parts[0].findings, world.stored(&first).await.parts[0].findings);
        assert_eq!(stored.parts[0].findings.is_empty(), state == "approved");
    }
    // WeChat judges by the scene, and another mini program is another matter.
    let upload = world.uploaded(&bob, &picture(GREEN, 1)).await;
    let body = json!({"scene": "comment", "media": [{"upload_id": upload}]});
    assert_eq!(world.submit(&bob, &body).await.expect(201).text("state"), "pending");
    world.simulator.idle().await;
    let elsewhere = world.log_in_to(1, "bob").await;
    world.submit_media(&elsewhere, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.simulator.calls(&app_id(1), Api::MediaCheckAsync), 1);

    let before = asked(&world);
    world.pass(24 * 3600 + 1);
    let bob = world.log_in("bob").await;
    judged(&world, &bob, &picture(GREEN, 1)).await;
    assert_eq!(asked(&world), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_needs_no_quota_and_a_text_beside_it_is_judged_as_ever() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    judged(&world, &alice, &picture(GREEN, 1)).await;
    world.behave(json!({"fail": [{"api": "media_check_async", "calls": null, "how": {"errcode": 45009}}]}));
    judged(&world, &alice, &picture(GREEN, 2)).await;
    let before = asked(&world);
    for (text, state) in [("今天天气真好", "approved"), ("forbidden", "rejected"), ("可疑", "in_review")] {
        let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
        let body = json!({"scene": "forum", "text": text, "media": [{"upload_id": upload}]});
        assert_eq!(world.submit(&alice, &body).await.expect(201).text("state"), state);
    }
    // One that is known and one that is not: the one waits for the other.
    let media = [world.uploaded(&alice, &picture(GREEN, 1)).await, world.uploaded(&alice, &picture(GREEN, 2)).await];
    let media: Vec<Value> = media.iter().map(|upload| json!({"upload_id": upload})).collect();
    let answer = world.submit(&alice, &json!({"scene": "forum", "media": media})).await.expect(201);
    assert_eq!(answer.text("state"), "pending");
    assert_eq!(answer.json()["media"][0]["state"], "approved");
    assert_eq!(asked(&world), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_was_asked_about_too_often_takes_the_verdict_that_came_meanwhile() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let limit = json!({"submissions": 1, "window_s": 86_400, "by": "bytes"});
    world.behave(json!({"hold_pushes": true, "repeat_limit": limit}));
    let first = judged(&world, &alice, &picture(GREEN, 1)).await;
    // The same at the same time: nothing is known of it yet, and WeChat has enough of it.
    let second = judged(&world, &alice, &picture(GREEN, 1)).await;
    assert_eq!(asked(&world), 2);
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    assert_eq!((world.state(&first).await, world.state(&second).await), ("approved", "pending"));
    world.pass(10 * 60);
    world.sweep().await;
    assert_eq!((world.state(&second).await, asked(&world)), ("approved", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_without_proof_is_known_to_nobody() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"media_reading": "skip"}));
    let id = judged(&world, &alice, &picture(GREEN, 1)).await;
    world.sweep().await;
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "in_review");
    world.behave(json!({}));
    let before = asked(&world);
    let again = judged(&world, &alice, &picture(GREEN, 1)).await;
    assert_eq!((world.state(&again).await, asked(&world)), ("approved", before + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_who_overrules_a_verdict_ends_it_both_ways() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (seed, colour, decision) in
        [(1, GREEN, "reject"), (2, RED, "approve"), (3, YELLOW, "approve"), (4, GREEN, "approve"), (5, RED, "reject")]
    {
        let file = picture(colour, seed);
        let first = judged(&world, &alice, &file).await;
        // One that took the verdict is as good a place to overrule it.
        let taker = judged(&world, &alice, &file).await;
        world.decide(if seed == 3 { &taker } else { &first }, decision).await.expect(200);
        let before = asked(&world);
        judged(&world, &alice, &file).await;
        let agrees = seed >= 4;
        assert_eq!(asked(&world) - before, u64::from(!agrees), "{seed} {decision}");
        // Nor is the verdict of the check that was made since kept: a person has spoken against it.
        judged(&world, &alice, &file).await;
        assert_eq!(asked(&world) - before, if agrees { 0 } else { 2 }, "{seed} {decision}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_against_which_a_moderator_had_spoken_before_is_not_kept() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (seed, colour, decision) in [(1, GREEN, "reject"), (2, RED, "approve")] {
        world.behave(json!({"hold_pushes": true}));
        let id = judged(&world, &alice, &picture(colour, seed)).await;
        world.decide(&id, decision).await.expect(200);
        world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
        let before = asked(&world);
        judged(&world, &alice, &picture(colour, seed)).await;
        assert_eq!(asked(&world), before + 1, "{decision}");
        world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    }
}

/// A moderator decides while the push of the opposite verdict is under way, and the push goes on. (What is kept is no older than
/// the decision: the bytes are asked about once more.)
async fn a_moderator_speaks_while_a_pass_is_pushed(waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let id = judged(&world, &alice, &picture(GREEN, 1)).await;
    let (trace, app) = (TraceId::parse(&trace_of(&world, 0)).unwrap(), app_id(0));
    let pass = Outcome::Verdict(verdict::Verdict { suggest: verdict::Suggest::Pass, label: None }).into();
    let mut taken = Stepped::new(take_push(world.table(), &world.clock, &app, &trace, &pass));
    let ended = taken.run(waits).await.is_some();
    world.decide(&id, "reject").await.expect(200);
    if !ended {
        taken.finish().await.unwrap();
    }
    assert_eq!(world.state(&id).await, "rejected");
    judged(&world, &alice, &picture(GREEN, 1)).await;
    assert_eq!(asked(&world), 2, "at {waits}");
    ended
}

#[tokio::test]
async fn a_verdict_that_comes_while_a_moderator_speaks_against_it_is_not_kept() {
    at_every_await(a_moderator_speaks_while_a_pass_is_pushed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_turns_out_to_be_risky_is_told_to_all_that_took_the_pass() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let file = picture(GREEN, 1);
    let first = judged(&world, &alice, &file).await;
    let mut takers = Vec::new();
    for _ in 0..3 {
        takers.push(judged(&world, &bob, &file).await);
    }
    let upheld = judged(&world, &bob, &file).await;
    world.decide(&upheld, "approve").await.expect(200);
    world.delete(&format!("/v1/submissions/{}", takers[2]), &bob).await.expect(204);
    assert_eq!(asked(&world), 1);
    push(&world, &trace_of(&world, 0), "risky").await;
    assert_eq!(world.state(&first).await, "rejected");
    let states = [world.state(&takers[0]).await, world.state(&takers[1]).await, world.state(&takers[2]).await];
    assert_eq!(states, ["rejected", "rejected", "withdrawn"]);
    assert_eq!(world.state(&upheld).await, "approved", "a moderator has spoken");
    let reasons = world.get(&format!("/v1/submissions/{}", takers[0]), &server_key(0)).await.expect(200).json();
    assert_eq!(reasons["reasons"][0]["label"], 20_006);
    let next = judged(&world, &bob, &file).await;
    assert_eq!((world.state(&next).await, asked(&world)), ("rejected", 1));
    // A better word, however late, changes nothing of it.
    push(&world, &trace_of(&world, 0), "pass").await;
    let last = judged(&world, &bob, &file).await;
    assert_eq!((world.state(&last).await, world.state(&first).await), ("rejected", "rejected"));
}

/// A world in which a picture of alice's has passed, and everything that is pushed from now on is pushed by hand.
async fn passed() -> (World, String, String) {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let first = judged(&world, &alice, &picture(GREEN, 1)).await;
    (world, alice, first)
}

async fn risky_while_a_submit_takes_the_pass(waits: usize) -> bool {
    let (world, alice, first) = passed().await;
    let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
    let body = json!({"scene": "forum", "media": [{"upload_id": upload}]});
    let router = world.functions.submit_content.clone().router();
    let mut submit = Stepped::new(router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body))));
    let ended = submit.run(waits).await;
    push(&world, &trace_of(&world, 0), "risky").await;
    let answered = ended.is_some();
    if !answered {
        submit.finish().await.unwrap();
    }
    for id in world.listed("/v1/submissions", &alice).await {
        assert_eq!(world.state(&id).await, "rejected", "{first} or what took its pass, at {waits}");
    }
    answered
}

async fn risky_while_a_sweep_takes_the_pass(waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let limit = json!({"submissions": 1, "window_s": 86_400, "by": "bytes"});
    world.behave(json!({"hold_pushes": true, "repeat_limit": limit}));
    judged(&world, &alice, &picture(GREEN, 1)).await;
    let second = judged(&world, &alice, &picture(GREEN, 1)).await;
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    world.pass(10 * 60);
    let sweep = world.functions.sweep_overdue.clone();
    let mut run = Stepped::new(sweep.run());
    let ended = run.run(waits).await.is_some();
    push(&world, &trace_of(&world, 0), "risky").await;
    if !ended {
        run.finish().await.unwrap();
    }
    assert_eq!(world.state(&second).await, "rejected", "at {waits}");
    ended
}

#[tokio::test]
async fn a_verdict_that_turns_risky_while_it_is_taken_over_rejects_whoever_took_it() {
    at_every_await(risky_while_a_submit_takes_the_pass).await;
    at_every_await(risky_while_a_sweep_takes_the_pass).await;
}

/// A risky push dies while it is told to those that took the pass; WeChat, who heard nothing, sends it again.
async fn dies_while_it_tells(waits: usize) -> bool {
    let (world, alice, first) = passed().await;
    let mut all = vec![first];
    for _ in 0..2 {
        all.push(judged(&world, &alice, &picture(GREEN, 1)).await);
    }
    let trace_id = trace_of(&world, 0);
    let (trace, app) = (TraceId::parse(&trace_id).unwrap(), app_id(0));
    let risky = Outcome::Verdict(verdict::Verdict { suggest: verdict::Suggest::Risky, label: None }).into();
    let mut taken = Stepped::new(take_push(world.table(), &world.clock, &app, &trace, &risky));
    let ended = taken.run(waits).await.is_some();
    drop(taken);
    push(&world, &trace_id, "risky").await;
    for id in all {
        assert_eq!(world.state(&id).await, "rejected", "died at {waits}");
    }
    ended
}

#[tokio::test]
async fn whoever_took_a_pass_is_told_that_it_is_risky_wherever_the_push_died() {
    at_every_await(dies_while_it_tells).await;
}
