//! Lists: an author's own, a channel's feed and the review queue, page by page.

use std::collections::BTreeSet;

use greenlight_tests::world::{Answer, Plan, World, server_key};
use serde_json::{Value, json};

use crate::logged::Logged;
use crate::requests::problem;

/// All pages of a list, each of at most `limit`.
async fn pages(world: &World, path: &str, key: &str, limit: usize) -> Vec<Vec<String>> {
    let joint = if path.contains('?') { '&' } else { '?' };
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(&format!("{path}{joint}limit={limit}{cursor}"), key).await.expect(200);
        pages.push(page.ids());
        match page.json()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

fn no_doubles(pages: &[Vec<String>]) -> Vec<String> {
    let all: Vec<String> = pages.concat();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "nothing stands twice");
    all
}

/// Submits texts as Alice by server key, which no rate stops; a second passes after each third. Returns the ids.
async fn submit_many(world: &World, count: usize, body: &Value) -> Vec<String> {
    world.log_in("alice").await;
    let mut made = Vec::new();
    let mut body = body.clone();
    body["openid"] = json!(World::openid(0, "alice"));
    for number in 0..count {
        made.push(world.submit(&server_key(0), &body).await.expect(201).text("id"));
        // Some share their moment with others: then the id decides the order, on every page alike.
        if number % 3 == 0 {
            world.pass(1);
        }
    }
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authors_own_come_newest_first_without_gaps_or_doubles() {
    let world = World::start().await;
    let made = submit_many(&world, 45, &json!({"scene": 1, "text": "好"})).await;
    let alice = world.log_in("alice").await;
    for limit in [7, 20, 44, 45, 46] {
        let pages = pages(&world, "/v1/submissions", &alice, limit).await;
        let listed = no_doubles(&pages);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>(), made.iter().collect());
        assert!(pages.iter().rev().skip(1).all(|page| page.len() == limit), "{limit}");
        let moments = async |id: &String| world.stored(id).await.created_at;
        for pair in listed.windows(2) {
            assert!(moments(&pair[0]).await >= moments(&pair[1]).await);
        }
    }
    assert_eq!(world.listed("/v1/submissions", &alice).await.len(), 20, "20 unless something else is asked for");
    // The owner sees the same list.
    let path = format!("/v1/submissions?openid={}", World::openid(0, "alice"));
    assert_eq!(no_doubles(&pages(&world, &path, &server_key(0), 30).await).len(), 45);
    // Nobody else does.
    let bob = world.log_in("bob").await;
    assert_eq!(world.listed("/v1/submissions", &bob).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_submitted_a_moment_ago_is_listed_though_the_index_is_behind() {
    let world = World::start().await;
    let body = json!({"scene": 1, "text": "好", "channel": "square"});
    let old = submit_many(&world, 25, &body).await;
    world.proxy.answer_index_queries_from_the_past(true).await;
    world.pass(1);
    let new = submit_many(&world, 10, &body).await;
    let alice = world.log_in("alice").await;
    for path in ["/v1/submissions", "/v1/channels/square/submissions"] {
        for limit in [4, 20] {
            let listed = no_doubles(&pages(&world, path, &alice, limit).await);
            let (head, tail) = listed.split_at(10);
            assert_eq!(head.iter().collect::<BTreeSet<_>>(), new.iter().collect(), "{path} by {limit}");
            assert_eq!(tail.iter().collect::<BTreeSet<_>>(), old.iter().collect(), "{path} by {limit}");
        }
    }
    // What is withdrawn is gone at once all the same.
    world.delete(&format!("/v1/submissions/{}", old[3]), &alice).await.expect(204);
    for path in ["/v1/submissions", "/v1/channels/square/submissions"] {
        assert!(!pages(&world, path, &alice, 100).await.concat().contains(&old[3]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_shows_what_is_approved_newest_first_to_everyone() {
    let world = World::start().await;
    let made = submit_many(&world, 45, &json!({"scene": 1, "text": "好", "channel": "square"})).await;
    let alice = world.log_in("alice").await;
    world.submit(&alice, &json!({"scene": 1, "text": "好", "channel": "market"})).await.expect(201);
    world.submit(&alice, &json!({"scene": 1, "text": "好"})).await.expect(201);
    world.submit(&alice, &json!({"scene": 1, "text": "forbidden", "channel": "square"})).await.expect(201);
    let path = "/v1/channels/square/submissions";
    let bob = world.log_in("bob").await;
    for key in ["", &bob, &alice, &server_key(0)] {
        for limit in [10, 45] {
            let listed = no_doubles(&pages(&world, path, key, limit).await);
            assert_eq!(listed.iter().collect::<BTreeSet<_>>(), made.iter().collect());
        }
    }
    assert_eq!(pages(&world, "/v1/channels/market/submissions", "", 10).await.concat().len(), 1);
    assert_eq!(
        world.get("/v1/channels/empty/submissions", "").await.expect(200).json(),
        json!({
            "submissions": [], "next_cursor": null
        })
    );
    problem(world.get("/v1/channels/No!/submissions", "").await, 404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feeds_first_page_begins_with_the_callers_own_that_wait() {
    let world = World::start().await;
    submit_many(&world, 12, &json!({"scene": 1, "text": "好", "channel": "square"})).await;
    let bob = world.log_in("bob").await;
    let doubtful = world.submit(&bob, &json!({"scene": 1, "text": "可疑", "channel": "square"})).await.expect(201);
    world.pass(1);
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": -1}}]}));
    let pending = world.submit(&bob, &json!({"scene": 1, "text": "好", "channel": "square"})).await.expect(201);
    let other = world.submit(&bob, &json!({"scene": 1, "text": "好", "channel": "market"})).await.expect(201);
    assert_eq!((doubtful.text("state"), pending.text("state")), ("in_review".into(), "pending".into()));

    let path = "/v1/channels/square/submissions";
    let pages_of_bob = pages(&world, path, &bob, 5).await;
    let own = [pending.text("id"), doubtful.text("id")];
    assert_eq!(pages_of_bob[0][..2], own, "newest first, before what is public");
    assert_eq!(no_doubles(&pages_of_bob).len(), 14);
    assert!(!pages_of_bob.concat().contains(&other.text("id")));
    let first = world.get(path, &bob).await.expect(200).json();
    assert_eq!((&first["submissions"][0]["mine"], &first["submissions"][2]["mine"]), (&json!(true), &json!(false)));
    let carol = world.log_in("carol").await;
    for stranger in ["", &carol, &server_key(0)] {
        assert_eq!(pages(&world, path, stranger, 5).await.concat().len(), 12);
    }
    // The owner may look as somebody.
    let as_bob = format!("{path}?openid={}", World::openid(0, "bob"));
    assert_eq!(pages(&world, &as_bob, &server_key(0), 5).await[0][..2], own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_names_the_app_where_there_are_several() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let alice = world.log_in_to(1, "alice").await;
    let id = world.submit(&alice, &json!({"scene": 1, "text": "好", "channel": "square"})).await.expect(201).text("id");
    let path = "/v1/channels/square/submissions";
    assert_eq!(problem(world.get(path, "").await, 400, "invalid_list").faults(), ["app_id"]);
    assert_eq!(world.listed(&format!("{path}?app_id=wx1"), "").await, [id.as_str()]);
    assert_eq!(world.listed(&format!("{path}?app_id=wx0"), "").await, [""; 0]);
    problem(world.get(&format!("{path}?app_id=wx9"), "").await, 404, "not_found");
    assert_eq!(world.listed(path, &alice).await, [id.as_str()]);
    assert_eq!(world.listed(path, &server_key(0)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn reviews_come_oldest_first_with_reasons() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let made = submit_many(&world, 23, &json!({"scene": 1, "text": "可疑"})).await;
    for limit in [5, 23, 50] {
        let listed = no_doubles(&pages(&world, "/v1/reviews", &server_key(0), limit).await);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>(), made.iter().collect());
        for pair in listed.windows(2) {
            assert!(world.stored(&pair[0]).await.since <= world.stored(&pair[1]).await.since);
        }
    }
    let first = world.get("/v1/reviews?limit=1", &server_key(0)).await.expect(200).json();
    let one = &first["submissions"][0];
    assert_eq!(one["reasons"], json!([{"part": "text", "label": 20002, "label_name": "pornography"}]));
    assert_eq!(one["openid"], json!(World::openid(0, "alice")));
    assert_eq!(world.listed("/v1/reviews", &server_key(1)).await, [""; 0]);
    // What is decided between two pages is neither shown again nor does it hide another.
    let page = world.get("/v1/reviews?limit=10", &server_key(0)).await.expect(200);
    for one in page.json()["submissions"].as_array().unwrap() {
        let (id, version) = (one["id"].as_str().unwrap(), one["version"].as_u64().unwrap());
        world.decide_on(id, "reject", version).await.expect(200);
    }
    let rest = format!("/v1/reviews?limit=100&cursor={}", page.text("next_cursor"));
    assert_eq!(world.listed(&rest, &server_key(0)).await.len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_is_good_for_its_own_list_and_asker_and_for_a_day() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    for (text, count) in [("好", 3), ("可疑", 3)] {
        submit_many(&world, count, &json!({"scene": 1, "text": text, "channel": "square"})).await;
    }
    let (alice, bob, owner) = (world.log_in("alice").await, world.log_in("bob").await, server_key(0));
    let lists = ["/v1/submissions", "/v1/channels/square/submissions", "/v1/reviews"];
    let keys = [&alice, &alice, &owner];
    let mut cursors = Vec::new();
    for (list, key) in lists.iter().zip(keys) {
        let page = world.get(&format!("{list}?limit=1"), key).await.expect(200);
        cursors.push(page.text("next_cursor"));
    }
    let ask = async |list: &str, key: &str, cursor: &str| -> Answer {
        world.get(&format!("{list}?limit=1&cursor={cursor}"), key).await
    };
    for (wanted, list) in lists.iter().enumerate() {
        for (given, cursor) in cursors.iter().enumerate() {
            let answer = ask(list, keys[wanted], cursor).await;
            if wanted == given {
                answer.expect(200);
            } else {
                assert_eq!(problem(answer, 400, "invalid_list").faults(), ["cursor"]);
            }
        }
        for garbage in ["x", "", "a.b.c", "%00", "%ff", &cursors[wanted][1..], &alice] {
            assert_eq!(problem(ask(list, keys[wanted], garbage).await, 400, "invalid_list").faults(), ["cursor"]);
        }
    }
    let other_channel = "/v1/channels/market/submissions";
    for (list, key, cursor) in [
        (lists[0], &bob, &cursors[0]),
        (lists[1], &bob, &cursors[1]),
        (lists[1], &owner, &cursors[1]),
        (other_channel, &alice, &cursors[1]),
        (lists[2], &server_key(1), &cursors[2]),
    ] {
        assert_eq!(problem(ask(list, key, cursor).await, 400, "invalid_list").faults(), ["cursor"], "{list}");
    }
    // The same asker in a new session is the same asker; a day later the list has changed too much.
    let again = world.log_in("alice").await;
    ask(lists[0], &again, &cursors[0]).await.expect(200);
    world.pass(24 * 3600);
    let again = world.log_in("alice").await;
    assert_eq!(problem(ask(lists[0], &again, &cursors[0]).await, 400, "invalid_list").faults(), ["cursor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_1_to_100_entries_and_unknown_parameters_are_named() {
    let world = World::start().await;
    let (alice, owner) = (world.log_in("alice").await, server_key(0));
    for (list, key) in
        [("/v1/submissions", &alice), ("/v1/channels/square/submissions", &alice), ("/v1/reviews", &owner)]
    {
        for good in ["1", "100", "007"] {
            world.get(&format!("{list}?limit={good}"), key).await.expect(200);
        }
        for bad in ["0", "101", "-1", "", "1.0", "ten", "99999999999999999999", "%00"] {
            let answer = world.get(&format!("{list}?limit={bad}"), key).await;
            assert_eq!(problem(answer, 400, "invalid_list").faults(), ["limit"], "{bad}");
        }
        let answer = world.get(&format!("{list}?limt=5&limit=0&offset=3"), key).await;
        assert_eq!(problem(answer, 400, "invalid_list").faults(), ["limt", "offset", "limit"]);
    }
}

#[tokio::test]
async fn a_page_ends_before_lambda_would_refuse_it() {
    let world = World::start().await;
    let (owner, openid) = (server_key(0), World::openid(0, "alice"));
    let alice = world.log_in("alice").await;
    // Written as JSON each of these takes six bytes, and one more where Lambda writes that as JSON.
    let text = format!("{}字", "\u{1}".repeat(19_990));
    let mut submitted = Vec::new();
    for _ in 0..45 {
        let body = json!({"scene": 1, "text": text, "channel": "square", "openid": openid});
        submitted.push(world.submit(&owner, &body).await.expect(201).text("id"));
        world.pass(1);
    }
    submitted.reverse();
    for (path, key) in [("/v1/submissions?limit=100", &alice), ("/v1/channels/square/submissions?limit=100", &alice)] {
        let (mut listed, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("{path}{cursor}"), key).await.expect(200);
            let in_lambda = serde_json::to_string(&String::from_utf8(page.bytes.to_vec()).unwrap()).unwrap().len();
            assert!(in_lambda < 5_600_000, "{in_lambda}");
            listed.extend(page.ids());
            let Some(next) = page.json()["next_cursor"].as_str().map(str::to_owned) else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(listed, submitted, "{path}");
        assert!(!cursor.is_empty(), "one page was enough");
    }
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_left_out_of_lists_with_an_alarm() {
    let logged = Logged::start();
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut ids = Vec::new();
    for text in ["一", "二", "三"] {
        let body = json!({"scene": 1, "text": text, "channel": "square"});
        ids.push(world.submit(&alice, &body).await.expect(201).text("id"));
        world.pass(1);
    }
    let text = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
    let broken = world.dynamodb().update_item().table_name(greenlight_local::stack::TABLE);
    let broken = broken.key("pk", text(&format!("S#{}", ids[1]))).key("sk", text("S"));
    let broken = broken.update_expression("SET doc = :doc").expression_attribute_values(":doc", text("{}"));
    broken.send().await.unwrap();
    for path in ["/v1/submissions", "/v1/channels/square/submissions"] {
        assert_eq!(world.listed(path, &alice).await, [ids[2].clone(), ids[0].clone()], "{path}");
    }
    assert!(!logged.lines_with("table_item").is_empty());
    world.get(&format!("/v1/submissions/{}", ids[1]), &alice).await.expect(500);
}
