//! Cases: what waits for people, in whose hand it is, and whom it waits for.

use aws_sdk_dynamodb::types::AttributeValue;
use greenlight_local::stack::TABLE;
use greenlight_tests::console::{Visitor, between, id_of, page};
use greenlight_tests::pictures::{YELLOW, picture};
use greenlight_tests::world::{World, server_key};
use serde_json::json;

use super::doubtful;

fn ids(cases: &[String]) -> Vec<&str> {
    cases.iter().map(|case| id_of(case)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_up_to_ten_cases_in_hand_and_no_two_the_same() {
    let world = World::start().await;
    let waiting = doubtful(&world, 15).await;
    let (li, wang) =
        (Visitor::enter(&world, 0, "li", "moderator").await, Visitor::enter(&world, 0, "wang", "moderator").await);
    let (first, second) = (li.queue().await, wang.queue().await);
    assert_eq!(ids(&first), waiting[..10], "oldest first");
    assert_eq!(ids(&second), waiting[10..]);
    let others = page(&wang.get(&format!("/submissions/{}", waiting[0])).await.expect(200));
    assert!(others.contains("in the hand of li"), "{others}");
    assert!(!page(&li.get(&format!("/submissions/{}", waiting[0])).await).contains("in the hand of"));
    // Looking again is working: they keep what they have, however long they take.
    for _ in 0..3 {
        world.pass(4 * 60);
        assert_eq!(li.queue().await, first);
    }
    // Wang went for a coffee.
    assert_eq!(wang.queue().await.len(), 5);
    world.pass(5 * 60);
    let (free, rest) = (&waiting[..5], &waiting[5..10]);
    let expected = [free, &waiting[10..]].concat();
    assert_eq!(ids(&wang.queue().await), expected, "what nobody worked on for five minutes is free");
    assert_eq!(ids(&li.queue().await), rest);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_never_have_the_same_case_in_hand() {
    let world = World::start().await;
    let waiting = doubtful(&world, 40).await;
    let mut visitors = Vec::new();
    for number in 0..4 {
        visitors.push(Visitor::enter(&world, 0, &format!("moderator {number}"), "moderator").await);
    }
    let hands = futures_util::future::join_all(visitors.iter().map(Visitor::queue)).await;
    let mut all: Vec<&str> = hands.iter().flat_map(|hand| ids(hand)).collect();
    all.sort_unstable();
    let in_hand = all.len();
    all.dedup();
    assert_eq!(all.len(), in_hand);
    assert!(in_hand <= waiting.len() && hands.iter().all(|hand| (1..=10).contains(&hand.len())), "{hands:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_opened_and_closed_with_the_state_whoever_changes_it() {
    let world = World::start().await;
    let li = Visitor::enter(&world, 0, "li", "lead").await;
    let waiting = doubtful(&world, 3).await;
    assert_eq!(ids(&li.queue().await), waiting);
    // The owner decides, the author withdraws, WeChat refuses.
    world.decide(&waiting[0], "approve").await.expect(200);
    let author = world.log_in("author1").await;
    world.delete(&format!("/v1/submissions/{}", waiting[1]), &author).await.expect(204);
    assert_eq!(ids(&li.queue().await), waiting[2..]);
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await, waiting[2..]);
    assert!(page(&li.get("").await).contains("<p class=\"figure\">1</p>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_is_left_to_others_until_asked_for_again() {
    let world = World::start().await;
    let waiting = doubtful(&world, 2).await;
    let (li, wang) =
        (Visitor::enter(&world, 0, "li", "moderator").await, Visitor::enter(&world, 0, "wang", "moderator").await);
    let first = li.queue().await.remove(0);
    li.post("/skips", &[("case", &first)]).await.expect(303);
    assert_eq!(ids(&li.queue().await), waiting[1..]);
    assert_eq!(ids(&wang.queue().await), waiting[..1]);
    world.pass(5 * 60);
    assert_eq!(ids(&li.queue().await), waiting[1..], "still skipped");
    let again = page(&li.get("/queue?again").await.expect(200));
    assert_eq!(ids(&greenlight_tests::console::cases(&again)), waiting);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_escalated_waits_for_a_lead() {
    let world = World::start().await;
    let waiting = doubtful(&world, 2).await;
    let (moderator, lead) =
        (Visitor::enter(&world, 0, "wang", "moderator").await, Visitor::enter(&world, 0, "li", "lead").await);
    let case = moderator.queue().await.remove(1);
    moderator.post("/escalations", &[("case", &case)]).await.expect(303);
    assert_eq!(ids(&moderator.queue().await), waiting[..1]);
    let refused = moderator.decide(&case, "approve").await.expect(403);
    assert!(page(&refused).contains("only a lead may decide it"));
    assert_eq!(ids(&lead.queue().await), waiting[1..], "the other is in the moderator's hand");
    assert!(page(&lead.get("/queue").await).contains("for a lead"));
    // What the lead saw before it was escalated, the lead may decide: nothing that matters has changed.
    lead.decide(&case, "approve").await.expect(303);
    assert_eq!(world.state(&waiting[1]).await, "approved");
    moderator.post("/escalations", &[("case", &case)]).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_shows_what_it_names_alone() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let comment = json!({"scene": "comment", "text": "这很可疑"});
    let comment = world.submit(&alice, &comment).await.expect(201).text("id");
    let picture = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let li = Visitor::enter(&world, 0, "li", "lead").await;
    for (filter, expected) in [
        ("", vec![&comment, &picture]),
        ("channel=square", vec![&picture]),
        ("scene=comment", vec![&comment]),
        ("scene=comment&channel=square", vec![]),
        ("cause=doubtful", vec![&comment, &picture]),
        ("cause=given_up", vec![]),
        ("channel=No+Channel&scene=9&cause=x", vec![&comment, &picture]),
    ] {
        let shown = page(&li.get(&format!("/queue?{filter}")).await.expect(200));
        let mut shown: Vec<String> =
            greenlight_tests::console::cases(&shown).iter().map(|case| id_of(case).to_owned()).collect();
        shown.sort();
        let mut expected: Vec<String> = expected.into_iter().cloned().collect();
        expected.sort();
        assert_eq!(shown, expected, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_together_stands_together() {
    let world = World::start().await;
    let (alice, bob, carol) = (world.log_in("alice").await, world.log_in("bob").await, world.log_in("carol").await);
    for (author, text) in [(&alice, "可疑一"), (&bob, "可疑二"), (&alice, "可疑三"), (&carol, "可疑二")] {
        world.submit_text(author, text).await.expect(201);
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get("/queue").await.expect(200));
    let groups: Vec<usize> = between(&shown, "<section class=\"group", "</section>")
        .iter()
        .map(|group| group.matches("<article").count())
        .collect();
    assert_eq!(groups, [2, 2], "alice's two, and the same words of two");
    let all = between(&shown, "<div class=\"together\">", "</form>")[1];
    let cases = between(all, "name=\"case\" value=\"", "\"");
    let mut fields = vec![("deed", "approve")];
    fields.extend(cases.iter().map(|case| ("case", *case)));
    let done = li.post("/decisions", &fields).await.expect(303);
    assert!(done.headers["location"].to_str().unwrap().contains("done=2"));
    for case in cases {
        assert_eq!(world.state(id_of(case)).await, "approved");
    }
}

/// Older releases put the submission itself into the queue, and older functions may do so while a new release is deployed.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_left_in_the_queue_is_worked_off_like_all_else() {
    let world = World::start().await;
    let waiting = doubtful(&world, 2).await;
    let client = world.dynamodb();
    let key = |id: &str, sort: &str| {
        let text = |value: String| AttributeValue::S(value);
        std::collections::HashMap::from([
            ("pk".to_owned(), text(format!("S#{id}"))),
            ("sk".to_owned(), text(sort.into())),
        ])
    };
    let since = world.stored(&waiting[0]).await.since.0;
    client.delete_item().table_name(TABLE).set_key(Some(key(&waiting[0], "C"))).send().await.unwrap();
    client
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key(&waiting[0], "S")))
        .update_expression("SET queue_pk = :queue, queue_sk = :place")
        .expression_attribute_values(":queue", AttributeValue::S("review#wx0".into()))
        .expression_attribute_values(":place", AttributeValue::S(format!("{since:013}#{}", waiting[0])))
        .send()
        .await
        .unwrap();
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await, waiting);
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    assert_eq!(ids(&li.queue().await), waiting);
    let case = li.queue().await.remove(0);
    li.decide(&case, "approve").await.expect(303);
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await, waiting[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_found_is_kept_for_people_and_goes_with_the_content() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let text = world.submit_text(&alice, "这很可疑").await.expect(201).text("id");
    let picture = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get("/queue").await.expect(200));
    assert!(shown.contains("WeChat doubts it: "), "{shown}");
    assert!(shown.contains("content_model") && shown.contains("90%"));
    assert!(shown.contains("<mark class=\"keyword\" title=\"a keyword that was met\">可疑</mark>"), "{shown}");
    for id in [&text, &picture] {
        assert!(world.stored(id).await.parts.iter().any(|part| !part.findings.is_empty()), "{id}");
        world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
        assert!(world.stored(id).await.parts.iter().all(|part| part.findings.is_empty()), "{id}");
    }
}
