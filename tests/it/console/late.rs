//! A queue that is late: somebody is told.

use greenlight_tests::console::Visitor;
use greenlight_tests::world::World;
use http::StatusCode;
use serde_json::json;

use crate::logged::Logged;
use crate::tellings::{submit, telling_world};

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_told_once_an_hour_while_a_case_has_waited_longer_than_it_may() {
    let (world, functions, backend) = telling_world(1).await;
    let alice = world.log_in("alice").await;
    let id =
        submit(&functions, &alice, json!({"scene": "forum", "text": "可疑"})).await["id"].as_str().unwrap().to_owned();
    let since = world.stored(&id).await.since;
    let late = async || {
        functions.sweep_overdue.run().await.unwrap();
        backend.told("queue_late")
    };
    world.clock.set(since.plus(std::time::Duration::from_secs(2 * 3600)));
    assert!(late().await.is_empty(), "two hours are not longer than two hours");
    let logged = Logged::start();
    world.pass(1);
    backend.answers(StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(late().await.len(), 1);
    assert!(logged.text().contains("\"alarm\":\"queue_late\""), "{}", logged.text());
    backend.answers(StatusCode::NO_CONTENT);
    let told = late().await;
    assert_eq!(told.len(), 2, "what was not taken is told again");
    let expected = json!({
        "app_id": "wx0", "waiting": 1, "oldest_since": since.to_string(), "late_after_s": 7200,
    });
    assert_eq!(told[0]["data"], expected);
    world.pass(3599);
    assert_eq!(late().await.len(), 2);
    world.pass(1);
    assert_eq!(late().await.len(), 3);
    // The app may have a limit of its own.
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let rules = |minutes| [("minutes", minutes), ("reasons", "a | 字 | a")];
    lead.post("/reasons", &rules("0")).await.expect(400);
    lead.post("/reasons", &rules("43201")).await.expect(400);
    lead.post("/reasons", &rules("600")).await.expect(200);
    world.pass(3601);
    assert_eq!(late().await.len(), 3);
    world.pass(10 * 3600);
    assert_eq!(late().await.len(), 4);
    // Once it is decided nothing is late.
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let case = lead.queue().await.remove(0);
    lead.post("/decisions", &[("case", &case), ("deed", "approve")]).await.expect(303);
    world.pass(3601);
    assert_eq!(late().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_anybody_to_tell_the_log_says_it() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.submit_text(&alice, "可疑").await.expect(201);
    world.pass(2 * 3600 + 1);
    let logged = Logged::start();
    world.sweep().await;
    assert!(logged.text().contains("queue_late"), "{}", logged.text());
}
