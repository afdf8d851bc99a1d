//! A decision about a case is taken back within a minute, by whoever made it, while nothing has followed.

use greenlight_tests::console::{Visitor, page};
use greenlight_tests::world::World;
use serde_json::json;

use super::doubtful;

/// What a decision's page offers to take back, as a form names it.
fn offered(location: &str) -> String {
    let query = location.split('?').nth(1).unwrap();
    let case = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "case");
    case.expect("an offer").1.into_owned()
}

async fn decided(visitor: &Visitor<'_>, case: &str, deed: &str) -> String {
    let done = visitor.decide(case, deed).await.expect(303);
    offered(done.headers["location"].to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_undone_is_back_in_its_place_as_if_nobody_had_spoken() {
    let world = World::start().await;
    let ids = doubtful(&world, 3).await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let first = li.queue().await.remove(1);
    for deed in ["approve", "reject"] {
        world.pass(30);
        let hand = li.queue().await;
        let before = world.stored(&ids[1]).await;
        let done = decided(&li, &hand[1], deed).await;
        assert!(world.stored(&ids[1]).await.moderated);
        world.pass(59);
        li.post("/undo", &[("case", &done)]).await.expect(303);
        let after = world.stored(&ids[1]).await;
        assert_eq!((after.state, after.since, after.moderated), (before.state, before.since, false), "{deed}");
        assert_eq!(li.queue().await.iter().map(|case| greenlight_tests::console::id_of(case)).collect::<Vec<_>>(), ids);
        assert!(world.feed("").await.is_empty());
        // The author notices nothing of it.
        let author = world.log_in("author1").await;
        let seen = world.get(&format!("/v1/submissions/{}", ids[1]), &author).await.expect(200).json();
        assert_eq!((&seen["state"], seen.get("decision")), (&json!("in_review"), None));
    }
    // What was seen of it before stands no more: it has been decided and taken back meanwhile.
    li.decide(&first, "approve").await.expect(409);
    assert!(page(&li.get("").await).contains("<span class=\"figure\">0</span> approved"));
    let record = page(&li.get(&format!("/submissions/{}", ids[1])).await);
    assert!(record.contains("approved → in review") && record.contains("rejected → in review"), "{record}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_minute_nothing_is_undone() {
    let world = World::start().await;
    let id = doubtful(&world, 1).await.remove(0);
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let case = li.queue().await.remove(0);
    let done = decided(&li, &case, "approve").await;
    world.clock.advance(std::time::Duration::from_millis(60_001));
    let late = page(&li.post("/undo", &[("case", &done)]).await.expect(409));
    assert!(late.contains("More than a minute has passed"), "{late}");
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_something_has_followed_upon_is_not_undone() {
    let world = World::start().await;
    let ids = doubtful(&world, 4).await;
    let (li, wang) = (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "wang", "lead").await);
    let hand = li.queue().await;
    let mut done = Vec::new();
    for case in &hand {
        done.push(decided(&li, case, "approve").await);
    }
    // Another's word is not theirs to take back.
    wang.post("/undo", &[("case", &done[0])]).await.expect(409);
    // The author has withdrawn it; the owner has decided otherwise; it was undone already; another version was meant.
    let author = world.log_in("author0").await;
    world.delete(&format!("/v1/submissions/{}", ids[0]), &author).await.expect(204);
    li.post("/undo", &[("case", &done[0])]).await.expect(409);
    world.decide(&ids[1], "reject").await.expect(200);
    li.post("/undo", &[("case", &done[1])]).await.expect(409);
    li.post("/undo", &[("case", &done[2])]).await.expect(303);
    li.post("/undo", &[("case", &done[2])]).await.expect(409);
    li.post("/undo", &[("case", &format!("{}:1", ids[3]))]).await.expect(409);
    let states = [world.state(&ids[0]).await, world.state(&ids[1]).await, world.state(&ids[2]).await];
    assert_eq!(states, ["withdrawn", "rejected", "in_review"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_took_the_place_of_an_older_version_is_not_undone() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let first = world.submit_text(&alice, "好").await.expect(201).text("id");
    let edit = json!({"scene": "comment", "text": "可疑", "replaces": first});
    let edit = world.submit(&alice, &edit).await.expect(201).text("id");
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let case = li.queue().await.remove(0);
    let done = li.decide(&case, "approve").await.expect(303);
    assert!(!done.headers["location"].to_str().unwrap().contains("case="), "nothing is offered");
    let version = world.stored(&edit).await.version;
    li.post("/undo", &[("case", &format!("{edit}:{version}"))]).await.expect(409);
    assert_eq!((world.state(&first).await, world.state(&edit).await), ("withdrawn", "approved"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_and_what_comes_at_the_same_moment_lead_to_one_end() {
    let world = World::start().await;
    let ids = doubtful(&world, 5).await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    for (number, case) in li.queue().await.iter().enumerate() {
        let done = decided(&li, case, "approve").await;
        let author = world.log_in(&format!("author{number}")).await;
        let path = format!("/v1/submissions/{}", ids[number]);
        let fields = [("case", done.as_str())];
        let (undone, withdrawn) = tokio::join!(li.post("/undo", &fields), world.delete(&path, &author));
        assert_eq!(withdrawn.status.as_u16(), 204);
        assert!([303, 409].contains(&undone.status.as_u16()), "{undone}");
        assert_eq!(world.state(&ids[number]).await, "withdrawn");
    }
    assert!(li.queue().await.is_empty());
}
