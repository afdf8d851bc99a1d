//! Edits: a submission that replaces another, once it has passed; never two of a chain are public.

use futures_util::future::join_all;
use greenlight_local::simulator::{ForcedVerdict, Verdict};
use greenlight_tests::awaits::{Stepped, at_every_await, request};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{World, app_id, server_key};
use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::requests::problem;

fn text(text: &str, replaces: Option<&str>) -> Value {
    let mut body = json!({"scene": "forum", "channel": "square", "text": text});
    if let Some(replaces) = replaces {
        body["replaces"] = json!(replaces);
    }
    body
}

/// A submission of one picture, whose verdict is on its way: its id, and the trace of its check.
async fn waiting(world: &World, key: &str, seed: u8, replaces: Option<&str>) -> (String, String) {
    let upload = world.uploaded(key, &picture(GREEN, seed)).await;
    let mut body = text("看图", replaces);
    body["media"] = json!([{"upload_id": upload}]);
    let id = world.submit(key, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    let picture = world.simulator.checks().into_iter().rfind(|check| check.text.is_none()).unwrap();
    (id, picture.trace_id.unwrap())
}

async fn push(world: &World, trace_id: &str, passes: bool) {
    let verdict = if passes { Verdict::new("pass", 100) } else { Verdict::new("risky", 20_002) };
    let taken = world.simulator.push_verdict(&app_id(0), trace_id, &ForcedVerdict::Verdict(verdict)).await;
    assert_eq!(taken, Some(true));
}

async fn states<const N: usize>(world: &World, ids: [&str; N]) -> [&'static str; N] {
    let mut states = [""; N];
    for (state, id) in states.iter_mut().zip(ids) {
        *state = world.state(id).await;
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_takes_the_place_of_what_it_replaces_and_only_then() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    world.behave(json!({"hold_pushes": true}));
    let (old, trace) = waiting(&world, &alice, 1, None).await;
    push(&world, &trace, true).await;
    let (new, trace) = waiting(&world, &alice, 2, Some(&old)).await;
    // Everyone sees the old one, its author the new one in its place.
    assert_eq!((world.feed("").await, world.feed(&bob).await), (vec![old.clone()], vec![old.clone()]));
    assert_eq!(world.feed(&alice).await, [new.as_str()]);
    let own = world.get(&format!("/v1/submissions/{new}"), &alice).await.expect(200).json();
    assert_eq!(own["replaces"], old.as_str());
    push(&world, &trace, true).await;
    for key in ["", bob.as_str(), alice.as_str()] {
        assert_eq!(world.feed(key).await, [new.as_str()]);
        world.get(&format!("/v1/submissions/{old}"), key).await.expect(404);
        world.get(&format!("/media/{old}/0.png"), key).await.expect(404);
    }
    world.until_nothing_is_due().await;
    assert!(world.objects_of(&old).is_empty() && !world.objects_of(&new).is_empty());
    // A text is judged at once, and so is its edit; the owner edits as well, in an author's name.
    let mut body = text("今天天气真好", Some(&new));
    body["openid"] = json!(World::openid(0, "alice"));
    world.log_in("alice").await;
    let newest = world.submit(&server_key(0), &body).await.expect(201).text("id");
    assert_eq!(world.feed("").await, [newest.as_str()]);
    assert_eq!(states(&world, [&old, &new, &newest]).await, ["withdrawn", "withdrawn", "approved"]);
    // A risky one leaves all as it was.
    let risky = world.submit(&alice, &text("出售违禁品", Some(&newest))).await;
    assert_eq!(risky.expect(201).text("state"), "rejected");
    assert_eq!(world.feed(&alice).await, [newest.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushes_to_old_and_new_may_come_in_any_order() {
    // The submission, an edit, and another edit of the one or the other.
    let world = World::start().await;
    world.behave(json!({"hold_pushes": true}));
    let mut seed = 0;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for passes in 0..8_u8 {
            let alice = world.log_in("alice").await;
            world.pass(600);
            let passes = [0, 1, 2].map(|index| passes & (1 << index) != 0);
            let mut made: Vec<(String, String)> = Vec::new();
            for index in 0..3 {
                seed += 1;
                let edited = if index == 0 { None } else { Some(made[(index - 1) * usize::from(seed % 2)].0.clone()) };
                made.push(waiting(&world, &alice, seed, edited.as_deref()).await);
            }
            let ids = [made[0].0.as_str(), &made[1].0, &made[2].0];
            for index in order {
                push(&world, &made[index].1, passes[index]).await;
                let now = states(&world, ids).await;
                assert!(now.iter().filter(|state| **state == "approved").count() <= 1, "{order:?} {passes:?}: {now:?}");
            }
            // Whatever the order, the newest that passes is public and the older ones are gone.
            let live = passes.iter().rposition(|passes| *passes);
            let ends = [0, 1, 2].map(|index| match live {
                Some(live) if index == live => "approved",
                Some(live) if index < live => "withdrawn",
                _ => "rejected",
            });
            assert_eq!(states(&world, ids).await, ends, "{order:?} {passes:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_is_withdrawn_meanwhile_goes_with_it() {
    let world = World::start().await;
    world.behave(json!({"hold_pushes": true}));
    let alice = world.log_in("alice").await;
    let mut seed = 0;
    for is_public in [true, false] {
        seed += 2;
        let (old, old_trace) = waiting(&world, &alice, seed, None).await;
        if is_public {
            push(&world, &old_trace, true).await;
        }
        let (new, trace) = waiting(&world, &alice, seed + 1, Some(&old)).await;
        world.delete(&format!("/v1/submissions/{old}"), &alice).await.expect(204);
        push(&world, &trace, true).await;
        assert_eq!(states(&world, [&old, &new]).await, ["withdrawn", "withdrawn"], "{is_public}");
        problem(world.submit(&alice, &text("改", Some(&old))).await, 409, "withdrawn");
        problem(world.submit(&alice, &text("改", Some(&new))).await, 409, "withdrawn");
    }
    assert!(world.feed(&alice).await.is_empty());
    world.until_nothing_is_due().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_decides_about_an_edit_as_about_anything() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let old = world.submit(&alice, &text("今天天气真好", None)).await.expect(201).text("id");
    let doubtful = world.submit(&alice, &text("这很可疑", Some(&old))).await.expect(201).text("id");
    let doubtful_too = world.submit(&alice, &text("也很可疑", Some(&old))).await.expect(201).text("id");
    world.decide(&doubtful_too, "approve").await.expect(200);
    assert_eq!(states(&world, [&old, &doubtful, &doubtful_too]).await, ["withdrawn", "withdrawn", "approved"]);
    let version = world.stored(&doubtful).await.version;
    problem(world.decide_on(&doubtful, "approve", version).await, 409, "withdrawn");
    // What is taken down takes nothing else with it, and may be edited: an author mends what a moderator found.
    world.decide(&doubtful_too, "reject").await.expect(200);
    assert!(world.feed("").await.is_empty());
    let mended = world.submit(&alice, &text("改好了", Some(&doubtful_too))).await.expect(201).text("id");
    assert_eq!(world.feed("").await, [mended.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_edits_what_is_anothers_and_nobody_too_often() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let old = world.submit(&alice, &text("今天天气真好", None)).await.expect(201).text("id");
    for replaces in [old.as_str(), "aaaaaaaaaaaaaaaaaaaaaaaaaa", "no id"] {
        let refused = problem(world.submit(&bob, &text("改", Some(replaces))).await, 400, "invalid_submission");
        assert_eq!(refused.faults(), ["replaces"]);
    }
    // The same key and body are the same edit; another target is another request.
    let mut body = text("今天天气真好呀", Some(&old));
    body["idempotency_key"] = json!("one-and-the-same");
    let edit = world.submit(&alice, &body).await.expect(201).text("id");
    assert_eq!(world.submit(&alice, &body).await.expect(200).text("id"), edit);
    body["replaces"] = json!(edit);
    problem(world.submit(&alice, &body).await, 409, "idempotency_conflict");
    for number in 1..20 {
        let body = text(&format!("这很可疑 {number}"), Some(&old));
        assert_eq!(world.submit(&alice, &body).await.expect(201).text("state"), "in_review");
    }
    problem(world.submit(&alice, &text("今天天气真好", Some(&old))).await, 409, "too_many_edits");
    assert_eq!(world.feed("").await, [edit.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_edits_at_the_same_moment_one_is_public() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let old = world.submit(&alice, &text("今天天气真好", None)).await.expect(201).text("id");
    let edits = join_all((0..6).map(|number| {
        let (world, alice, body) = (&world, &alice, text(&format!("改成这样 {number}"), Some(&old)));
        async move { world.submit(alice, &body).await.expect(201).text("id") }
    }));
    let edits = edits.await;
    let mut public = Vec::new();
    for id in edits.iter().chain([&old]) {
        if world.state(id).await == "approved" {
            public.push(id.clone());
        }
    }
    assert_eq!(public.len(), 1);
    assert_eq!(world.feed("").await, public);
    world.until_nothing_is_due().await;
}

#[tokio::test]
async fn an_edit_may_die_anywhere() {
    at_every_await(|waits| async move {
        let world = World::start().await;
        let alice = world.log_in("alice").await;
        let old = world.submit(&alice, &text("今天天气真好", None)).await.expect(201).text("id");
        let mut body = text("今天天气真好呀", Some(&old));
        body["idempotency_key"] = json!("one and the same");
        let router = world.functions.submit_content.clone().router();
        let create = router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body)));
        let mut dying = Stepped::new(create);
        let lives = dying.run(waits).await.is_some();
        drop(dying);
        world.proxy.quiet().await;
        // Readers see one or the other, never both and never none.
        assert_eq!(world.feed("").await.len(), 1, "after {waits}");
        let answer = world.submit(&alice, &body).await;
        assert!(matches!(answer.status.as_u16(), 200 | 201), "{answer}");
        let new = answer.text("id");
        assert_eq!(states(&world, [&old, &new]).await, ["withdrawn", "approved"]);
        assert_eq!(world.feed("").await, [new.as_str()]);
        world.until_nothing_is_due().await;
        lives
    })
    .await;
}
