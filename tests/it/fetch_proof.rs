//! Fetch proof: what WeChat passes counts only if WeChat was given all of it, through the URL of that very check.

use axum::body::Body;
use axum::middleware::map_response;
use greenlight_local::simulator::{Api, ForcedVerdict, Verdict};
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture, sound_of};
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{World, app_id, server_key};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;

use crate::logged::Logged;

/// A check that WeChat has taken and reads nothing of by itself.
struct Check {
    id: String,
    trace_id: String,
    url: String,
}

fn last_check(world: &World, id: &str) -> Check {
    let check = world.simulator.checks().pop().unwrap();
    Check { id: id.to_owned(), trace_id: check.trace_id.unwrap(), url: check.media_url.unwrap() }
}

/// A world in which WeChat reads and says only what a test lets it.
async fn silent_world() -> (World, String) {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"media_reading": "skip", "drop_pushes": "all"}));
    (world, alice)
}

async fn taken(world: &World, author: &str, file: &[u8]) -> Check {
    let id = world.submit_media(author, &[file.to_vec()]).await;
    world.simulator.idle().await;
    last_check(world, &id)
}

async fn passes(world: &World, check: &Check) {
    let pass = ForcedVerdict::Verdict(Verdict::new("pass", 100));
    assert_eq!(world.simulator.push_verdict(&app_id(0), &check.trace_id, &pass).await, Some(true));
}

/// Asks for a URL as WeChat does: the status, and how many bytes came.
async fn read(world: &World, method: Method, url: &str, header: Option<(&str, &str)>) -> (u16, usize) {
    let request = world.request(method, url.strip_prefix(&world.url).unwrap(), "");
    let request = header.into_iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = world.send(request).await;
    (answer.status.as_u16(), answer.bytes.len())
}

#[tokio::test]
async fn what_is_passed_unread_is_checked_once_more_and_then_people_look_and_see_why() {
    let logged = Logged::start();
    let (world, alice) = silent_world().await;
    let check = taken(&world, &alice, &picture(GREEN, 1)).await;
    passes(&world, &check).await;
    assert_eq!(world.state(&check.id).await, "pending");
    world.sweep().await;
    world.simulator.idle().await;
    let again = last_check(&world, &check.id);
    assert_ne!((&again.url, &again.trace_id), (&check.url, &check.trace_id));
    passes(&world, &again).await;
    assert_eq!(world.state(&check.id).await, "in_review");
    world.pass(24 * 3600);
    world.sweep().await;
    assert_eq!(world.simulator.calls(&app_id(0), Api::MediaCheckAsync), 2, "once more, and no more");

    let reviews = world.get("/v1/reviews", &server_key(0)).await.expect(200).json();
    let reason =
        json!({"part": "media/0", "label": null, "label_name": "WeChat passed it without having read the file"});
    assert_eq!(reviews["submissions"][0]["reasons"], json!([reason]));
    let lines = logged.lines_with("pass_without_proof");
    assert_eq!(lines.len(), 2);
    assert!(lines[0].contains(&check.id) && lines[0].contains(&check.trace_id), "{lines:?}");
    assert!(!logged.text().contains(&World::openid(0, "alice")));
    world.decide(&check.id, "approve").await.expect(200);
    assert_eq!(world.state(&check.id).await, "approved");
}

#[tokio::test]
async fn what_is_read_to_its_end_and_passed_is_approved_whether_at_once_twice_or_in_ranges() {
    let (world, alice) = silent_world().await;
    let check = taken(&world, &alice, &picture(GREEN, 1)).await;
    let (_, size) = read(&world, Method::GET, &check.url, None).await;
    world.proxy.quiet().await;
    world.proxy.forget_calls();
    assert_eq!(read(&world, Method::GET, &check.url, None).await, (200, size));
    // What it has it is given again: only the first time proves anything new.
    assert_eq!(read(&world, Method::GET, &check.url, Some(("if-none-match", "*"))).await, (200, size));
    world.proxy.quiet().await;
    assert!(world.proxy.calls().iter().all(|call| call.operation == "GetItem"));
    passes(&world, &check).await;
    assert_eq!(world.state(&check.id).await, "approved");

    let check = taken(&world, &alice, &picture(GREEN, 2)).await;
    let size = usize::try_from(world.stored(&check.id).await.media[0].size).unwrap();
    let ranges = ["bytes=-20".to_owned(), "bytes=10-".to_owned(), "bytes=0-9".to_owned()];
    for (range, length) in ranges.iter().zip([20, size - 10, 10]) {
        assert_eq!(read(&world, Method::GET, &check.url, Some(("range", range))).await, (206, length));
    }
    passes(&world, &check).await;
    assert_eq!(world.state(&check.id).await, "approved");
}

#[tokio::test]
async fn nothing_else_is_a_proof() {
    let (world, alice) = silent_world().await;
    for (seed, (method, header)) in [
        (Method::HEAD, None),
        (Method::GET, Some(("range", "bytes=1-"))),
        (Method::GET, Some(("range", "bytes=0-9"))),
        (Method::GET, Some(("range", "bytes=99999999-"))),
        (Method::POST, None),
    ]
    .into_iter()
    .enumerate()
    {
        let check = taken(&world, &alice, &picture(GREEN, u8::try_from(seed).unwrap())).await;
        read(&world, method.clone(), &check.url, header).await;
        passes(&world, &check).await;
        assert_eq!(world.state(&check.id).await, "pending", "{method} {header:?}");
    }
    // The author's own reading, and a reading that comes after the verdict.
    let check = taken(&world, &alice, &picture(GREEN, 9)).await;
    let own = world.get(&format!("/v1/submissions/{}", check.id), &alice).await.expect(200).json();
    assert_eq!(read(&world, Method::GET, own["media"][0]["url"].as_str().unwrap(), None).await.0, 200);
    passes(&world, &check).await;
    assert_eq!(read(&world, Method::GET, &check.url, None).await.0, 404, "that check is over");
    assert_eq!(world.state(&check.id).await, "pending");
}

#[tokio::test]
async fn a_reading_through_another_checks_url_proves_nothing_about_this_one() {
    let (world, alice) = silent_world().await;
    let first = taken(&world, &alice, &picture(GREEN, 1)).await;
    world.pass(36 * 60);
    world.sweep().await;
    world.simulator.idle().await;
    let second = last_check(&world, &first.id);
    assert_eq!(read(&world, Method::GET, &first.url, None).await.0, 200);
    passes(&world, &second).await;
    assert_eq!(world.state(&first.id).await, "pending");
    // The first was read: its verdict counts, late as it is.
    passes(&world, &first).await;
    assert_eq!(world.state(&first.id).await, "approved");
}

#[tokio::test]
async fn doubt_and_refusal_need_no_proof() {
    for (suggest, state) in [("review", "in_review"), ("risky", "rejected")] {
        let (world, alice) = silent_world().await;
        let check = taken(&world, &alice, &picture(GREEN, 1)).await;
        let verdict = ForcedVerdict::Verdict(Verdict::new(suggest, 20_006));
        world.simulator.push_verdict(&app_id(0), &check.trace_id, &verdict).await;
        assert_eq!(world.state(&check.id).await, state);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wechat_may_read_in_ranges_and_push_before_it_answers() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for behaviour in [
        json!({"download_range_bytes": 40}),
        json!({"push_before_answer": true}),
        json!({"push_before_answer": true, "download_range_bytes": 100, "push_copies": 2}),
    ] {
        world.behave(behaviour.clone());
        for (colour, state) in [(GREEN, "approved"), (YELLOW, "in_review"), (RED, "rejected")] {
            let id = world.submit_media(&alice, &[picture(colour, 1)]).await;
            world.simulator.idle().await;
            assert_eq!(world.state(&id).await, state, "{behaviour}");
        }
    }
}

#[tokio::test]
async fn who_hangs_up_before_the_end_has_proven_nothing() {
    let (world, alice) = silent_world().await;
    let check = taken(&world, &alice, &sound_of("anything", 3 << 20)).await;
    let path = check.url.strip_prefix(&world.url).unwrap();
    let answer =
        world.functions.router().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap().into_body();
    let mut chunks = answer.into_data_stream();
    let first = futures_util::StreamExt::next(&mut chunks).await.unwrap().unwrap();
    assert!(first.len() < 3 << 20, "the last chunk is still to come");
    drop(chunks);
    passes(&world, &check).await;
    assert_eq!(world.state(&check.id).await, "pending");
}

#[tokio::test]
async fn what_cannot_be_noted_is_broken_off_or_where_the_door_wants_it_whole_503() {
    let (world, alice) = silent_world().await;
    let check = taken(&world, &alice, &picture(GREEN, 1)).await;
    let path = check.url.strip_prefix(&world.url).unwrap();
    let media = world.functions.serve_media.clone().router();
    let note = || CallMatch::any().function("serve-media").action("PutItem").key("S#");
    for whole in [false, true] {
        world.proxy.throttle_next(note(), 3);
        let router = if whole { media.clone().layer(map_response(serve_media::whole)) } else { media.clone() };
        let answer = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(world.proxy.orders_left(), usize::from(!whole), "nothing is noted before it is read");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        assert_eq!((status, body.is_ok()), if whole { (503, true) } else { (200, false) });
        assert_eq!(world.proxy.orders_left(), 0);
    }
    passes(&world, &check).await;
    assert_eq!(world.state(&check.id).await, "pending");
}
