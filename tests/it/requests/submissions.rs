//! Submissions: made, judged whole, read by whom they are for, repeated, withdrawn; and text checks beside them.

use greenlight_local::simulator::Api;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Plan, World, app_id, server_key};
use serde_json::{Value, json};

use crate::requests::{judged_texts, problem};

#[tokio::test(flavor = "multi_thread")]
async fn every_scene_goes_by_word_and_by_number() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let scenes = ["profile", "comment", "forum", "social_log"];
    for (scene, number) in scenes.iter().zip(1_i64..) {
        for written in [json!(scene), json!(number), json!(number.to_string())] {
            let made = world.submit(&alice, &json!({"scene": written, "text": "好"})).await.expect(201);
            assert_eq!(made.text("scene"), *scene);
            assert_eq!(world.simulator.checks().last().unwrap().scene, Some(number));
            let checked = world.post("/v1/checks/text", &alice, &json!({"scene": written, "content": "好"})).await;
            assert_eq!(checked.expect(200).text("suggest"), "pass");
            assert_eq!(world.simulator.checks().last().unwrap().scene, Some(number));
        }
    }
    for scene in [json!(0), json!(5), json!(1.5), json!("Profile"), json!(""), json!([1]), json!(true), Value::Null] {
        let refused = world.submit(&alice, &json!({"scene": scene, "text": "好"})).await;
        assert_eq!(problem(refused, 400, "invalid_submission").faults(), ["scene"], "{scene}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn title_nickname_and_signature_are_judged_like_the_text() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let whole = json!({"scene": 1, "title": "标题", "text": "正文", "nickname": "昵称", "signature": "签名"});
    let made = world.submit(&alice, &whole).await.expect(201).json();
    for field in ["title", "text", "nickname", "signature"] {
        assert_eq!(made[field], whole[field]);
        // One field alone is a submission, and no field is where something can hide.
        let alone = world.submit(&alice, &json!({"scene": 1, field: "好"})).await.expect(201);
        assert_eq!(alone.text("state"), "approved");
        for long in ["forbidden".to_owned(), "好".repeat(3000) + "forbidden"] {
            let mut hiding = whole.clone();
            hiding[field] = json!(long);
            let hidden = world.submit(&alice, &hiding).await.expect(201);
            assert_eq!(hidden.text("state"), "rejected", "{field}");
        }
    }
    let judged = judged_texts(&world);
    assert!(judged[0].contains("标题\n正文\n昵称\n签名"), "{}", judged[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_is_named_at_once() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let wrong = json!({
        "idempotency_key": "short", "scene": "shop", "title": 1, "text": ["x"], "nickname": {}, "signature": false,
        "media": [{"upload_id": "x"}, {"upload_id": 7, "url": "https://example.com/a.png"}, "y", {}],
        "channel": "Square!", "external_id": "e".repeat(257), "colour": "red",
    });
    let answer = problem(world.submit(&alice, &wrong).await, 400, "invalid_submission");
    let mut faults = answer.faults();
    faults.sort();
    let mut named = vec![
        "idempotency_key",
        "scene",
        "title",
        "text",
        "nickname",
        "signature",
        "media[0].upload_id",
        "media[1].upload_id",
        "media[1].url",
        "media[2]",
        "media[3].upload_id",
        "channel",
        "external_id",
        "colour",
    ];
    named.sort_unstable();
    assert_eq!(faults, named);
    assert!(answer.json()["faults"].as_array().unwrap().iter().all(|fault| fault["message"].is_string()));
    let judged = judged_texts(&world);
    assert!(judged.is_empty(), "WeChat was not asked about what is refused anyway: {judged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_submission_says_what_it_lacks_and_null_is_nothing() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for empty in [
        json!({"scene": 1}),
        json!({"scene": 1, "text": "", "title": "", "nickname": "", "signature": "", "media": []}),
        json!({"scene": 1, "text": null, "media": null, "channel": null, "metadata": null, "external_id": null}),
        json!({"scene": 1, "metadata": {"a": 1}}),
    ] {
        assert_eq!(problem(world.submit(&alice, &empty).await, 400, "invalid_submission").faults(), ["text"]);
    }
    let made = json!({"scene": 1, "text": "好", "title": null, "idempotency_key": null, "openid": null, "media": null});
    let made = world.submit(&alice, &made).await.expect(201).json();
    assert_eq!((&made["title"], &made["channel"], &made["media"]), (&Value::Null, &Value::Null, &json!([])));
    let ten = vec![json!({"upload_id": "x"}); 10];
    assert_eq!(world.submit(&alice, &json!({"scene": 1, "media": ten})).await.expect(400).faults()[0], "media");
    // A very long name from outside does not come back whole.
    let long = json!({"scene": 1, "text": "好", "x".repeat(10_000): 1});
    assert!(world.submit(&alice, &long).await.expect(400).bytes.len() < 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_shows_all_that_the_readme_lists() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let made = world.submit(&alice, &json!({"scene": 1, "text": "好", "channel": "square"})).await.expect(201);
    assert_eq!(made.headers["content-type"], "application/json; charset=utf-8");
    let made = made.json();
    let mut names: Vec<&str> = made.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    for name in [
        "id",
        "app_id",
        "state",
        "version",
        "visible_to",
        "shareable",
        "scene",
        "title",
        "text",
        "nickname",
        "signature",
        "media",
        "channel",
        "metadata",
        "external_id",
        "mine",
        "reasons",
        "created_at",
        "decided_at",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    assert!(!names.contains(&"openid"), "the openid is for the owner alone");
    assert_eq!(
        (&made["mine"], &made["app_id"], &made["visible_to"]),
        (&json!(true), &json!("wx0"), &json!("everyone"))
    );
    let seen = world.get(&format!("/v1/submissions/{}", made["id"].as_str().unwrap()), "").await.expect(200).json();
    assert_eq!((&seen["mine"], &seen["reasons"], &seen["openid"]), (&json!(false), &Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_external_id_are_the_authors_and_the_owners_unless_the_owner_vouched() {
    let world = World::start().await;
    let (alice, bob, owner) = (world.log_in("alice").await, world.log_in("bob").await, server_key(0));
    let body = json!({"scene": 1, "text": "好", "metadata": {"page": 7}, "external_id": "e-1", "channel": "square"});
    let mut vouched = body.clone();
    vouched["openid"] = json!(World::openid(0, "alice"));
    for (key, body, public) in [(&alice, &body, false), (&owner, &vouched, true)] {
        let path = format!("/v1/submissions/{}", world.submit(key, body).await.expect(201).text("id"));
        for (viewer, close) in [(&alice, true), (&owner, true), (&bob, false), (&String::new(), false)] {
            let seen = world.get(&path, viewer).await.expect(200).json();
            let shown = if close || public { (json!({"page": 7}), json!("e-1")) } else { (Value::Null, Value::Null) };
            assert_eq!((&seen["metadata"], &seen["external_id"]), (&shown.0, &shown.1));
        }
    }
    let feed = world.get("/v1/channels/square/submissions", "").await.expect(200).json();
    let shown: Vec<bool> =
        feed["submissions"].as_array().unwrap().iter().map(|one| one["metadata"].is_object()).collect();
    assert_eq!(shown.iter().filter(|shown| **shown).count(), 1);
    assert_eq!(shown.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_a_short_word_and_one_of_the_apps_list() {
    let world = World::start_with(Plan { channels: Some(vec!["square", "market_2"]), ..Plan::default() }).await;
    let alice = world.log_in("alice").await;
    for channel in ["square", "market_2"] {
        let made = world.submit(&alice, &json!({"scene": 1, "text": "好", "channel": channel})).await.expect(201);
        assert_eq!(made.text("channel"), channel);
    }
    let other_words = ["elsewhere", "Square", "", "a b", "频道", "square/..", &"a".repeat(65)];
    for channel in other_words {
        let refused = world.submit(&alice, &json!({"scene": 1, "text": "好", "channel": channel})).await;
        assert_eq!(problem(refused, 400, "invalid_submission").faults(), ["channel"], "{channel}");
    }
    let open = World::start().await;
    let alice = open.log_in("alice").await;
    let body = json!({"scene": 1, "text": "好", "channel": "a".repeat(64)});
    open.submit(&alice, &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_again_is_the_same_submission() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let body = json!({"scene": 1, "text": "好", "idempotency_key": "a key of mine"});
    let first = world.submit(&alice, &body).await.expect(201);
    let checks = world.simulator.calls(&app_id(0), Api::MsgSecCheck);
    let again = world.submit(&alice, &body).await.expect(200);
    assert_eq!(first.text("id"), again.text("id"));
    assert_eq!(world.simulator.calls(&app_id(0), Api::MsgSecCheck), checks, "WeChat is not asked again");
    // The scene by its number is the same request.
    world
        .submit(&alice, &json!({"scene": "profile", "text": "好", "idempotency_key": "a key of mine"}))
        .await
        .expect(200);
    for other in [
        json!({"scene": 1, "text": "好的", "idempotency_key": "a key of mine"}),
        json!({"scene": 2, "text": "好", "idempotency_key": "a key of mine"}),
        json!({"scene": 1, "text": "好", "channel": "x", "idempotency_key": "a key of mine"}),
        json!({"scene": 1, "text": "好", "metadata": 1, "idempotency_key": "a key of mine"}),
        json!({"scene": 1, "title": "好", "idempotency_key": "a key of mine"}),
    ] {
        problem(world.submit(&alice, &other).await, 409, "idempotency_conflict");
    }
    let bobs = world.submit(&bob, &body).await.expect(201);
    assert_ne!(bobs.text("id"), first.text("id"));
    // The owner in the author's name is the author.
    let mut vouched = body.clone();
    vouched["openid"] = json!(World::openid(0, "alice"));
    assert_eq!(world.submit(&server_key(0), &vouched).await.expect(200).text("id"), first.text("id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_found_even_when_it_has_left_the_authors_list() {
    let world = World::start().await;
    let owner = server_key(0);
    world.log_in("alice").await;
    let submit = async |text: &str, key: &str| {
        let body = json!({"scene": 1, "text": text, "idempotency_key": key, "openid": World::openid(0, "alice")});
        world.submit(&owner, &body).await
    };
    let first = submit("好", "key-no-0").await.expect(201).text("id");
    for number in 1..=21 {
        submit("好", &format!("key-no-{number}")).await.expect(201);
    }
    assert_eq!(submit("好", "key-no-0").await.expect(200).text("id"), first);
    problem(submit("坏", "key-no-1").await, 409, "idempotency_conflict");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_is_8_to_64_printable_ascii_characters() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let submit =
        async |key: &str| world.submit(&alice, &json!({"scene": 1, "text": "好", "idempotency_key": key})).await;
    for good in ["12345678", "~ !\"#$%&'()*+,-./:;<=>?@[]^_`{|}", &"k".repeat(64)] {
        submit(good).await.expect(201);
    }
    for bad in [
        "",
        "1234567",
        &"k".repeat(65),
        "八个字的键键键键",
        "tab\tinside",
        "new\nline!",
        "nul\0inside",
        "del\u{7f}inside",
    ] {
        assert_eq!(problem(submit(bad).await, 400, "invalid_submission").faults(), ["idempotency_key"], "{bad:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withdrawn_stays_so_and_its_repeat_says_so() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let body = json!({"scene": 1, "text": "好", "title": "题", "metadata": 1, "idempotency_key": "a key of mine"});
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    let path = format!("/v1/submissions/{id}");
    let gone = world.delete(&path, &alice).await.expect(204);
    assert!(gone.bytes.is_empty());
    world.delete(&path, &alice).await.expect(204);
    let again = world.submit(&alice, &body).await.expect(200).json();
    assert_eq!((&again["id"], &again["state"], &again["text"]), (&json!(id), &json!("withdrawn"), &Value::Null));
    assert_eq!(
        (&again["title"], &again["metadata"], &again["visible_to"]),
        (&Value::Null, &Value::Null, &json!("nobody"))
    );
    world.get(&path, &alice).await.expect(404);
    assert_eq!(world.listed("/v1/submissions", &alice).await, [""; 0]);
    let owners = world.submit_text(&alice, "可疑").await.expect(201).text("id");
    world.delete(&format!("/v1/submissions/{owners}"), &server_key(0)).await.expect(204);
    assert_eq!(world.state(&owners).await, "withdrawn");
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_pass_that_says_pass_approves() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (forced, state) in [
        (json!({"verdict": {"suggest": "pass", "label": 100}}), "approved"),
        (json!({"verdict": {"suggest": "pass", "label": null}}), "approved"),
        (json!({"verdict": {"suggest": "pass", "label": 20001}}), "in_review"),
        (json!({"verdict": {"suggest": "Pass", "label": 100}}), "in_review"),
        (json!({"verdict": {"suggest": "", "label": 100}}), "in_review"),
        (json!({"verdict": {"suggest": "risky", "label": 100}}), "rejected"),
        (json!({"errcode": 87014}), "rejected"),
    ] {
        world.behave(json!({"text_verdicts": [forced]}));
        assert_eq!(world.submit_text(&alice, "好").await.expect(201).text("state"), state, "{forced}");
    }
    // No verdict at all is never a pass.
    world.behave(json!({"text_verdicts": ["no_result"]}));
    let state = world.submit_text(&alice, "好").await.expect(201).text("state");
    assert!(["pending", "in_review"].contains(&state.as_str()), "{state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_check_answers_and_stores_nothing() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let check = async |body: Value| world.post("/v1/checks/text", &alice, &body).await;
    let pass = check(json!({"scene": 1, "content": "好", "nickname": "小明"})).await.expect(200).json();
    assert_eq!((&pass["suggest"], &pass["label"], &pass["message"]), (&json!("pass"), &json!(100), &Value::Null));
    assert_eq!(pass["trace_id"], json!(world.simulator.checks().last().unwrap().trace_id));
    let review = check(json!({"scene": 1, "content": "可疑"})).await.expect(200).json();
    assert_eq!((&review["suggest"], &review["label_name"]), (&json!("review"), &json!("pornography")));
    for field in ["title", "nickname", "signature"] {
        let risky = check(json!({"scene": 1, "content": "好", field: "forbidden"})).await.expect(200).json();
        assert_eq!((&risky["suggest"], risky["message"].is_string()), (&json!("risky"), true), "{field}");
    }
    let faults = problem(check(json!({"content": " ", "text": "好"})).await, 400, "invalid_check").faults();
    assert_eq!(faults, ["scene", "content", "text"]);
    assert_eq!(world.listed("/v1/submissions", &alice).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_known_however_much_came_since_and_even_at_the_limit() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let first = json!({"scene": "comment", "text": "first", "idempotency_key": "the-first-one"});
    let id = world.submit(&alice, &first).await.expect(201).text("id");
    for number in 0..29 {
        world.submit_text(&alice, &format!("number {number}")).await.expect(201);
    }
    world.submit_text(&alice, "one too many").await.expect(429);
    let asked = world.simulator.calls(&app_id(0), Api::MsgSecCheck);
    assert_eq!(world.submit(&alice, &first).await.expect(200).text("id"), id);
    assert_eq!(world.simulator.calls(&app_id(0), Api::MsgSecCheck), asked, "nothing was asked again");
}

#[tokio::test]
async fn what_readers_cannot_see_does_not_hide_a_word_from_the_judge() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let family = "👨\u{200d}👩\u{200d}👧";
    for (written, shown, judged) in [
        ("违\u{200b}禁\u{2060}品", "违\u{200b}禁\u{2060}品", "违禁品"),
        (family, family, "👨👩👧"),
        ("\u{202e}品禁违\u{202c}", "品禁违", "品禁违"),
        ("a\u{2066}b\u{2069}c\u{200f}", "abc\u{200f}", "abc"),
    ] {
        let answer = world.submit(&alice, &json!({"scene": 1, "text": written})).await.expect(201);
        assert_eq!(answer.text("text"), shown, "{written:?}");
        assert_eq!(judged_texts(&world).last().unwrap(), judged, "{written:?}");
        let rejected = judged.contains("违禁");
        assert_eq!(answer.text("state"), if rejected { "rejected" } else { "approved" }, "{written:?}");
        let check = world.post("/v1/checks/text", &alice, &json!({"scene": 1, "content": written})).await.expect(200);
        assert_eq!(check.text("suggest"), if rejected { "risky" } else { "pass" }, "{written:?}");
    }
}

#[tokio::test]
async fn a_text_in_which_nobody_could_see_anything_is_400() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
    for nothing in ["\u{200b}", "\u{202e}\u{202c}", "\u{0}\u{7f}", "\u{feff}\u{2060}\u{ad}"] {
        for field in ["title", "text", "nickname", "signature"] {
            let body = json!({"scene": 1, field: nothing, "media": [{"upload_id": upload}]});
            let refused = problem(world.submit(&alice, &body).await, 400, "invalid_submission");
            assert_eq!(refused.faults(), [field], "{nothing:?}");
        }
        let check = world.post("/v1/checks/text", &alice, &json!({"scene": 1, "content": nothing})).await;
        assert_eq!(problem(check, 400, "invalid_check").faults(), ["content"], "{nothing:?}");
    }
    assert!(judged_texts(&world).is_empty());
}
