//! What a submission costs in the table, measured as DynamoDB bills it, with content as people write it.

use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::table_proxy::Call;
use greenlight_tests::world::{World, app_id};
use serde_json::json;

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
async fn a_text_with_a_picture_stays_within_eleven_writes_and_twelve_with_a_channel() {
    let (world, alice) = warm().await;
    for (channel, most, seed) in [(None, 11.0, 1), (Some("square"), 12.0, 2)] {
        let upload = world.uploaded(&alice, &picture(GREEN, seed)).await;
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
        assert_eq!(calls.iter().filter(|call| call.function == "receive-push").count(), 3);
        let (writes, _) = billed(&calls);
        assert_eq!(world.state(&id).await, "approved");
        // One write more will be the note that WeChat read the picture to its end.
        assert!(writes < most, "{writes} W\n{}", listed(&calls));
    }
}
