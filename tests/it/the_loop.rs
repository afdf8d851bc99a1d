//! The loop: a login, text and pictures in, WeChat asked, pushes received, content public or not.

use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, RED, YELLOW, photo, picture, sound};
use greenlight_tests::world::{Plan, World, app_id, server_key};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_text_is_public_at_once_and_a_risky_one_its_authors_alone() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let clean = world.submit_text(&alice, "今天天气真好").await.expect(201);
    assert_eq!((clean.text("state"), clean.json()["shareable"].clone()), ("approved".into(), json!(true)));
    world.get(&format!("/v1/submissions/{}", clean.text("id")), "").await.expect(200);

    let risky = world.submit_text(&alice, "出售违禁品").await.expect(201);
    assert_eq!(risky.text("state"), "rejected");
    assert_eq!(risky.json()["reasons"], json!([{"part": "text", "label": 20006, "label_name": "crime"}]));
    let path = format!("/v1/submissions/{}", risky.text("id"));
    world.get(&path, &alice).await.expect(200);
    world.get(&path, &server_key(0)).await.expect(200);
    for stranger in ["", &bob] {
        let refused = world.get(&path, stranger).await.expect(404);
        assert_eq!(refused.bytes, world.get("/v1/submissions/x", stranger).await.bytes, "as if it never existed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_goes_from_upload_to_public() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1), photo(GREEN), sound("hello")]).await;
    world.simulator.idle().await;
    let pending = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200);
    assert_eq!(pending.text("state"), "pending");
    let url = pending.json()["media"][0]["url"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&url, "").await.expect(200).headers["cache-control"], "no-store");
    world.get(&format!("/media/{id}/0.png"), &alice).await.expect(404);

    let pushed = world.simulator.release_pushes(&app_id(0), ReleaseOrder::NewestFirst).await;
    assert_eq!((pushed.pushes, pushed.accepted), (3, 3));
    let public = world.get(&format!("/v1/submissions/{id}"), "").await.expect(200);
    assert_eq!(public.text("state"), "approved");
    for medium in public.json()["media"].as_array().unwrap() {
        let served = world.get(medium["url"].as_str().unwrap(), "").await.expect(200);
        assert_eq!(served.headers["cache-control"], "public, max-age=300");
        assert_eq!(served.headers["x-content-type-options"], "nosniff");
    }
    assert_eq!(world.feed("").await, [id.as_str()]);
    // What is served is what was judged: the bytes that WeChat downloaded.
    let judged: Vec<_> = world.simulator.checks().iter().filter_map(|check| check.media_sha256.clone()).collect();
    assert_eq!(judged.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_risky_part_rejects_and_one_doubtful_part_is_reviewed_by_a_moderator() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let rejected = world.submit_media(&alice, &[picture(GREEN, 1), picture(RED, 2)]).await;
    let doubtful = world.submit_media(&alice, &[picture(GREEN, 3), picture(YELLOW, 4)]).await;
    world.simulator.idle().await;
    assert_eq!((world.state(&rejected).await, world.state(&doubtful).await), ("rejected", "in_review"));

    let queue = world.get("/v1/reviews", &server_key(0)).await.expect(200);
    assert_eq!(queue.ids(), [doubtful.as_str()]);
    let version = queue.json()["submissions"][0]["version"].as_u64().unwrap();
    world.decide_on(&doubtful, "approve", version).await.expect(200);
    assert_eq!(world.decide_on(&doubtful, "approve", version).await.expect(409).text("code"), "version_conflict");
    assert_eq!(world.state(&doubtful).await, "approved");
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_is_gone_with_its_bytes() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    world.get(&format!("/media/{id}/0.png"), "").await.expect(200);
    let bob = world.log_in("bob").await;
    world.delete(&format!("/v1/submissions/{id}"), &bob).await.expect(404);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(404);
    world.get(&format!("/media/{id}/0.png"), "").await.expect(404);
    assert!(world.objects_of(&id).is_empty());
    world.pass(3600);
    world.sweep().await;
    assert_eq!(world.stored(&id).await.erase_due, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_apps_live_side_by_side_and_see_nothing_of_each_other() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (one, two) = (world.log_in_to(0, "alice").await, world.log_in_to(1, "alice").await);
    assert_eq!(world.post("/v1/sessions", "", &json!({"code": "alice-1"})).await.expect(400).faults(), ["app_id"]);
    let id = world.submit_text(&one, "出售违禁品").await.expect(201).text("id");
    let path = format!("/v1/submissions/{id}");
    world.get(&path, &one).await.expect(200);
    for other in [&two, &server_key(1)] {
        world.get(&path, other).await.expect(404);
        world.delete(&path, other).await.expect(404);
    }
    let word = json!({"decision": "approve", "reason": "x", "moderator": "li", "version": 1});
    world.post(&format!("{path}/decisions"), &server_key(1), &word).await.expect(404);
    let upload = world.uploaded(&one, &picture(GREEN, 1)).await;
    let stolen = world.submit(&two, &json!({"scene": 3, "media": [{"upload_id": upload}]})).await;
    assert_eq!(stolen.expect(400).faults(), ["media[0].upload_id"]);
}
