//! WeChat in trouble: whatever it answers, the author is answered in time, nothing is lost, and nothing gets public
//! that was not passed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use greenlight::domain::base_url::BaseUrl;
use greenlight::domain::ids::{AppId, OpenId};
use greenlight::domain::submission::{GivenUp, PartState, Scene};
use greenlight::domain::text::{Hints, windows};
use greenlight::domain::verdict::Suggest;
use greenlight::moderation::ask::SWEEP_WAITS;
use greenlight::outbound::Outbound;
use greenlight::wechat::client::{Asked, Credentials, TextCheck, WeChat};
use greenlight::wechat::error::Class;
use greenlight_local::simulator::Api;
use greenlight_tests::pictures::{GREEN, RED, picture};
use greenlight_tests::world::{Plan, World, server_key};
use serde_json::{Value, json};

use crate::trouble::{attempts, calls, first_part, id_of, minutes, recover, submit_for, submit_text_for, wx};

/// Longer than WeChat's two hours, where a test is not about those.
const LONG: u64 = 1_000_000;

/// What can go wrong that is worth another try, and whether it counts as an attempt.
fn passing_troubles() -> Vec<(Value, usize)> {
    vec![
        (json!({"errcode": -1}), 1),
        (json!({"errcode": 12345}), 1),
        (json!({"http_status": 500}), 1),
        (json!({"http_status": 302}), 1),
        (json!("close"), 1),
        (json!("not_json"), 1),
        (json!("empty"), 1),
        (json!("hang"), 1),
        (json!({"errcode": 40001}), 1),
        (json!({"errcode": 40014}), 1),
        (json!({"errcode": 42001}), 1),
        (json!({"errcode": 44991}), 0),
        (json!({"errcode": 45009}), 0),
        (json!({"errcode": 48001}), 1),
        (json!({"errcode": 40164}), 1),
    ]
}

/// A world whose authors wait until WeChat answers, and one whose authors give up soon, for where it never does. In the
/// second any call may come too late, so nothing is expected of it that a call must have brought about.
async fn patient_and_hasty() -> (World, World) {
    let hasty = Plan { author_waits: Duration::from_millis(300), ..Plan::default() };
    (World::start().await, World::start_with(hasty).await)
}

fn hangs(how: &Value) -> bool {
    *how == json!("hang")
}

/// A session without a login, for that asks WeChat too.
async fn session(world: &World, name: &str) -> String {
    let openid = World::openid(0, name);
    world.simulator.visit(&wx(), &openid);
    world.post("/v1/sessions", &server_key(0), &json!({"openid": openid})).await.expect(201).text("token")
}

/// Nobody but the author and the owner sees it.
async fn hidden(world: &World, id: &str) {
    world.get(&format!("/v1/submissions/{id}"), "").await.expect(404);
    assert!(!world.feed("").await.contains(&id.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_wechat_does_not_judge_is_pending_and_decided_once_wechat_is_well() {
    let (patient, hasty) = patient_and_hasty().await;
    for (index, (how, counted)) in passing_troubles().into_iter().enumerate() {
        let world = if hangs(&how) { &hasty } else { &patient };
        let name = format!("user{index}");
        session(world, &name).await;
        world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": how}]}));
        let before = calls(world, Api::MsgSecCheck);
        let clean = submit_text_for(world, &name, "今天天气真好").await;
        let asked = calls(world, Api::MsgSecCheck) - before;
        assert_eq!(clean["state"], "pending", "{how}");
        assert_eq!(clean["shareable"], false);
        assert!(clean["message"].as_str().unwrap().starts_with("Under review"));
        assert!((u64::from(!hangs(&how))..=2).contains(&asked), "{how}: asked {asked} times");
        let risky = submit_text_for(world, &name, "出售违禁品").await;
        assert_eq!(risky["state"], "pending", "{how}");
        hidden(world, &id_of(&clean)).await;
        assert_eq!(attempts(world, &id_of(&clean)).await, [counted], "{how}");

        recover(world);
        // A rest of a day's quota is a minute at first, and its probe may keep the second waiting for a moment more.
        minutes(world, 4).await;
        assert_eq!(world.state(&id_of(&clean)).await, "approved", "{how}");
        assert_eq!(world.state(&id_of(&risky)).await, "rejected", "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_wechat_does_not_take_is_pending_and_decided_once_wechat_is_well() {
    let (patient, hasty) = patient_and_hasty().await;
    for (index, (how, counted)) in passing_troubles().into_iter().enumerate() {
        let world = if hangs(&how) { &hasty } else { &patient };
        let alice = session(world, &format!("user{index}")).await;
        world.behave(json!({"fail": [{"api": "media_check_async", "calls": null, "how": how}]}));
        let before = calls(world, Api::MediaCheckAsync);
        let seed = u8::try_from(index).unwrap();
        let green = world.submit_media(&alice, &[picture(GREEN, seed)]).await;
        let asked = calls(world, Api::MediaCheckAsync) - before;
        assert!((u64::from(!hangs(&how))..=2).contains(&asked), "{how}: asked {asked} times");
        let red = world.submit_media(&alice, &[picture(RED, seed)]).await;
        assert_eq!((world.state(&green).await, world.state(&red).await), ("pending", "pending"), "{how}");
        hidden(world, &green).await;
        assert_eq!(attempts(world, &green).await, [counted], "{how}");

        recover(world);
        minutes(world, 4).await;
        assert_eq!((world.state(&green).await, world.state(&red).await), ("approved", "rejected"), "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_wechat_took_while_its_answer_was_lost_is_made_again_and_judged_once() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (seed, how) in std::iter::zip(0.., [json!("close"), json!("not_json"), json!({"http_status": 502})]) {
        let failure = json!({"api": "media_check_async", "how": how, "after_work": true});
        world.behave(json!({"fail": [failure]}));
        let id = world.submit_media(&alice, &[picture(GREEN, seed)]).await;
        world.simulator.idle().await;
        // The push came and is parked: nobody knows what it is about.
        assert_eq!(world.state(&id).await, "pending");
        minutes(&world, 2).await;
        assert_eq!(world.state(&id).await, "approved", "{how}");
        assert_eq!(attempts(&world, &id).await, [2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_wechat_does_not_take_is_renewed_and_the_check_made_once_more() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.submit_text(&alice, "暖身").await.expect(201);
    for (seed, errcode) in std::iter::zip(0.., [40001, 40014, 42001]) {
        for api in [Api::MsgSecCheck, Api::MediaCheckAsync] {
            let fail = json!({"api": api, "calls": 1, "how": {"errcode": errcode}});
            world.behave(json!({"fail": [fail]}));
            let (tokens, checks) = (calls(&world, Api::StableToken), calls(&world, api));
            let id = match api {
                Api::MsgSecCheck => world.submit_text(&alice, "你好").await.expect(201).text("id"),
                _ => world.submit_media(&alice, &[picture(GREEN, seed)]).await,
            };
            world.simulator.idle().await;
            assert_eq!(world.state(&id).await, "approved", "{errcode}");
            assert_eq!(calls(&world, api) - checks, 2);
            assert_eq!(calls(&world, Api::StableToken) - tokens, 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_asked_and_nothing_lost() {
    let (patient, hasty) = patient_and_hasty().await;
    for how in [json!({"errcode": -1}), json!({"errcode": 40125}), json!({"errcode": 40164}), json!("hang")] {
        let world = if hangs(&how) { &hasty } else { &patient };
        session(world, "alice").await;
        world.behave(json!({"fail": [{"api": "stable_token", "calls": null, "how": how}]}));
        world.simulator.expire_token(&wx());
        let before = calls(world, Api::MsgSecCheck);
        // The old token, if there is one, is dead by its expiry as well.
        world.pass(7_200);
        world.simulator.visit(&wx(), &World::openid(0, "alice"));
        let text = submit_text_for(world, "alice", "你好").await;
        assert_eq!(text["state"], "pending", "{how}");
        assert_eq!(calls(world, Api::MsgSecCheck), before, "{how}");
        recover(world);
        minutes(world, 4).await;
        assert_eq!(world.state(&id_of(&text)).await, "approved", "{how}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_v1_word_for_risky_is_a_verdict() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let risky = json!({"errcode": 87014});
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": risky}, {"api": "media_check_async", "how": risky}]}));
    assert_eq!(world.submit_text(&alice, "你好").await.expect(201).text("state"), "rejected");
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    assert_eq!(world.state(&id).await, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_will_never_take_goes_to_a_moderator_at_once() {
    let world = World::start().await;
    world.log_in("alice").await;
    let upload = world.uploaded(&world.log_in("alice").await, &picture(GREEN, 1)).await;
    for errcode in [40003, 40004, 40006, 40129, 41005, 43002, 43104, 44002, 45002, 47001] {
        for api in [Api::MsgSecCheck, Api::MediaCheckAsync] {
            world.behave(json!({"fail": [{"api": api, "calls": null, "how": {"errcode": errcode}}]}));
            let before = calls(&world, api);
            let body = match api {
                Api::MsgSecCheck => json!({"scene": 1, "text": "你好"}),
                _ => json!({"scene": 1, "media": [{"upload_id": upload}]}),
            };
            let submission = submit_for(&world, "alice", body).await;
            let id = id_of(&submission);
            assert_eq!(submission["state"], "in_review", "{errcode}");
            assert_eq!(first_part(&world, &id).await, PartState::GivenUp { why: GivenUp::Refused });
            minutes(&world, 2).await;
            assert_eq!(calls(&world, api) - before, 1, "{errcode}: it is not asked again");
            hidden(&world, &id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_no_pass_letter_for_letter_is_never_public() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let verdicts = [
        json!({"verdict": {"suggest": "pass", "label": 20001}}),
        json!({"verdict": {"suggest": "Pass", "label": 100}}),
        json!({"verdict": {"suggest": "fine", "label": 100}}),
        json!({"verdict": {"suggest": "", "label": null}}),
    ];
    for verdict in verdicts {
        world.behave(json!({"text_verdicts": [verdict], "media_verdicts": [verdict]}));
        let text = world.submit_text(&alice, "你好").await.expect(201).text("id");
        let medium = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
        world.simulator.idle().await;
        assert_eq!((world.state(&text).await, world.state(&medium).await), ("in_review", "in_review"), "{verdict}");
        hidden(&world, &text).await;
        hidden(&world, &medium).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_result_is_no_verdict_and_asked_for_again() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"text_verdicts": ["no_result"], "media_verdicts": ["no_result"]}));
    let text = world.submit_text(&alice, "你好").await.expect(201).text("id");
    let medium = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!((world.state(&text).await, world.state(&medium).await), ("pending", "pending"));
    hidden(&world, &text).await;
    hidden(&world, &medium).await;
    minutes(&world, 1).await;
    assert_eq!((world.state(&text).await, world.state(&medium).await), ("approved", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_four_attempts_a_moderator_looks() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for api in [Api::MsgSecCheck, Api::MediaCheckAsync] {
        world.behave(json!({"fail": [{"api": api, "calls": null, "how": {"errcode": -1}}]}));
        let id = match api {
            Api::MsgSecCheck => world.submit_text(&alice, "你好").await.expect(201).text("id"),
            _ => world.submit_media(&alice, &[picture(GREEN, 1)]).await,
        };
        // The second attempt comes after 1 minute, the third after 5 more, the fourth after 15 more.
        for (wait, asked) in [(1, 2), (4, 2), (1, 3), (14, 3)] {
            minutes(&world, wait).await;
            assert_eq!((world.state(&id).await, calls(&world, api)), ("pending", asked));
        }
        minutes(&world, 1).await;
        assert_eq!((world.state(&id).await, calls(&world, api)), ("in_review", 4));
        let answer = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200);
        assert_eq!(answer.json()["reasons"][0]["label"], Value::Null);
        assert!(world.listed("/v1/reviews", &server_key(0)).await.contains(&id));
        recover(&world);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_day_without_a_token_a_moderator_looks() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "stable_token", "calls": null, "how": {"errcode": 40125}}]}));
    let id = id_of(&submit_text_for(&world, "alice", "你好").await);
    for _ in 0..47 {
        world.pass(30 * 60);
        world.sweep().await;
    }
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("pending", vec![0]));
    for _ in 0..3 {
        world.pass(30 * 60);
        world.sweep().await;
    }
    assert_eq!(world.state(&id).await, "in_review");
    assert_eq!(first_part(&world, &id).await, PartState::GivenUp { why: GivenUp::Time });
    assert_eq!(calls(&world, Api::MsgSecCheck), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_stands_while_an_api_is_paused() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let dry: Vec<_> = [Api::MsgSecCheck, Api::MediaCheckAsync]
        .map(|api| json!({"api": api, "calls": null, "how": {"errcode": 45009}}))
        .into();
    world.behave(json!({"fail": dry}));
    let text = world.submit_text(&alice, "你好").await.expect(201).text("id");
    let medium = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    for _ in 0..(30 * 4) {
        world.pass(15 * 60);
        world.sweep().await;
    }
    for id in [&text, &medium] {
        assert_eq!((world.state(id).await, attempts(&world, id).await), ("pending", vec![0]));
    }
    world.behave(json!({"visit_window_s": LONG}));
    for _ in 0..5 {
        world.pass(15 * 60);
        world.sweep().await;
    }
    assert_eq!((world.state(&text).await, world.state(&medium).await), ("approved", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_medium_that_was_submitted_too_often_rests_and_that_is_no_attempt() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"repeat_limit": {"submissions": 1, "window_s": 7_000, "by": "bytes"}}));
    // In another scene, where what is known in this one says nothing.
    let elsewhere = world.uploaded(&alice, &picture(GREEN, 1)).await;
    let elsewhere = json!({"scene": "profile", "media": [{"upload_id": elsewhere}]});
    let first = world.submit(&alice, &elsewhere).await.expect(201).text("id");
    let second = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!((world.state(&first).await, world.state(&second).await), ("approved", "pending"));
    let before = calls(&world, Api::MediaCheckAsync);
    minutes(&world, 100).await;
    let asked = calls(&world, Api::MediaCheckAsync) - before;
    // It rests for 10, 20, 30, 40 minutes …
    assert_eq!((world.state(&second).await, attempts(&world, &second).await), ("pending", vec![0]));
    assert!((3..=4).contains(&asked), "{asked}");
    world.log_in("alice").await;
    minutes(&world, 60).await;
    assert_eq!(world.state(&second).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_one_api_is_none_of_the_other() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "media_check_async", "calls": null, "how": {"errcode": 45009}}]}));
    let both =
        json!({"scene": 1, "text": "你好", "media": [{"upload_id": world.uploaded(&alice, &picture(GREEN, 1)).await}]});
    let id = world.submit(&alice, &both).await.expect(201).text("id");
    let parts = world.stored(&id).await.parts;
    assert!(matches!(parts[0].state, PartState::Settled { .. }) && matches!(parts[1].state, PartState::Queued { .. }));
    assert_eq!(world.submit_text(&alice, "你好").await.expect(201).text("state"), "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_word_is_found_wherever_a_long_text_is_cut() {
    let world = World::start().await;
    world.log_in("alice").await;
    let filler = |chars: usize| "字".repeat(chars);
    let word = "forbidden";
    // Across the first cut at every letter, across the second, at the very end, and with sentence ends to cut at.
    let mut texts: Vec<String> = (2_490..=2_501).map(|at| filler(at) + word + &filler(3_000)).collect();
    texts.push(filler(2_400 + 2_400 + 95) + word + &filler(1_000));
    texts.push(filler(19_991) + word);
    texts.push(format!("{}。{}{word}", "字".repeat(2_300), "词".repeat(2_400)));
    for text in texts {
        let before = calls(&world, Api::MsgSecCheck);
        let submission = submit_text_for(&world, "alice", &text).await;
        assert_eq!(submission["state"], "rejected");
        let wanted = windows(&text).len() as u64;
        assert!(wanted > 1);
        assert_eq!(calls(&world, Api::MsgSecCheck) - before, wanted, "one call a window");
    }
    let clean = submit_text_for(&world, "alice", &filler(20_000)).await;
    assert_eq!(clean["state"], "approved");
    assert!(world.simulator.checks().iter().all(|check| check.errcode == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_window_without_a_verdict_leaves_a_text_pending_unless_another_is_risky() {
    let world = World::start().await;
    world.log_in("alice").await;
    let fail = json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]});
    world.behave(fail.clone());
    let long = submit_text_for(&world, "alice", &"字".repeat(6_000)).await;
    assert_eq!(long["state"], "pending");
    world.behave(fail.clone());
    // It is in two windows, so that whichever fails, one is left.
    let word_twice = "字".repeat(1_000) + "forbidden" + &"字".repeat(4_000) + "forbidden";
    assert_eq!(submit_text_for(&world, "alice", &word_twice).await["state"], "rejected");
    minutes(&world, 1).await;
    assert_eq!(world.state(&id_of(&long)).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_check_without_a_verdict_is_503_and_stores_nothing() {
    let (patient, hasty) = patient_and_hasty().await;
    let check = json!({"scene": "comment", "content": "你好"});
    let mut troubles = passing_troubles();
    troubles.extend([(json!({"errcode": 61010}), 0), (json!({"errcode": 47001}), 0)]);
    for (how, _) in troubles {
        let world = if hangs(&how) { &hasty } else { &patient };
        let alice = session(world, "alice").await;
        world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": how}]}));
        let refused = world.post("/v1/checks/text", &alice, &check).await.expect(503);
        assert_eq!(refused.text("code"), "check_unavailable", "{how}");
        assert!(refused.headers.contains_key("retry-after"));
        recover(world);
        world.pass(61);
        if !hangs(&how) {
            world.post("/v1/checks/text", &alice, &check).await.expect(200);
        }
    }
    for world in [patient, hasty] {
        assert!(world.proxy.calls().iter().all(|call| call.key_prefix() != "S#"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_is_answered_in_time_though_wechat_hangs() {
    let (_, world) = patient_and_hasty().await;
    let alice = session(&world, "alice").await;
    let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
    let hang = |api: Api| json!({"api": api, "calls": null, "how": "hang"});
    // Nobody ever lets go what hangs, so an answer is one that did not wait for it; and it waited less than the sweep does.
    let limit = SWEEP_WAITS;
    for fail in [vec![hang(Api::MsgSecCheck), hang(Api::MediaCheckAsync)], vec![hang(Api::StableToken)]] {
        world.simulator.expire_token(&wx());
        world.behave(json!({"fail": fail}));
        for body in [
            json!({"scene": 1, "text": "你好"}),
            json!({"scene": 1, "text": "你好", "media": [{"upload_id": upload}]}),
            json!({"scene": 1, "text": "字".repeat(20_000)}),
        ] {
            let begun = Instant::now();
            assert_eq!(world.submit(&alice, &body).await.expect(201).text("state"), "pending");
            assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
        }
        let begun = Instant::now();
        world.post("/v1/checks/text", &alice, &json!({"scene": 1, "content": "你好"})).await.expect(503);
        assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    }
    world.behave(json!({"fail": [hang(Api::Jscode2session)]}));
    let login = world.post("/v1/sessions", "", &json!({"code": "bob-1"})).await.expect(503);
    assert_eq!(login.text("code"), "login_unavailable");
    assert!(login.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn text_goes_out_as_raw_utf_8_and_never_as_escapes() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"escaped_text_passes": true}));
    let texts = [
        "违禁",
        "违禁\u{1F600}",
        "违禁 \"引号\" \\ /\n\t\r",
        "违禁\u{1}",
        "违\u{0}禁",
        "\u{1b}违禁\u{8}",
        "违禁\u{7f}\u{85}\u{2028}",
    ];
    for text in texts {
        let answer = world.submit_text(&alice, text).await.expect(201);
        assert_eq!(answer.text("state"), "rejected", "{text:?}");
    }
    // Neither can the unseen carry a word over a window's overlap.
    let torn: String = "forbidden".chars().flat_map(|letter| [letter].into_iter().chain(['\u{1}'; 60])).collect();
    let long = "字".repeat(2_300) + &torn + &"字".repeat(3_000);
    assert_eq!(world.submit_text(&alice, &long).await.expect(201).text("state"), "rejected");
    for field in ["title", "nickname", "signature"] {
        let mut body = json!({"scene": 1, "text": "你好"});
        body[field] = json!("违禁\u{1}");
        assert_eq!(world.submit(&alice, &body).await.expect(201).text("state"), "rejected", "{field}");
    }
}

/// A WeChat that answers the first request on each connection, and hangs up on whoever sends a second one. How many
/// connections there were.
fn hangs_up_on_second() -> (WeChat, Arc<AtomicUsize>) {
    const ANSWER: &str = r#"{"errcode":0,"result":{"suggest":"pass","label":100},"trace_id":"t","openid":"o"}"#;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
            let mut request = [0; 4096];
            if socket.read(&mut request).is_ok() {
                let _ = socket.write_all(answer.as_bytes());
            }
            let _ = socket.read(&mut request);
        }
    });
    let http = Outbound::new(None).unwrap().wechat_client().unwrap();
    (WeChat::new(http, BaseUrl::parse(&base).unwrap()), connections)
}

#[tokio::test]
async fn what_is_harmless_twice_is_sent_again_when_a_kept_connection_is_dead() {
    let (wechat, connections) = hangs_up_on_second();
    let (openid, token) = (OpenId::parse("o").unwrap(), secrecy::SecretString::from("token"));
    let hints = Hints { title: None, nickname: None, signature: None };
    let check = TextCheck { content: "text", hints, scene: Scene::Forum, openid: &openid };
    for made in 1..=4 {
        let judged = wechat.check_text(&token, check, &Asked::default()).await.unwrap();
        assert_eq!((judged.verdict.suggest, connections.load(Ordering::SeqCst)), (Suggest::Pass, made));
    }
}

#[tokio::test]
async fn a_login_is_not_sent_twice_for_its_code_is_used_up() {
    let (wechat, connections) = hangs_up_on_second();
    let (app_id, app_secret) = (AppId::parse("wx1").unwrap(), secrecy::SecretString::from("secret"));
    let app = Credentials { app_id: &app_id, app_secret: &app_secret };
    assert!(wechat.code_to_session(app, "code").await.is_ok());
    let error = wechat.code_to_session(app, "another").await.unwrap_err();
    assert_eq!((error.class, connections.load(Ordering::SeqCst)), (Class::Busy, 1));
}
