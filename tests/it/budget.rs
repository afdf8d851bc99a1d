//! What a submission costs in the table, measured as DynamoDB bills it, with content as people write it.

use std::sync::Arc;
use std::time::Duration;

use greenlight_local::simulator::{Api, ReleaseOrder};
use greenlight_tests::awaits::request;
use greenlight_tests::pictures::{GREEN, RED, as_png, picture, scene};
use greenlight_tests::relay::Relay;
use greenlight_tests::table_proxy::{Call, CallMatch};
use greenlight_tests::world::{World, app_id};
use http::Method;
use serde_json::json;
use tokio::sync::Barrier;

/// A comment of 140 characters with its author's nickname: what people post, and under 1 KB as an item.
const COMMENT: &str = "昨天和家人一起去了西湖，天气特别好，湖面上有很多小船，孩子们玩得非常开心。中午在湖边的小店吃了\
    片儿川和龙井虾仁，味道很不错，价格也公道。下午沿着苏堤慢慢走，看到很多人在拍照、放风筝、骑自行车。推荐大家周末的时候也去走走，\
    记得早一点出门，停车不太方便，坐地铁过去会更轻松一些。";

fn billed(calls: &[Call]) -> (f64, f64) {
    (calls.iter().map(|call| call.consumed_write).sum(), calls.iter().map(|call| call.consumed_read).sum())
}

fn listed(calls: &[Call]) -> String {
    let line = |call: &Call| {
        format!("{} {} {}: {} W {} R\n", call.function, call.action, call.key, call.consumed_write, call.consumed_read)
    };
    calls.iter().map(line).collect()
}

/// A world in which the tokens are fetched and known, as they are all the time but the first.
async fn warm() -> (World, String) {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.submit_text(&alice, "热身").await.expect(201);
    world.submit_media(&alice, &[picture(GREEN, 0)]).await;
    world.simulator.idle().await;
    world.proxy.quiet().await;
    world.proxy.forget_calls();
    (world, alice)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_costs_three_writes_and_one_read_until_decided_and_four_writes_with_a_channel() {
    let (world, alice) = warm().await;
    for (channel, most) in [(None, 3.0), (Some("square"), 4.0)] {
        let body = json!({"scene": "comment", "nickname": "西湖边的小明", "text": COMMENT, "channel": channel});
        let answer = world.submit(&alice, &body).await.expect(201);
        assert_eq!(answer.text("state"), "approved");
        world.proxy.quiet().await;
        let calls = world.proxy.calls();
        let (writes, reads) = billed(&calls);
        assert!(writes <= most && reads <= 1.0, "{writes} W, {reads} R\n{}", listed(&calls));
        world.proxy.forget_calls();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_costs_exactly_one_write_more() {
    let (world, alice) = warm().await;
    let mut written = Vec::new();
    for external_id in [None, Some("post-42")] {
        let body = json!({"scene": "comment", "text": "今天天气真好", "external_id": external_id});
        world.submit(&alice, &body).await.expect(201);
        world.proxy.quiet().await;
        let calls = world.proxy.calls();
        let (writes, reads) = billed(&calls);
        assert!(reads <= 1.0, "{}", listed(&calls));
        written.push(writes);
        world.proxy.forget_calls();
    }
    assert_eq!(written, [3.0, 4.0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_a_picture_stays_within_eleven_writes_and_twelve_with_a_channel_and_six_reads() {
    let (world, alice) = warm().await;
    // A plain picture looks like nothing, so nothing like it is asked for. The download of one that does takes longer, and may
    // meet the write of the check's name: then one of the two is written once more.
    for (channel, most_writes, most_reads, file) in [
        (None, 11.0, 4.0, picture(GREEN, 1)),
        (Some("square"), 12.0, 4.0, picture(GREEN, 2)),
        (None, 12.0, 6.0, as_png(&scene(2, (24, 18)))),
        (Some("square"), 13.0, 6.0, as_png(&scene(3, (24, 18)))),
    ] {
        let upload = world.uploaded(&alice, &file).await;
        world.proxy.quiet().await;
        world.proxy.forget_calls();
        let body = json!({
            "scene": "social_log", "nickname": "西湖边的小明", "text": "西湖边的日落，手机随手拍的，大家看看怎么样？",
            "media": [{"upload_id": upload}], "channel": channel,
        });
        // WeChat takes seconds to judge, so the push comes after the submit, and reads and writes the submission itself.
        world.behave(json!({"hold_pushes": true}));
        let id = world.submit(&alice, &body).await.expect(201).text("id");
        world.simulator.idle().await;
        world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
        world.proxy.quiet().await;
        let calls = world.proxy.calls();
        assert_eq!(calls.iter().filter(|call| call.function == "receive-push").count(), 4);
        let (writes, reads) = billed(&calls);
        assert_eq!(world.state(&id).await, "approved");
        assert!(writes <= most_writes && reads <= most_reads, "{writes} W, {reads} R\n{}", listed(&calls));
    }
}

/// What a process does for one request, call by call.
fn operations(calls: &[Call], function: &str) -> Vec<String> {
    let own = calls.iter().filter(|call| call.function == function);
    let mut operations: Vec<String> = own.map(|call| format!("{} {}", call.operation, call.key_prefix())).collect();
    operations.sort();
    operations
}

#[tokio::test]
async fn a_text_makes_one_call_to_wechat_and_three_to_the_table_whatever_the_process_knows() {
    let (world, alice) = warm().await;
    let body = |key: &str| json!({"idempotency_key": key, "scene": "comment", "nickname": "小明", "text": COMMENT});
    let functions = world.restarted().await;
    for key in ["a process that is new", "and one that is warm"] {
        world.proxy.quiet().await;
        world.proxy.forget_calls();
        let asked = world.simulator.calls(&app_id(0), Api::MsgSecCheck);
        let submit = request(Method::POST, "/v1/submissions", &alice, Some(&body(key)));
        assert_eq!(World::ask(&functions, submit).await.expect(201).text("state"), "approved");
        world.proxy.quiet().await;
        assert_eq!(world.simulator.calls(&app_id(0), Api::MsgSecCheck) - asked, 1);
        let calls = world.proxy.calls();
        let mut sent: Vec<&str> = calls.iter().map(|call| call.operation.as_str()).collect();
        sent.dedup();
        assert_eq!(sent, ["BatchGetItem", "PutItem"], "{}", listed(&calls));
        assert_eq!(calls.iter().filter(|call| call.operation == "PutItem").count(), 2, "{}", listed(&calls));
    }
}

/// How long what has to meet is waited for; nobody waits that long who meets.
const MEETS_WITHIN: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_text_waits_for_two_calls_to_the_table_for_its_author_is_counted_while_wechat_is_asked() {
    let (world, alice) = warm().await;
    let barrier = Arc::new(Barrier::new(2));
    world.proxy.meet_at(&barrier, CallMatch::any().function("submit-content").action("PutItem").key("A#"));
    let asked = Arc::clone(&barrier);
    let wechat = Relay::watching(&world.simulator.url(), move |head, _| {
        if head.uri.path() == "/wxa/msg_sec_check" {
            let asked = Arc::clone(&asked);
            tokio::spawn(async move { asked.wait().await });
        }
        None
    })
    .await;
    let functions = world.restarted_with(&[("GREENLIGHT_WECHAT_URL", &wechat.url)]).await;
    let body = json!({"scene": "comment", "nickname": "小明", "text": COMMENT});
    let submit = request(Method::POST, "/v1/submissions", &alice, Some(&body));
    let submitted = tokio::time::timeout(MEETS_WITHIN, World::ask(&functions, submit)).await;
    assert_eq!(submitted.expect("they meet").expect(201).text("state"), "approved");
    assert_eq!(world.proxy.orders_left(), 0);
}

#[tokio::test]
async fn a_push_waits_for_three_calls_to_the_table_whatever_its_verdict() {
    let (world, alice) = warm().await;
    // What is risky is kept before it is applied, and the others are told of it before. The two calls of each that stand
    // side by side are made at once: neither is answered before both have come.
    for (colour, calls_of, at_once) in [
        (GREEN, ["GetItem S#", "GetItem T#", "PutItem S#", "UpdateItem V#"], [("PutItem", "S#"), ("UpdateItem", "V#")]),
        (
            RED,
            ["GetItem S#", "TransactWriteItems S#", "UpdateItem T#", "UpdateItem V#"],
            [("GetItem", "S#"), ("UpdateItem", "V#")],
        ),
    ] {
        world.behave(json!({"hold_pushes": true}));
        world.submit_media(&alice, &[picture(colour, 7)]).await;
        world.simulator.idle().await;
        world.proxy.quiet().await;
        world.proxy.forget_calls();
        let barrier = Arc::new(Barrier::new(2));
        for (action, key) in at_once {
            world.proxy.meet_at(&barrier, CallMatch::any().function("receive-push").action(action).key(key));
        }
        let app = app_id(0);
        let pushed = world.simulator.release_pushes(&app, ReleaseOrder::OldestFirst);
        tokio::time::timeout(MEETS_WITHIN, pushed).await.expect("they meet");
        world.proxy.quiet().await;
        assert_eq!(world.proxy.orders_left(), 0);
        let calls = world.proxy.calls();
        let mut sent = operations(&calls, "receive-push");
        // A transaction is recorded item by item.
        sent.retain(|call| call != "TransactWriteItems T#");
        assert_eq!(sent, calls_of, "{}", listed(&calls));
    }
}
