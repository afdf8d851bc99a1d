//! What a person has rejected stays rejected: the same content goes to people, whatever WeChat says.

use greenlight_tests::console::{Visitor, id_of, page};
use greenlight_tests::pictures::{GREEN, YELLOW, as_jpeg, as_png, brighter, photo, picture, scaled, scene};
use greenlight_tests::world::{Plan, World, server_key};
use serde_json::{Value, json};

/// How large the scenes are that are uploaded.
const SIZE: (u32, u32) = (320, 240);
/// A scene that WeChat lets pass; so are the others here.
const SCENE: u64 = 2;

/// A scene and what WeChat makes of it, as a submission of its own.
async fn submit_picture(world: &World, author: &str, file: Vec<u8>) -> (String, String) {
    let author = world.log_in(author).await;
    let id = world.submit_media(&author, &[file]).await;
    world.simulator.idle().await;
    let state = world.state(&id).await.to_owned();
    (id, state)
}

/// A scene that WeChat doubts: yellow, as the simulator has it.
fn doubtful_scene(seed: u64) -> image::RgbImage {
    let mut scene = scene(seed, SIZE);
    scene.pixels_mut().for_each(|pixel| pixel.0 = [pixel.0[0] / 2 + 100, pixel.0[0] / 2 + 100, pixel.0[2] / 8]);
    scene
}

async fn submit(world: &World, author: &str, content: Value) -> (String, String) {
    let mut body = json!({"scene": "forum"});
    body.as_object_mut().unwrap().extend(content.as_object().unwrap().clone());
    let made = world.submit(author, &body).await.expect(201);
    (made.text("id"), made.text("state"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_however_they_are_written_come_before_people_once_more() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let (first, state) =
        submit(&world, &alice, json!({"title": "好货", "text": "Buy ＡＢＣ now！", "nickname": "a"})).await;
    assert_eq!(state, "approved");
    world.decide(&first, "reject").await.expect(200);
    for same in [
        json!({"title": "好货", "text": "Buy ＡＢＣ now！"}),
        json!({"title": "好 货", "text": "buy\nabc\tNOW!", "nickname": "someone else"}),
        json!({"text": "好货b\u{200b}uy ABC n\u{2060}ow！"}),
    ] {
        let (id, state) = submit(&world, &bob, same.clone()).await;
        assert_eq!(state, "in_review", "{same}");
        assert!(world.stored(&id).await.came_back());
    }
    for other in [json!({"text": "Buy ABC now"}), json!({"text": "好货"}), json!({"text": "你好", "nickname": "a"})]
    {
        assert_eq!(submit(&world, &bob, other.clone()).await.1, "approved", "{other}");
    }
    // Moderators see why, and lead from it to what was decided before.
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get("/queue?cause=came_back").await.expect(200));
    assert_eq!(greenlight_tests::console::cases(&shown).len(), 3);
    assert!(shown.contains("a person has rejected the same before"), "{shown}");
    assert!(shown.contains(&format!("<a href=\"/console/submissions/{first}\">the earlier decision</a>")));
    assert!(greenlight_tests::console::cases(&page(&li.get("/queue?cause=doubtful").await)).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_picture_waits_for_people_though_wechat_passes_it() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let first = world.submit_media(&alice, &[picture(GREEN, 3)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&first).await, "approved");
    world.decide(&first, "reject").await.expect(200);
    let again = world.submit_media(&bob, &[picture(GREEN, 4), picture(GREEN, 3)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&again).await, "in_review");
    let other = world.submit_media(&bob, &[picture(GREEN, 5)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&other).await, "approved");
    // What WeChat refuses needs nobody.
    let (refused, state) = submit(&world, &alice, json!({"text": "违禁"})).await;
    assert_eq!(state, "rejected");
    world.decide(&refused, "reject").await.expect(200);
    assert_eq!(submit(&world, &bob, json!({"text": "违禁"})).await.1, "rejected");
    // And a person may still let it through.
    world.decide(&again, "approve").await.expect(200);
    assert_eq!(world.state(&again).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn wechats_own_refusals_are_not_remembered_and_other_apps_know_nothing() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, other) = (world.log_in("alice").await, world.log_in_to(1, "alice").await);
    let (id, _) = submit(&world, &alice, json!({"text": "hello"})).await;
    world.decide(&id, "reject").await.expect(200);
    assert_eq!(submit(&world, &other, json!({"text": "hello"})).await.1, "approved");
    let yellow = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    assert!(!world.stored(&yellow).await.came_back());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_kept_for_four_hundred_days_and_lifted_by_leads() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let state = async |text: &str| {
        let alice = world.log_in("alice").await;
        submit(&world, &alice, json!({"text": text})).await
    };
    let (first, _) = submit(&world, &alice, json!({"text": "hello"})).await;
    world.decide(&first, "reject").await.expect(200);
    world.pass(400 * 24 * 3600 - 1);
    assert_eq!(state("hello").await.1, "in_review");
    world.pass(2);
    assert_eq!(state("hello").await.1, "approved");

    let (second, _) = state("goodbye").await;
    world.decide(&second, "reject").await.expect(200);
    let (moderator, lead) =
        (Visitor::enter(&world, 0, "wang", "moderator").await, Visitor::enter(&world, 0, "li", "lead").await);
    let case = format!("{second}:1");
    assert!(!page(&moderator.get(&format!("/submissions/{second}")).await).contains("/console/lifts"));
    moderator.post("/lifts", &[("case", &case)]).await.expect(403);
    assert_eq!(state("goodbye").await.1, "in_review");
    assert!(page(&lead.get(&format!("/submissions/{second}")).await).contains("/console/lifts"));
    lead.post("/lifts", &[("case", &case)]).await.expect(303);
    assert_eq!(state("goodbye").await.1, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leads_approval_lifts_it_a_moderators_does_not_and_an_undo_takes_it_back() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (moderator, lead) =
        (Visitor::enter(&world, 0, "wang", "moderator").await, Visitor::enter(&world, 0, "li", "lead").await);
    let again = async || submit(&world, &alice, json!({"text": "hello"})).await.1;
    let (first, _) = submit(&world, &alice, json!({"text": "hello"})).await;
    world.decide(&first, "reject").await.expect(200);
    assert_eq!(again().await, "in_review");
    let case = moderator.queue().await.remove(0);
    moderator.decide(&case, "approve").await.expect(303);
    assert_eq!(again().await, "in_review", "one moderator's word about one submission");
    let case = lead.queue().await.remove(0);
    lead.decide(&case, "approve").await.expect(303);
    assert_eq!(again().await, "approved");

    let (doubtful, _) = submit(&world, &alice, json!({"text": "可疑"})).await;
    let case = moderator.queue().await.remove(0);
    assert_eq!(id_of(&case), doubtful);
    moderator.decide(&case, "reject").await.expect(303);
    let version = world.stored(&doubtful).await.version;
    moderator.post("/undo", &[("case", &format!("{doubtful}:{version}"))]).await.expect(303);
    let (third, _) = submit(&world, &alice, json!({"text": "可疑"})).await;
    assert!(!world.stored(&third).await.came_back());
    // What somebody else has rejected before stays so.
    world.decide(&doubtful, "reject").await.expect(200);
    let case = moderator.queue().await.remove(0);
    moderator.decide(&case, "reject").await.expect(303);
    let version = world.stored(&third).await.version;
    moderator.post("/undo", &[("case", &format!("{third}:{version}"))]).await.expect(303);
    let (fourth, _) = submit(&world, &alice, json!({"text": "可疑"})).await;
    assert!(world.stored(&fourth).await.came_back());
    world.get("/v1/reviews", &server_key(0)).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_picture_that_comes_compressed_anew_waits_for_people_and_others_do_not() {
    let world = World::start().await;
    let rejected = scene(SCENE, SIZE);
    let (first, state) = submit_picture(&world, "alice", as_png(&rejected)).await;
    assert_eq!(state, "approved");
    world.decide(&first, "reject").await.expect(200);
    for (name, copy) in [
        ("JPEG", as_jpeg(&rejected, 80)),
        ("coarse JPEG", as_jpeg(&rejected, 45)),
        ("scaled", as_jpeg(&scaled(&rejected, 70), 85)),
        ("brighter", as_png(&brighter(&rejected, 8))),
    ] {
        let (id, state) = submit_picture(&world, "bob", copy).await;
        assert_eq!(state, "in_review", "{name}");
        assert!(world.stored(&id).await.parts[0].alike, "{name}");
    }
    for other in [3, 5, 6] {
        let (id, state) = submit_picture(&world, "bob", as_jpeg(&scene(other, SIZE), 80)).await;
        assert_eq!(state, "approved", "{other}");
        assert!(!world.stored(&id).await.came_back());
    }
    // Moderators see why, and lead from it to what was decided before.
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get("/queue?cause=came_back").await.expect(200));
    assert_eq!(greenlight_tests::console::cases(&shown).len(), 4);
    assert!(shown.contains("a person has rejected a picture like this before"), "{shown}");
    assert!(!shown.contains("a person has rejected the same before"));
    assert!(shown.contains(&format!("<a href=\"/console/submissions/{first}\">the earlier decision</a>")));
    // The same bytes are the same, and not just alike.
    let (same, state) = submit_picture(&world, "carol", as_png(&rejected)).await;
    assert_eq!(state, "in_review");
    let same = world.stored(&same).await;
    assert!(same.came_back() && !same.parts[0].alike);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_pictures_look_like_nothing_so_one_that_is_rejected_holds_up_no_other() {
    let world = World::start().await;
    let (first, _) = submit_picture(&world, "alice", picture(GREEN, 3)).await;
    world.decide(&first, "reject").await.expect(200);
    for other in [picture(GREEN, 5), photo(GREEN)] {
        assert_eq!(submit_picture(&world, "bob", other).await.1, "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_kept_for_four_hundred_days_and_in_one_app() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (first, _) = submit_picture(&world, "alice", as_png(&scene(SCENE, SIZE))).await;
    world.decide(&first, "reject").await.expect(200);
    let other_app = world.log_in_to(1, "alice").await;
    let there = world.submit_media(&other_app, &[as_jpeg(&scene(SCENE, SIZE), 75)]).await;
    assert!(!world.stored(&there).await.came_back());
    world.pass(400 * 24 * 3600 - 1);
    assert_eq!(submit_picture(&world, "alice", as_jpeg(&scene(SCENE, SIZE), 80)).await.1, "in_review");
    world.pass(2);
    assert_eq!(submit_picture(&world, "alice", as_jpeg(&scene(SCENE, SIZE), 85)).await.1, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_lets_a_picture_come_again_however_it_is_compressed() {
    let world = World::start().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let copy = |quality| as_jpeg(&scene(SCENE, SIZE), quality);
    let (first, _) = submit_picture(&world, "alice", copy(90)).await;
    world.decide(&first, "reject").await.expect(200);
    assert_eq!(submit_picture(&world, "bob", copy(85)).await.1, "in_review");
    // By a word about what was rejected,
    lead.post("/lifts", &[("case", &format!("{first}:1"))]).await.expect(303);
    assert_eq!(submit_picture(&world, "bob", copy(80)).await.1, "approved");
    // or about a copy of it.
    let (second, _) = submit_picture(&world, "alice", copy(75)).await;
    world.decide(&second, "reject").await.expect(200);
    let (third, state) = submit_picture(&world, "bob", copy(70)).await;
    assert_eq!(state, "in_review");
    lead.post("/lifts", &[("case", &format!("{third}:1"))]).await.expect(303);
    assert_eq!(submit_picture(&world, "bob", copy(65)).await.1, "approved");
    // The owner's approval by server key says the same.
    let (fourth, _) = submit_picture(&world, "alice", copy(60)).await;
    world.decide(&fourth, "reject").await.expect(200);
    let (fifth, state) = submit_picture(&world, "bob", copy(88)).await;
    assert_eq!(state, "in_review");
    world.decide(&fifth, "approve").await.expect(200);
    assert_eq!(submit_picture(&world, "bob", copy(78)).await.1, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_takes_back_the_look_that_only_its_decision_has_kept() {
    let world = World::start().await;
    let moderator = Visitor::enter(&world, 0, "wang", "moderator").await;
    let copy = |quality| as_jpeg(&doubtful_scene(SCENE), quality);
    let reject_and_undo = async |id: &str| {
        moderator.queue().await;
        let case = format!("{id}:{}", world.stored(id).await.version);
        moderator.decide(&case, "reject").await.expect(303);
        let version = world.stored(id).await.version;
        moderator.post("/undo", &[("case", &format!("{id}:{version}"))]).await.expect(303);
    };
    let (first, state) = submit_picture(&world, "alice", copy(90)).await;
    assert_eq!(state, "in_review");
    reject_and_undo(&first).await;
    let (second, _) = submit_picture(&world, "bob", copy(80)).await;
    assert!(!world.stored(&second).await.came_back());
    // What somebody else has rejected before stays so.
    world.decide(&first, "reject").await.expect(200);
    reject_and_undo(&second).await;
    let (third, _) = submit_picture(&world, "bob", copy(70)).await;
    assert!(world.stored(&third).await.came_back());
}
