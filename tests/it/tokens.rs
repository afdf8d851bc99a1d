//! Access tokens: kept fresh by a schedule that may fail, shared by processes that may die, taken away by others.

use std::time::Duration;

use greenlight::domain::access_state::AccessState;
use greenlight::domain::author::Actor;
use greenlight::domain::ids::OpenId;
use greenlight::domain::submission::Scene;
use greenlight::domain::text::Content;
use greenlight::moderation::check::{TextToCheck, check_text};
use greenlight::table::Consistency;
use greenlight_local::functions::Functions;
use greenlight_local::simulator::Api;
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{Plan, World, app_id};
use serde_json::json;

use crate::trouble::{calls, minutes, submit_text_for, wx};

async fn record(world: &World) -> AccessState {
    world.table().access_state(&wx(), Consistency::Strong).await.unwrap()
}

/// One text check by another process than the one behind the world's address; whether it gave a verdict.
async fn check_with(world: &World, functions: &Functions) -> bool {
    let text = TextToCheck {
        openid: OpenId::parse(&World::openid(0, "alice")).unwrap(),
        actor: Actor::Owner,
        scene: Scene::Comment,
        content: Content { text: Some("你好".to_owned()), ..Content::default() },
    };
    let function = &functions.submit_content;
    check_text(&function.checker, &world.app(0), &text, &function.rates, function.author_waits).await.is_ok()
}

/// The errcodes of all checks so far that were refused.
fn refusals(world: &World) -> Vec<i64> {
    world.simulator.checks().iter().map(|check| check.errcode).filter(|errcode| *errcode != 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_app_gets_its_token_though_one_has_a_bad_secret() {
    let mut world = World::start_with(Plan { apps: 3, ..Plan::default() }).await;
    let mut document = world.document.clone();
    document["apps"]["wx1"]["app_secret"] = json!("wrong-secret");
    world.set_secret(document.clone());
    world.pass(301);
    let refresh = world.functions.refresh_token.run().await;
    assert_eq!((refresh.renewed, refresh.failed), (2, vec![app_id(1)]));
    let refresh = world.functions.refresh_token.run().await;
    // The lease of the one that failed is still held; five seconds later it is tried again.
    assert_eq!((refresh.still_good, refresh.in_other_hands, refresh.failed), (2, 1, vec![]));
    world.pass(5);
    let refresh = world.functions.refresh_token.run().await;
    assert_eq!((refresh.still_good, refresh.failed), (2, vec![app_id(1)]));

    document["apps"]["wx1"]["app_secret"] = json!("app-secret-1");
    world.set_secret(document);
    world.pass(301);
    let refresh = world.functions.refresh_token.run().await;
    assert_eq!((refresh.renewed, refresh.still_good, refresh.failed), (1, 2, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_token_is_left_alone_and_renewed_five_minutes_before_its_end() {
    let world = World::start().await;
    let mut renewed = Vec::new();
    for minute in 0..240 {
        if world.functions.refresh_token.run().await.renewed == 1 {
            renewed.push(minute);
        }
        world.pass(60);
    }
    assert_eq!(renewed, [0, 115, 230], "115 minutes are two hours less five minutes");
    assert_eq!(calls(&world, Api::StableToken), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_lives_are_renewed_in_time_and_no_check_meets_a_dead_token() {
    for lifetime in [345, 120, 61] {
        let world = World::start().await;
        world.log_in("alice").await;
        world.behave(json!({"token_lifetime_s": lifetime}));
        for turn in 0..60 {
            if turn % 2 == 0 {
                world.functions.refresh_token.run().await;
            }
            assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved", "{lifetime}");
            world.pass(30);
        }
        assert_eq!(refusals(&world), [] as [i64; 0], "{lifetime}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_renews_the_token_itself_if_the_schedule_does_not_run() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.behave(json!({"visit_window_s": 1_000_000}));
    for _ in 0..50 {
        assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
        world.pass(10 * 60 + 7);
    }
    assert_eq!(refusals(&world), [] as [i64; 0]);
    assert!(calls(&world, Api::StableToken) <= 8, "{}", calls(&world, Api::StableToken));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_overwritten_elsewhere_is_recovered_within_one_request() {
    let world = World::start().await;
    world.log_in("alice").await;
    submit_text_for(&world, "alice", "你好").await;
    for _ in 0..3 {
        let (checks, tokens) = (calls(&world, Api::MsgSecCheck), calls(&world, Api::StableToken));
        world.simulator.overwrite_token(&wx());
        assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
        assert_eq!(calls(&world, Api::MsgSecCheck) - checks, 2);
        assert_eq!(calls(&world, Api::StableToken) - tokens, 1);
        world.simulator.expire_token(&wx());
        assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_failure_that_names_an_older_token_does_not_evict_a_newer_one() {
    let world = World::start().await;
    world.log_in("alice").await;
    submit_text_for(&world, "alice", "你好").await;
    let other = world.restarted().await;
    assert!(check_with(&world, &other).await);
    world.simulator.overwrite_token(&wx());
    submit_text_for(&world, "alice", "你好").await;
    let (before, tokens) = (record(&world).await, calls(&world, Api::StableToken));
    // The other process still holds the old token; it takes the newer from the table and asks WeChat for none.
    assert!(check_with(&world, &other).await);
    let after = record(&world).await;
    assert_eq!(after, before);
    assert_eq!(calls(&world, Api::StableToken), tokens);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_processes_that_find_the_token_dead_at_once_all_go_on() {
    let world = World::start().await;
    world.log_in("alice").await;
    let mut processes = Vec::new();
    for _ in 0..6 {
        processes.push(world.restarted().await);
    }
    for process in &processes {
        assert!(check_with(&world, process).await);
    }
    world.simulator.overwrite_token(&wx());
    let all = futures_util::future::join_all(processes.iter().map(|process| check_with(&world, process))).await;
    assert_eq!(all, [true; 6]);
    // In normal mode WeChat gave all of them the same token, and it stands in the table.
    let before = calls(&world, Api::MsgSecCheck);
    assert!(check_with(&world, &world.restarted().await).await);
    assert_eq!(calls(&world, Api::MsgSecCheck) - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_refreshers_at_once_leave_one_good_token() {
    let world = World::start().await;
    let other = world.restarted().await;
    let (one, two) = tokio::join!(world.functions.refresh_token.run(), other.refresh_token.run());
    assert!(one.failed.is_empty() && two.failed.is_empty());
    assert!(one.renewed + two.renewed >= 1);
    assert!(calls(&world, Api::StableToken) <= 2);
    world.log_in("alice").await;
    let tokens = calls(&world, Api::StableToken);
    assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
    assert_eq!((refusals(&world), calls(&world, Api::StableToken)), (vec![], tokens));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_refresher_that_died_and_after_five_seconds_another_takes_over() {
    let world = World::start().await;
    world.log_in("alice").await;
    // It has taken the lease, and is killed while WeChat does not answer.
    world.behave(json!({"fail": [{"api": "stable_token", "how": "hang"}]}));
    let other = world.restarted().await.refresh_token;
    let refresher = tokio::spawn(async move { other.run().await });
    world.simulator.until_hanging(1).await;
    refresher.abort();
    assert_eq!(world.functions.refresh_token.run().await.in_other_hands, 1);
    // A request asks WeChat itself, and leaves the writing to the holder of the lease.
    assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
    assert!(record(&world).await.token().is_none());
    world.pass(5);
    assert_eq!(world.functions.refresh_token.run().await.renewed, 1);
    assert!(record(&world).await.token().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_memory_works_while_the_tables_is_out_of_reach() {
    let world = World::start().await;
    world.log_in("alice").await;
    submit_text_for(&world, "alice", "你好").await;
    for _ in 0..3 {
        // What was read of the app is too old to be taken for true, and the table does not say anything newer.
        world.pass(31);
        world.proxy.throttle_next(CallMatch::any().function("submit-content").key("K#"), 1_000);
        assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_token_that_cannot_be_written_is_used_all_the_same() {
    let world = World::start().await;
    world.log_in("alice").await;
    // The lease is written, and what came of it is not.
    for _ in 0..3 {
        world.proxy.cut_before_next(CallMatch::any().function("submit-content").action("PutItem").key("K#").after(1));
    }
    assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
    assert_eq!(world.proxy.orders_left(), 0);
    assert!(record(&world).await.token().is_none());
    minutes(&world, 1).await;
    assert_eq!(world.functions.refresh_token.run().await.renewed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_hangs_or_fails_leaves_the_old_token_in_use() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.functions.refresh_token.run().await;
    world.behave(json!({
        "visit_window_s": 1_000_000,
        "fail": [{"api": "stable_token", "calls": null, "how": {"errcode": -1}}],
    }));
    world.clock.advance(Duration::from_secs(7_200 - 290));
    assert_eq!(world.functions.refresh_token.run().await.failed, [wx()]);
    // Within the last minutes a request tries to renew it too, cannot either, and uses it until its end.
    for _ in 0..5 {
        assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "approved");
        world.pass(50);
    }
    assert_eq!(refusals(&world), [] as [i64; 0]);
    world.pass(50);
    assert_eq!(submit_text_for(&world, "alice", "你好").await["state"], "pending");
}
