//! The URLs that WeChat downloads from: a new one for each check, dead when the check is settled or too old.

use greenlight_local::simulator::{ForcedVerdict, MediaReading, Verdict};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::World;
use serde_json::json;

use crate::trouble::{attempts, media_checks, minutes, recover, wx};

fn urls(world: &World) -> Vec<String> {
    media_checks(world).into_iter().filter_map(|check| check.media_url).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_could_not_download_is_asked_again_with_a_new_url() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"media_verdicts": [{"errcode": -1008}, {"errcode": -1009}]}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "pending");
    minutes(&world, 1).await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("pending", vec![2]));
    minutes(&world, 5).await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("approved", vec![3]));
    let mut urls = urls(&world);
    urls.sort();
    urls.dedup();
    assert_eq!(urls.len(), 3, "a new URL for each check");
    for url in &urls {
        world.get(url, "").await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_downloads_that_fail_are_left_to_a_moderator() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = {
        world.behave(json!({"media_verdicts": vec![json!({"errcode": -1008}); 4]}));
        world.submit_media(&alice, &[picture(GREEN, 1)]).await
    };
    world.simulator.idle().await;
    minutes(&world, 25).await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("in_review", vec![4]));
    // The missing pass completes the review, for nobody has spoken yet.
    let trace_id = media_checks(&world)[0].trace_id.clone().unwrap();
    let pass = ForcedVerdict::Verdict(Verdict::pass());
    assert_eq!(world.simulator.push_verdict(&wx(), &trace_id, &pass).await, Some(true));
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_an_earlier_check_fails_nothing() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"drop_pushes": "all"}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    minutes(&world, 36).await;
    assert_eq!(attempts(&world, &id).await, [2]);
    let due = world.stored(&id).await.parts[0].due();
    let first = media_checks(&world)[0].trace_id.clone().unwrap();
    for _ in 0..3 {
        let failed = world.simulator.push_verdict(&wx(), &first, &ForcedVerdict::Errcode(-1008)).await;
        assert_eq!(failed, Some(true));
    }
    assert_eq!((attempts(&world, &id).await, world.stored(&id).await.parts[0].due()), (vec![2], due));
    // And one about the latest, twice, fails it once.
    let second = media_checks(&world)[1].trace_id.clone().unwrap();
    for _ in 0..2 {
        world.simulator.push_verdict(&wx(), &second, &ForcedVerdict::Errcode(-1008)).await;
    }
    recover(&world);
    minutes(&world, 5).await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("approved", vec![3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_leads_nowhere_once_its_check_is_settled_or_forty_minutes_old_or_withdrawn() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let settled = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let url = urls(&world).remove(0);
    world.get(&url, "").await.expect(200);
    world.simulator.release_pushes(&wx(), Default::default()).await;
    assert_eq!(world.state(&settled).await, "approved");
    world.get(&url, "").await.expect(404);

    world.submit_media(&alice, &[picture(GREEN, 2)]).await;
    world.simulator.idle().await;
    let url = urls(&world).remove(1);
    world.pass(39 * 60);
    world.get(&url, "").await.expect(200);
    world.pass(60);
    world.get(&url, "").await.expect(404);

    let alice = world.log_in("alice").await;
    let withdrawn = world.submit_media(&alice, &[picture(GREEN, 3)]).await;
    world.simulator.idle().await;
    let url = urls(&world).remove(2);
    world.get(&url, "").await.expect(200);
    world.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    world.get(&url, "").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_served_and_what_is_read_in_pieces_is_judged_whole() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"download_range_bytes": 20, "media_reading": MediaReading::Download}));
    let red = world.submit_media(&alice, &[picture(greenlight_tests::pictures::RED, 1)]).await;
    let green = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!((world.state(&red).await, world.state(&green).await), ("rejected", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_sees_a_picture_that_wechat_cannot_be_asked_about_yet() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "media_check_async", "how": {"errcode": 45009}}]}));
    let first = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    // The API rests from now on, so nobody asks about the second one.
    let second = world.submit_media(&alice, &[picture(GREEN, 2)]).await;
    for id in [first, second] {
        let mine = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200);
        assert_eq!(mine.text("state"), "pending");
        world.get(mine.json()["media"][0]["url"].as_str().unwrap(), "").await.expect(200);
    }
}
