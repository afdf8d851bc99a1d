//! Looking back: a submission is found by the owner's name for it, and its page tells all that happened, in order.

use greenlight_tests::console::{Visitor, between, page};
use greenlight_tests::pictures::{YELLOW, picture};
use greenlight_tests::world::{Plan, World};
use http::Method;
use serde_json::json;

use crate::trouble::minutes;

/// What stands in the rows of a submission's page, cell by cell.
fn rows(page: &str) -> Vec<Vec<String>> {
    let table = between(page, "<h2 id=\"timeline\">", "</table>").remove(0);
    let cells = |row: &str| row.split("</td>").map(|cell| cell.rsplit('>').next().unwrap().to_owned()).collect();
    between(table, "<tr><td", "</tr>").into_iter().map(cells).collect()
}

/// What happened, by whom, and why, of each row.
fn told(page: &str) -> Vec<[String; 3]> {
    rows(page).into_iter().map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect()
}

async fn submitted(world: &World, key: &str, text: &str, external_id: &str) -> String {
    let body = json!({"scene": "forum", "text": text, "external_id": external_id});
    let id = world.submit(key, &body).await.expect(201).text("id");
    world.pass(60);
    id
}

fn find(external_id: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("id", external_id).finish();
    format!("/find?{query}")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_check_is_told_with_its_end_its_errcode_and_its_verdict() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"media_verdicts": [{"errcode": -1008}]}));
    let id = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let failed_at = world.stored(&id).await.parts[0].attempts[0].ended_at().unwrap();
    minutes(&world, 2).await;
    world.simulator.idle().await;
    let stored = world.stored(&id).await;
    let attempts = &stored.parts[0].attempts;
    assert_eq!((attempts.len(), attempts[0].errcode, attempts[0].ended_at()), (2, Some(-1008), Some(failed_at)));
    assert!(attempts[1].ended_at().unwrap() > failed_at && attempts[1].asked_at > failed_at);
    assert_eq!(stored.parts[0].verdict_of(1), stored.parts[0].verdict());
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let case = li.queue().await.remove(0);
    li.decide(&case, "reject").await.expect(303);
    let shown = page(&li.get(&format!("/submissions/{id}")).await.expect(200));
    let told = told(&shown);
    let whats: Vec<&str> = told.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(
        whats,
        [
            "submitted",
            "medium 1 · check 1 begun",
            "medium 1 · check 1 ended",
            "medium 1 · check 2 begun",
            "medium 1 · check 2 ended",
            "pending → in review",
            "in review → rejected",
        ],
        "{shown}"
    );
    assert!(told[2][2].starts_with("came to nothing · WeChat could not download it (errcode -1008)"), "{:?}", told[2]);
    assert!(told[4][2].starts_with("review · "), "{:?}", told[4]);
    assert_eq!(told[6][1], "li · moderator");
    assert!(told[6][2].contains(" · [spam] · Cause: medium 1 · doubtful"), "{:?}", told[6]);
    let traces: Vec<String> = attempts.iter().map(|attempt| attempt.trace_id.as_ref().unwrap().to_string()).collect();
    let rows = rows(&shown);
    assert_eq!([&rows[2][4], &rows[4][4]], [&traces[0], &traces[1]]);
    assert!(rows.iter().all(|row| row[0].starts_with("20") && row[0].len() == 16), "{rows:?}");
    // And in Chinese.
    let request = li.request(Method::GET, &format!("/submissions/{id}")).header("cookie", "greenlight-language=zh");
    let shown = page(&world.send(request).await.expect(200));
    assert!(
        shown.contains("媒体 1 · 第 1 次检查结束") && shown.contains("微信没能下载文件 (errcode -1008)"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_was_taken_back_and_what_followed_are_told_once_each() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = submitted(&world, &alice, "这很可疑", "theirs").await;
    let li = Visitor::enter(&world, 0, "li", "lead").await;
    let case = li.queue().await.remove(0);
    li.decide(&case, "approve").await.expect(303);
    let version = world.stored(&id).await.version;
    li.post("/undo", &[("case", &format!("{id}:{version}"))]).await.expect(303);
    world.pass(60);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    let told = told(&page(&li.get(&format!("/submissions/{id}")).await.expect(200)));
    let last: Vec<[&str; 2]> = told.iter().skip(3).map(|row| [row[0].as_str(), row[1].as_str()]).collect();
    assert_eq!(
        last,
        [
            ["pending → in review", ""],
            ["in review → approved", "li · lead"],
            ["approved → in review · decision taken back", "li"],
            ["in review → withdrawn", "Author"],
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_the_same_bytes_is_told_as_taken_over() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let first = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let second = world.submit_media(&bob, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let trace = world.stored(&first).await.parts[0].attempts[0].trace_id.clone().unwrap().to_string();
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get(&format!("/submissions/{second}")).await.expect(200));
    let rows = rows(&shown);
    assert_eq!(rows[1][1], "medium 1 · took over the verdict on the same content", "{rows:?}");
    assert!(rows[1][3].starts_with("review") && rows[1][4] == trace && !rows[1][0].is_empty(), "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_is_found_by_its_external_id() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, other) = (world.log_in("alice").await, world.log_in_to(1, "alice").await);
    let one = submitted(&world, &alice, "一", "post-1").await;
    let older = submitted(&world, &alice, "二", "post-2").await;
    let newer = submitted(&world, &alice, "违禁", "post-2").await;
    submitted(&world, &other, "三", "post-3").await;
    // What bears an id for a name is found where nothing has that id.
    let named_like_an_id = submitted(&world, &alice, "四", "aaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    for (typed, id) in
        [("post-1", &one), (" post-1 ", &one), (&one, &one), ("aaaaaaaaaaaaaaaaaaaaaaaaaa", &named_like_an_id)]
    {
        let found = li.get(&find(typed)).await.expect(303);
        assert_eq!(found.headers["location"].to_str().unwrap(), format!("/console/submissions/{id}"), "{typed}");
    }
    let several = page(&li.get(&find("post-2")).await.expect(200));
    assert_eq!(between(&several, "href=\"/console/submissions/", "\""), [newer.as_str(), &older], "newest first");
    assert!(several.contains("<td>rejected</td>") && several.contains("<td>approved</td>"), "{several}");
    // Of another app, and of nobody: the same page.
    for unknown in ["post-3", "post-4", "", " ", "post-1\0", "X#post-1", &"x".repeat(5_000)] {
        let nothing = li.get(&find(unknown)).await.expect(404);
        assert!(page(&nothing).contains("<main"), "{unknown}");
    }
    Visitor::stranger(&world).get(&find("post-1")).await.expect(401);
    // An author by theirs; another app's is nobody.
    let author = world.stored(&one).await.author.to_string();
    let found = li.get(&find(&author)).await.expect(303);
    assert_eq!(found.headers["location"].to_str().unwrap(), format!("/console/authors/{author}"));
    Visitor::enter(&world, 1, "li", "moderator").await.get(&find(&author)).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_id_may_hold_anything() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    for name in
        ["a#b&c=d?e/f", "<script>alert(1)</script>", "帖子 42 🟢", " with spaces ", "'\"%00\\", &"长".repeat(256)]
    {
        let first = submitted(&world, &alice, "好", name).await;
        let found = li.get(&find(name)).await.expect(303);
        assert_eq!(found.headers["location"].to_str().unwrap(), format!("/console/submissions/{first}"), "{name}");
        submitted(&world, &alice, "好的", name).await;
        let several = page(&li.get(&find(name)).await.expect(200));
        assert_eq!(between(&several, "href=\"/console/submissions/", "\"").len(), 2, "{name}");
        assert_eq!(several.matches("<script").count(), 1, "{several}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_not_found_twice_and_what_is_refused_is_not_found() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let body = json!({"idempotency_key": "the-same-key", "scene": "forum", "text": "好", "external_id": "once"});
    for status in [201, 200] {
        world.submit(&alice, &body).await.expect(status);
        li.get(&find("once")).await.expect(303);
    }
    let refused = json!({"scene": "forum", "text": "", "external_id": "never"});
    world.submit(&alice, &refused).await.expect(400);
    li.get(&find("never")).await.expect(404);
}
