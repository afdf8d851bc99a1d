//! A clock that is wrong for a while, and is set right: nothing that was accepted is lost, and nobody is held up by what
//! was written meanwhile.

use std::time::Duration;

use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::World;
use serde_json::json;

use crate::trouble::{id_of, minutes, recover, submit_text_for, wx};

const DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_ahead_for_a_while_loses_nothing_and_holds_nobody_up() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({
        "hold_pushes": true,
        "visit_window_s": 10_000_000,
        "fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}],
    }));
    let medium = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    let text = id_of(&submit_text_for(&world, "alice", "你好").await);
    assert_eq!((world.state(&medium).await, world.state(&text).await), ("pending", "pending"));

    let right = world.now();
    world.clock.set(right.plus(DAYS));
    // The day's quota is used up, too, by the wrong clock.
    world.behave(json!({
        "hold_pushes": true,
        "visit_window_s": 10_000_000,
        "fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": 45009}}],
    }));
    world.functions.refresh_token.run().await;
    world.sweep().await;
    let ahead = id_of(&submit_text_for(&world, "alice", "早上好").await);
    // Longer than a day they have waited, it seems, so people look; but a verdict that comes is taken.
    assert_eq!((world.state(&medium).await, world.state(&text).await), ("in_review", "in_review"));
    assert_eq!(world.state(&ahead).await, "pending");

    world.clock.set(right.plus(Duration::from_secs(60)));
    recover(&world);
    assert_eq!(
        submit_text_for(&world, "alice", "晚上好").await["state"],
        "approved",
        "no pause and no lease holds it up"
    );
    world.simulator.release_pushes(&wx(), ReleaseOrder::OldestFirst).await;
    assert_eq!(world.state(&medium).await, "approved");
    world.decide(&text, "approve").await.expect(200);
    // What became due while the clock was ahead is due when it is that late.
    minutes(&world, 5).await;
    assert_eq!(world.state(&ahead).await, "pending");
    world.clock.set(right.plus(DAYS).plus(Duration::from_secs(7_200)));
    world.log_in("alice").await;
    minutes(&world, 2).await;
    assert_eq!(world.state(&ahead).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_behind_for_a_while_loses_nothing_and_holds_nobody_up() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]}));
    let before = id_of(&submit_text_for(&world, "alice", "你好").await);
    let right = world.now();
    world.clock.set(right.minus(DAYS));
    assert_eq!(submit_text_for(&world, "alice", "早上好").await["state"], "approved");
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]}));
    let behind = id_of(&submit_text_for(&world, "alice", "中午好").await);
    minutes(&world, 3).await;
    assert_eq!((world.state(&before).await, world.state(&behind).await), ("pending", "approved"));
    world.clock.set(right.plus(Duration::from_secs(60)));
    minutes(&world, 3).await;
    assert_eq!(world.state(&before).await, "approved");
    assert_eq!(submit_text_for(&world, "alice", "晚上好").await["state"], "approved");
}
