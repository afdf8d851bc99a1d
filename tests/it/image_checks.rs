//! Image checks: WeChat's word on a picture within the request; nothing is stored.

use greenlight_local::simulator::Api;
use greenlight_tests::pictures::{GREEN, RED, photo, picture, picture_of, sound};
use greenlight_tests::world::{Answer, Plan, World, form, server_key};
use http::Method;
use serde_json::{Value, json};

use crate::requests::problem;
use crate::trouble::{calls, wx};

const PATH: &str = "/v1/checks/image";

async fn check(world: &World, key: &str, content_type: &str, body: Vec<u8>) -> Answer {
    world.send(world.request(Method::POST, PATH, key).header("content-type", content_type).body(body)).await
}

async fn check_file(world: &World, key: &str, file: &[u8]) -> Answer {
    let (content_type, body) = form(&[("file", Some("light.png"), file)]);
    check(world, key, &content_type, body).await
}

#[track_caller]
fn suggests(answer: Answer, suggest: &str) {
    let answer = answer.expect(200).json();
    assert_eq!((&answer["suggest"], answer["message"].is_null()), (&json!(suggest), suggest == "pass"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_judged_at_once_however_it_comes_and_is_not_stored() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (colour, suggest) in [(GREEN, "pass"), (RED, "risky")] {
        suggests(check_file(&world, &alice, &picture(colour, 1)).await, suggest);
        suggests(check(&world, &alice, "image/jpeg", photo(colour)).await, suggest);
        suggests(check(&world, &alice, "application/octet-stream", picture(colour, 2)).await, suggest);
    }
    let objects = std::fs::read_dir(world.stack.objects.join(greenlight_local::stack::BUCKET));
    assert_eq!(objects.into_iter().flatten().count(), 0, "nothing lies in the bucket");
    let upload = world.uploaded(&alice, &picture(RED, 3)).await;
    suggests(world.post(PATH, &alice, &json!({"upload_id": upload})).await, "risky");
    assert_eq!(world.listed("/v1/submissions", &alice).await, [] as [String; 0]);
    assert_eq!(calls(&world, Api::MediaCheckAsync), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_accept_wechat_never_finds_too_large_or_of_the_wrong_kind() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let wide = {
        let mut file = std::io::Cursor::new(Vec::new());
        let noise = image::RgbImage::from_fn(3_000, 400, |x, y| {
            let grain = u8::try_from((x * 7919 + y * 104_729) % 60).unwrap();
            image::Rgb([grain, 180, 60 + grain])
        });
        noise.write_to(&mut file, image::ImageFormat::Png).unwrap();
        file.into_inner()
    };
    let high = image::load_from_memory(&wide).unwrap().rotate90();
    let mut turned = std::io::Cursor::new(Vec::new());
    high.write_to(&mut turned, image::ImageFormat::Bmp).unwrap();
    let gif = include_bytes!("../../functions/accept-upload/src/make_safe/samples/animated.gif");
    let webp = include_bytes!("../../functions/accept-upload/src/make_safe/samples/picture.webp");
    for file in [&wide, &turned.into_inner(), &picture_of(GREEN, 3_000_000), &gif.to_vec(), &webp.to_vec()] {
        check_file(&world, &alice, file).await.expect(200);
    }
    let checks = world.simulator.checks();
    assert_eq!(checks.len(), 5);
    assert!(checks.iter().all(|check| check.media_bytes.unwrap() < 1024 * 1024 && [0, 87014].contains(&check.errcode)));
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_told_so() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    problem(check_file(&world, "", &picture(GREEN, 1)).await, 401, "unauthorized");
    problem(check_file(&world, &alice, &sound("hello")).await, 415, "wrong_kind");
    problem(check_file(&world, &alice, b"hello").await, 415, "unknown_medium");
    problem(check_file(&world, &alice, &picture_of(GREEN, 4 * 1024 * 1024 + 4096)).await, 413, "too_large");
    problem(check(&world, &alice, "text/plain", picture(GREEN, 1)).await, 415, "unsupported_check");
    problem(check_file(&world, &server_key(0), &picture(GREEN, 1)).await, 400, "invalid_openid");
    let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
    for (key, body) in [
        (bob.as_str(), json!({"upload_id": upload})),
        (&alice, json!({"upload_id": "no token"})),
        (&alice, json!({})),
        (&alice, json!({"link": "https://example.com/a.png"})),
    ] {
        problem(world.post(PATH, key, &body).await, 400, "invalid_check");
    }
    let silent = world.uploaded(&alice, &sound("hello")).await;
    problem(world.post(PATH, &alice, &json!({"upload_id": silent})).await, 415, "wrong_kind");
    assert_eq!(calls(&world, Api::ImgSecCheck), 0, "WeChat is not asked for nothing");

    // The owner checks on behalf of a user, whatever shape the picture comes in.
    let openid = World::openid(0, "alice");
    let (content_type, body) = form(&[("openid", None, openid.as_bytes()), ("file", Some("a"), &picture(RED, 1))]);
    suggests(check(&world, &server_key(0), &content_type, body).await, "risky");
    let alone = world.request(Method::POST, &format!("{PATH}?openid={openid}"), &server_key(0));
    suggests(world.send(alone.header("content-type", "image/png").body(picture(RED, 1))).await, "risky");
    let body = json!({"upload_id": upload, "openid": openid});
    suggests(world.post(PATH, &server_key(0), &body).await, "pass");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_verdict_it_is_503_and_a_used_up_quota_is_not_asked_again() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let openid = World::openid(0, "alice");
    for how in [json!({"errcode": -1}), json!("empty"), json!("not_json"), json!({"http_status": 502}), json!("close")]
    {
        world.behave(json!({"fail": [{"api": "img_sec_check", "calls": null, "how": how}]}));
        let refused = problem(check_file(&world, &alice, &picture(GREEN, 1)).await, 503, "check_unavailable");
        assert!(refused.headers.contains_key("retry-after") && refused.json().get("errcode").is_none(), "{how}");
    }
    world.behave(json!({"fail": [{"api": "img_sec_check", "calls": null, "how": {"errcode": 48001}}]}));
    let (content_type, body) = form(&[("openid", None, openid.as_bytes()), ("file", Some("a"), &picture(RED, 1))]);
    let told: Value = check(&world, &server_key(0), &content_type, body).await.expect(503).json();
    assert_eq!(told["errcode"], 48001);

    world.behave(json!({"quotas": {"img_sec_check": {"per_minute": 1}}}));
    world.pass(60);
    suggests(check_file(&world, &alice, &picture(GREEN, 1)).await, "pass");
    problem(check_file(&world, &alice, &picture(GREEN, 1)).await, 503, "check_unavailable");
    let asked = world.simulator.calls(&wx(), Api::ImgSecCheck);
    problem(check_file(&world, &alice, &picture(GREEN, 1)).await, 503, "check_unavailable");
    assert_eq!(world.simulator.calls(&wx(), Api::ImgSecCheck), asked, "it is paused");
    // The other checks are not.
    world.submit_text(&alice, "hello").await.expect(201);
    world.pass(60);
    suggests(check_file(&world, &alice, &picture(GREEN, 1)).await, "pass");
}
