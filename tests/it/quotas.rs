//! Quotas: who has seen a limit tells the others, nothing is refused, and what waits is asked about in its order.

use greenlight_local::simulator::Api;
use greenlight_tests::awaits::request;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::World;
use http::Method;
use serde_json::{Value, json};

use crate::trouble::calls;

fn text(words: &str) -> Value {
    json!({"scene": "comment", "text": words})
}

#[tokio::test(flavor = "multi_thread")]
async fn once_one_process_has_seen_the_limit_the_others_stop_within_five_seconds() {
    for errcode in [44991, 45009] {
        let world = World::start().await;
        let alice = world.log_in("alice").await;
        world.clock.advance(world.now().next_minute().since(world.now()));
        let other = world.restarted().await;
        // Warm: it knows a token, and that nothing is paused.
        let submit = |words: &str| request(Method::POST, "/v1/submissions", &alice, Some(&text(words)));
        assert_eq!(World::ask(&other, submit("今天")).await.expect(201).text("state"), "approved");
        let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
        world.behave(json!({"fail": [
            {"api": "msg_sec_check", "calls": null, "how": {"errcode": errcode}},
            {"api": "media_check_async", "calls": null, "how": {"errcode": errcode}},
        ]}));
        let media = json!({"scene": "comment", "text": "天气", "media": [{"upload_id": upload}]});
        assert_eq!(world.submit(&alice, &media).await.expect(201).text("state"), "pending");
        let asked = (calls(&world, Api::MsgSecCheck), calls(&world, Api::MediaCheckAsync));

        world.pass(5);
        world.proxy.quiet().await;
        world.proxy.forget_calls();
        for words in ["真好", "哈哈"] {
            assert_eq!(World::ask(&other, submit(words)).await.expect(201).text("state"), "pending");
        }
        let media = request(Method::POST, "/v1/submissions", &alice, Some(&media));
        assert_eq!(World::ask(&other, media).await.expect(201).text("state"), "pending");
        assert_eq!((calls(&world, Api::MsgSecCheck), calls(&world, Api::MediaCheckAsync)), asked, "{errcode}");
        world.proxy.quiet().await;
        let read: Vec<_> = world.proxy.calls().into_iter().filter(|call| call.key.starts_with("K#")).collect();
        assert!(read.iter().all(|call| call.operation == "BatchGetItem"), "it is read with the author: {read:?}");
        assert_eq!(read.len(), 1, "and once in five seconds");

        world.pass(5);
        let check = json!({"scene": "comment", "content": "真好"});
        let check = request(Method::POST, "/v1/checks/text", &alice, Some(&check));
        assert_eq!(World::ask(&other, check).await.expect(503).text("code"), "check_unavailable");
        assert_eq!(calls(&world, Api::MsgSecCheck), asked.0);
        world.proxy.quiet().await;
        assert!(world.proxy.calls().iter().all(|call| call.operation != "GetItem" || !call.key.starts_with("K#")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_quota_is_asked_about_in_its_order_at_the_quotas_pace() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let quota = json!({"per_minute": 3});
    world.behave(json!({"quotas": {"msg_sec_check": quota, "media_check_async": quota}}));
    world.clock.advance(world.now().next_minute().since(world.now()));
    let (mut texts, mut pictures) = (Vec::new(), Vec::new());
    for number in 0..12 {
        texts.push(world.submit(&alice, &text("今天天气真好")).await.expect(201).text("id"));
        pictures.push(world.submit_media(&alice, &[picture(GREEN, number)]).await);
        world.pass(1);
    }
    for minute in 1..=4 {
        world.simulator.idle().await;
        for ids in [&texts, &pictures] {
            let mut states = Vec::new();
            for id in ids {
                states.push(world.state(id).await);
            }
            let (done, waiting) = states.split_at(3 * minute);
            assert!(done.iter().all(|state| *state == "approved"), "minute {minute}: {states:?}");
            assert!(waiting.iter().all(|state| *state == "pending"), "minute {minute}: {states:?}");
        }
        world.clock.advance(world.now().next_minute().since(world.now()));
        world.sweep().await;
    }
}
