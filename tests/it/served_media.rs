//! Media out: each to whom it is for, for as long as it is, and nothing else.

use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture, sound};
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{Answer, World, app_id};
use http::Method;
use serde_json::json;
use tower::ServiceExt;

use crate::requests::problem;

/// A submission of one picture that WeChat has read and not judged yet: its id, the author's URL, WeChat's URL.
async fn waiting(world: &World, author: &str) -> (String, String, String) {
    world.behave(json!({"hold_pushes": true}));
    let id = world.submit_media(author, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let own = world.get(&format!("/v1/submissions/{id}"), author).await.expect(200).json();
    let authors = own["media"][0]["url"].as_str().unwrap().to_owned();
    let wechats = world.simulator.checks().last().unwrap().media_url.clone().unwrap();
    (id, authors, wechats)
}

async fn statuses<const COUNT: usize>(world: &World, urls: [&str; COUNT]) -> [u16; COUNT] {
    let mut statuses = [0; COUNT];
    for (status, url) in statuses.iter_mut().zip(urls) {
        let answer = world.get(url, "").await;
        *status = answer.status.as_u16();
        if *status == 404 {
            problem(answer, 404, "not_found");
        }
    }
    statuses
}

async fn ask(world: &World, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let path = path.strip_prefix(world.url.as_str()).unwrap_or(path);
    let request = world.request(method, path, "");
    world.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Asks for a path as it stands: a client that knows URLs takes dots out before it sends them.
async fn raw(world: &World, path: &str) -> u16 {
    let request = http::Request::get(path).body(axum::body::Body::empty()).unwrap();
    world.functions.router().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_sees_what_is_approved_and_its_author_what_is_not_withdrawn() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (id, authors, wechats) = waiting(&world, &alice).await;
    let public = format!("/media/{id}/0.png");
    assert!(!authors.contains('?') && !wechats.contains('?') && authors != wechats);
    assert_eq!(statuses(&world, [&public, &authors, &wechats]).await, [404, 200, 200]);
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    assert_eq!(world.state(&id).await, "approved");
    assert_eq!(statuses(&world, [&public, &authors, &wechats]).await, [200, 200, 404], "WeChat's dies when settled");
    world.decide(&id, "reject").await.expect(200);
    assert_eq!(statuses(&world, [&public, &authors, &wechats]).await, [404, 200, 404]);
    // The author is shown the author's own URL again.
    let own = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).json();
    assert_eq!(own["media"][0]["url"], json!(authors));
    world.decide(&id, "approve").await.expect(200);
    assert_eq!(statuses(&world, [&public, &authors]).await, [200, 200]);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    assert_eq!(statuses(&world, [&public, &authors, &wechats]).await, [404; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_doubts_or_refuses_is_its_authors_alone() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (colour, state) in [(YELLOW, "in_review"), (RED, "rejected")] {
        let id = world.submit_media(&alice, &[picture(GREEN, 1), picture(colour, 2)]).await;
        world.simulator.idle().await;
        let own = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).json();
        assert_eq!(own["state"], json!(state));
        for (index, medium) in own["media"].as_array().unwrap().iter().enumerate() {
            let public = format!("/media/{id}/{index}.png");
            assert_eq!(statuses(&world, [&public, medium["url"].as_str().unwrap()]).await, [404, 200]);
        }
        let states: Vec<_> = own["media"].as_array().unwrap().iter().map(|medium| medium["state"].clone()).collect();
        assert_eq!(states, [json!("approved"), json!(state)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wechats_url_lives_forty_minutes_and_never_after_a_withdrawal() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (_, authors, wechats) = waiting(&world, &alice).await;
    world.pass(40 * 60 - 1);
    assert_eq!(statuses(&world, [&authors, &wechats]).await, [200, 200]);
    world.pass(1);
    assert_eq!(statuses(&world, [&authors, &wechats]).await, [200, 404]);

    let (id, authors, wechats) = waiting(&world, &alice).await;
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    assert_eq!(statuses(&world, [&authors, &wechats]).await, [404, 404]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_has_a_url_of_its_own() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"drop_pushes": "all"}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    world.pass(36 * 60);
    world.sweep().await;
    let urls: Vec<String> = world.simulator.checks().into_iter().filter_map(|check| check.media_url).collect();
    assert_eq!(urls.len(), 2);
    assert_ne!(urls[0], urls[1]);
    assert_eq!(statuses(&world, [&urls[0], &urls[1]]).await, [200, 200], "the first may still be read for a while");
    world.pass(5 * 60);
    assert_eq!(statuses(&world, [&urls[0], &urls[1]]).await, [404, 200]);
    assert_eq!(world.state(&id).await, "pending");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_exact_path_leads_to_a_medium() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (id, authors, wechats) = waiting(&world, &alice).await;
    let word = |url: &str| url.rsplit('/').next().unwrap().strip_suffix(".png").unwrap().to_owned();
    let (author, wechat) = (word(&authors), word(&wechats));
    let mut changed = author.clone();
    changed.replace_range(25..26, if author.ends_with('a') { "b" } else { "a" });
    let tails = [
        format!("0/{changed}.png"),
        format!("0/{author}.jpg"),
        format!("0/{author}.PNG"),
        format!("0/{author}"),
        format!("0/{author}.png/"),
        format!("0/{author}.png.png"),
        format!("0/{}.png", author.to_uppercase()),
        format!("0/{author}{wechat}.png"),
        format!("0/{author}/{wechat}.png"),
        format!("1/{author}.png"),
        format!("00/{author}.png"),
        format!("9/{wechat}.png"),
        format!("/0/{author}.png"),
        format!("0//{author}.png"),
        format!("x/%2e%2e/0/{author}.png"),
        format!("0/{author}.png%00"),
        format!("0/{author}%20.png"),
        "0/.png".to_owned(),
        "0/aaaaaaaaaaaaaaaaaaaaaaaaaa.png".to_owned(),
        "0.png".to_owned(),
        "0".to_owned(),
        String::new(),
    ];
    for tail in tails {
        assert_eq!(raw(&world, &format!("/media/{id}/{tail}")).await, 404, "{tail}");
    }
    let other = world.submit_media(&alice, &[picture(GREEN, 2)]).await;
    assert_eq!(
        statuses(&world, [&format!("/media/{other}/0/{author}.png")]).await,
        [404],
        "a word opens one submission"
    );

    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    assert_eq!(statuses(&world, [&format!("/media/{id}/0.png")]).await, [200]);
    for path in [
        format!("/media/{id}/0.jpg"),
        format!("/media/{id}/0.mp3"),
        format!("/media/{id}/1.png"),
        format!("/media/{id}/-1.png"),
        format!("/media/{id}/256.png"),
        format!("/media/{}/0.png", id.to_uppercase()),
        format!("/media//{id}/0.png"),
        format!("//media/{id}/0.png"),
        format!("/Media/{id}/0.png"),
        format!("/media/x/%2e%2e/{id}/0.png"),
        format!("/media/%2e%2e%2fmedia/{id}/0.png"),
        format!("/media/{id}%2f..%2f{id}/0.png"),
        "/media/../../../etc/passwd.png".to_owned(),
        "/media/%2e%2e/%2e%2e/etc/passwd.png".to_owned(),
        "/media/..%5c..%5cetc.png".to_owned(),
        format!("/media/{}/0.png", "a".repeat(20_000)),
        format!("/media/{}0.png", "x/".repeat(5_000)),
        "/unclaimed/x.png".to_owned(),
        "/incoming/x".to_owned(),
    ] {
        assert_eq!(raw(&world, &path).await, 404, "{path:.80}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_comes_with_headers_that_keep_a_browser_from_harm() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (id, authors, wechats) = waiting(&world, &alice).await;
    let sounding = world.submit_media(&alice, &[sound("a")]).await;
    world.simulator.idle().await;
    for url in [&authors, &wechats] {
        let answer = world.get(url, "").await.expect(200);
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    for (path, content_type, bytes) in [
        (format!("/media/{id}/0.png"), "image/png", picture(GREEN, 1)),
        (format!("/media/{sounding}/0.wav"), "audio/wav", sound("a")),
    ] {
        let (got, head) = (ask(&world, Method::GET, &path, &[]).await, ask(&world, Method::HEAD, &path, &[]).await);
        assert_eq!((got.expect(200).bytes, head.clone().expect(200).bytes.len()), (bytes.clone().into(), 0));
        for (name, value) in [
            ("content-type", content_type),
            ("content-length", &bytes.len().to_string()),
            ("cache-control", "public, max-age=300"),
            ("accept-ranges", "bytes"),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
        ] {
            for answer in [&head, &ask(&world, Method::GET, &path, &[]).await] {
                assert_eq!(answer.headers[name], value, "{path} {name}");
            }
        }
    }
    ask(&world, Method::HEAD, &format!("/media/{id}/1.png"), &[]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_served_and_what_is_known_is_not_served_again() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let whole = sound("0123456789");
    let id = world.submit_media(&alice, std::slice::from_ref(&whole)).await;
    world.simulator.idle().await;
    let (path, size) = (format!("/media/{id}/0.wav"), whole.len());
    for (range, status, part, content_range) in [
        ("bytes=0-0", 206, &whole[..1], format!("bytes 0-0/{size}")),
        ("bytes=2-5", 206, &whole[2..6], format!("bytes 2-5/{size}")),
        ("bytes=-4", 206, &whole[size - 4..], format!("bytes {}-{}/{size}", size - 4, size - 1)),
        ("bytes=800-", 206, &whole[800..], format!("bytes 800-{}/{size}", size - 1)),
        ("bytes=0-99999", 206, &whole[..], format!("bytes 0-{}/{size}", size - 1)),
        ("bytes=99999-", 416, &whole[..0], format!("bytes */{size}")),
        ("bytes=-0", 416, &whole[..0], format!("bytes */{size}")),
        ("bytes=5-2", 200, &whole[..], String::new()),
        ("bytes=0-1,4-5", 200, &whole[..], String::new()),
        ("nonsense", 200, &whole[..], String::new()),
    ] {
        let answer = ask(&world, Method::GET, &path, &[("range", range)]).await;
        assert_eq!((answer.status.as_u16(), &answer.bytes[..]), (status, part), "{range}");
        let given = answer.headers.get("content-range").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(given.unwrap_or_default(), content_range, "{range}");
        assert_eq!(answer.headers["content-length"], part.len().to_string(), "{range}");
    }
    let etag = ask(&world, Method::GET, &path, &[]).await.headers["etag"].to_str().unwrap().to_owned();
    for known in [etag.clone(), format!("\"x\", {etag}"), format!("W/{etag}")] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(&world, method, &path, &[("if-none-match", &known), ("range", "bytes=0-1")]).await;
            assert_eq!((answer.status.as_u16(), answer.bytes.len()), (304, 0), "{known}");
            assert_eq!(
                (&answer.headers["etag"], &answer.headers["cache-control"]),
                (&http::HeaderValue::from_str(&etag).unwrap(), &http::HeaderValue::from_static("public, max-age=300"))
            );
        }
    }
    ask(&world, Method::GET, &path, &[("if-none-match", "\"x\"")]).await.expect(200);
    // What is taken down is gone for whoever knows it, too.
    world.decide(&id, "reject").await.expect(200);
    for headers in [vec![("if-none-match", etag.as_str())], vec![("range", "bytes=0-1")], vec![]] {
        problem(ask(&world, Method::GET, &path, &headers).await, 404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_down_is_503_and_bytes_that_are_gone_are_404() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let path = format!("/media/{id}/0.png");
    world.get(&path, "").await.expect(200);
    // However often the SDK tries within one request.
    world.proxy.throttle_next(CallMatch::any().function("serve-media").action("GetItem"), 3);
    let answer = problem(world.get(&path, "").await, 503, "unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    for file in world.objects_of(&id) {
        std::fs::remove_file(file).unwrap();
    }
    assert_eq!(world.proxy.orders_left(), 0);
    problem(world.get(&path, "").await, 404, "not_found");
}
