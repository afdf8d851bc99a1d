//! The record: each deed of a person's stands in it once, with nothing in it that is not to be there, and nobody changes it.

use greenlight_tests::console::{Visitor, page};
use greenlight_tests::grants::grants;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{World, server_key};
use serde_json::{Value, json};

use super::doubtful;

async fn deeds(world: &World, lead: &Visitor<'_>) -> Vec<Value> {
    let day = world.now().beijing_day();
    let file = lead.post("/record/exports", &[("day", &day), ("file", "1"), ("format", "jsonl")]).await.expect(200);
    assert!(file.headers["content-disposition"].to_str().unwrap().starts_with("attachment; filename=\"record-2"));
    page(&file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deed_of_a_persons_stands_in_the_record_once() {
    let world = World::start().await;
    let ids = doubtful(&world, 4).await;
    let author = world.stored(&ids[0]).await.author.to_string();
    let (lead, wang) =
        (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "王 =1+1", "moderator").await);
    world.pass(60);
    let hand = wang.queue().await;
    wang.decide(&hand[0], "reject").await.expect(303);
    let version = world.stored(&ids[0]).await.version.to_string();
    wang.post("/undo", &[("case", &format!("{}:{version}", ids[0]))]).await.expect(303);
    wang.post("/escalations", &[("case", &hand[1])]).await.expect(303);
    // What is refused is no deed.
    wang.decide(&hand[1], "approve").await.expect(403);
    wang.post("/bans", &[("author", &author), ("days", "3"), ("reason", "秘密理由")]).await.expect(303);
    world.decide(&ids[2], "approve").await.expect(200);
    lead.post("/lifts", &[("case", &hand[3])]).await.expect(303);
    lead.post("/people/revocations", &[("moderator", "zhao")]).await.expect(200);
    lead.post("/reasons", &[("minutes", "60"), ("reasons", "a | 字 | a")]).await.expect(200);
    let openid = World::openid(0, "author0");
    let found = lead.post("/openids", &[("openid", &openid)]).await.expect(303);
    assert_eq!(found.headers["location"].to_str().unwrap(), format!("/console/authors/{author}"));
    lead.post("/openids", &[("openid", "no openid")]).await.expect(404);

    let all = deeds(&world, &lead).await;
    let acts: Vec<&str> = all.iter().map(|deed| deed["act"].as_str().unwrap()).collect();
    let expected = [
        "let_in",
        "let_in",
        "decided",
        "reopened",
        "escalated",
        "banned",
        "decided",
        "lifted",
        "locked_out",
        "set_rules",
        "searched_openid",
    ];
    let mut sorted = (acts.clone(), expected.to_vec());
    sorted.0.sort_unstable();
    sorted.1.sort_unstable();
    assert_eq!(sorted.0, sorted.1, "{all:?}");
    let decided = all.iter().find(|deed| deed["submission"] == ids[0].as_str() && deed["act"] == "decided").unwrap();
    let since = world.stored(&ids[0]).await.since;
    let at = decided["at"].as_str().unwrap();
    let age = world.stored(&ids[0]).await.created_at;
    let age = greenlight::domain::clock::Timestamp::parse_rfc3339(at).unwrap().since(age).as_millis();
    let waited = greenlight::domain::clock::Timestamp::parse_rfc3339(at).unwrap().since(since).as_millis();
    assert_eq!(
        decided,
        &json!({
            "at": at, "act": "decided", "by": "王 =1+1", "role": "moderator", "submission": ids[0], "version": 2,
            "author": author, "from": "in_review", "to": "rejected", "reason_code": "spam", "causes": ["doubtful"],
            "waited_ms": u64::try_from(waited).unwrap(), "age_ms": u64::try_from(age).unwrap(),
        })
    );
    let by_owner = all.iter().find(|deed| deed["submission"] == ids[2].as_str()).unwrap();
    assert_eq!((&by_owner["by"], by_owner.get("role")), (&json!("li"), None), "by the name that the backend gave");
    // Taking it away stands in it as well, and none of what is personal or free text does.
    let again = deeds(&world, &lead).await;
    assert_eq!(again.len(), all.len() + 1);
    assert_eq!(again.iter().filter(|deed| deed["act"] == "exported").count(), 1);
    let text = serde_json::to_string(&again).unwrap();
    assert!(!text.contains(&openid) && !text.contains("秘密理由") && !text.contains("可疑"), "{text}");
    // A spreadsheet runs nothing of it.
    let day = world.now().beijing_day();
    let file = lead.post("/record/exports", &[("day", &day), ("file", "1"), ("format", "csv")]).await.expect(200);
    let file = page(&file);
    assert!(file.starts_with("\u{feff}at,act,by,doer,role,"), "{file}");
    assert_eq!(file.lines().count(), again.len() + 2);
    // There is no second file of a day that fits into one, and that is no export.
    lead.post("/record/exports", &[("day", &day), ("file", "2")]).await.expect(404);
    for wrong in ["0", "101", "x", ""] {
        lead.post("/record/exports", &[("day", &day), ("file", wrong)]).await.expect(400);
    }
    // And it is read on a page.
    let shown = page(&lead.get("/record").await.expect(200));
    assert!(shown.contains("left to a lead") && shown.contains(&format!("/console/submissions/{}", ids[0])), "{shown}");
    for wrong in ["x", "2026-13-01", "2026-1-1", "2026-11-29T00:00:00Z"] {
        lead.get(&format!("/record?day={wrong}")).await.expect(400);
        lead.post("/record/exports", &[("day", wrong), ("file", "1")]).await.expect(400);
    }
    assert!(page(&lead.get("/record?day=2020-01-01").await.expect(200)).contains("<p>None</p>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_moderator_did_comes_into_the_record_by_the_stream_once_however_often_it_is_delivered() {
    let world = World::start().await;
    let (lead, alice) = (Visitor::enter(&world, 0, "li", "lead").await, world.log_in("alice").await);
    let (mut stream, publish) = (world.table_stream(), &world.functions.publish_decisions);
    let text = |text: &str| json!({"scene": "forum", "text": text});
    let made = async |text: Value| world.submit(&alice, &text).await.expect(201).text("id");
    let (passed, refused, doubtful) =
        (made(text("今天天气真好")).await, made(text("出售违禁品")).await, made(text("这很可疑")).await);
    world.behave(json!({"hold_pushes": true}));
    let picture_of = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    // WeChat says nothing for as long as it is asked: the clock leaves it to people.
    for _ in 0..8 {
        world.pass(36 * 60);
        world.sweep().await;
        world.simulator.idle().await;
    }
    assert_eq!(world.state(&picture_of).await, "in_review");
    world.decide(&doubtful, "approve").await.expect(200);
    let alice = world.log_in("alice").await;
    world.delete(&format!("/v1/submissions/{passed}"), &alice).await.expect(204);
    world.delete(&format!("/v1/submissions/{refused}"), &server_key(0)).await.expect(204);
    let changes = stream.next().await.unwrap();
    for _ in 0..2 {
        assert_eq!(publish.run(changes.clone()).await.changes, []);
    }
    let days = (world.table(), world.now());
    let mut all = Vec::new();
    for day in [days.1.minus(std::time::Duration::from_secs(24 * 3600)).beijing_day(), days.1.beijing_day()] {
        let asked = (1_000, &greenlight::domain::deed_filter::DeedFilter::default());
        all.extend(days.0.deeds_of(&greenlight_tests::world::app_id(0), &day, None, asked).await.unwrap().0);
    }
    let told = |id: &str| {
        let of = all.iter().filter(|deed| deed.submission.as_ref().is_some_and(|own| own.as_str() == id));
        let line = |deed: &greenlight::domain::deed::Deed| {
            let doer = deed.doer.map_or_else(|| deed.by.clone().unwrap(), |doer| doer.as_str().to_owned());
            let state = |state: &Option<String>| state.clone().unwrap_or("-".to_owned());
            let verdict = deed.verdict.map(|verdict| verdict.suggest.as_str()).unwrap_or_default();
            format!("{} {doer} {} {} {verdict}", deed.act.as_str(), state(&deed.from), state(&deed.to))
        };
        of.map(line).collect::<Vec<_>>()
    };
    assert_eq!(told(&passed), ["decided wechat - approved pass", "withdrew author approved withdrawn "]);
    assert_eq!(told(&refused), ["decided wechat - rejected risky", "withdrew owner rejected withdrawn "]);
    assert_eq!(told(&doubtful), ["left_to_people wechat - in_review review", "decided li in_review approved "]);
    assert_eq!(told(&picture_of), ["submitted author - pending ", "left_to_people clock pending in_review "]);
    let clocks = all.iter().find(|deed| deed.act.as_str() == "left_to_people" && deed.from.is_some()).unwrap();
    assert_eq!(clocks.causes, ["given_up"]);
    assert!(clocks.age_ms.unwrap() > 35 * 60 * 1000);
    // The page shows them, by state and by whom.
    let (first, last) = (days.1.minus(std::time::Duration::from_secs(24 * 3600)).beijing_day(), days.1.beijing_day());
    for (filter, expected) in [
        ("", vec![&passed, &refused, &doubtful, &picture_of]),
        ("&to=rejected", vec![&refused]),
        ("&to=in_review", vec![&doubtful, &picture_of]),
        ("&who=clock", vec![&picture_of]),
        ("&to=in_review&who=wechat", vec![&doubtful]),
        ("&who=moderators&to=approved", vec![&doubtful]),
    ] {
        let shown = page(&lead.get(&format!("/record?day={first}&until={last}{filter}")).await.expect(200));
        for id in [&passed, &refused, &doubtful, &picture_of] {
            assert_eq!(shown.contains(&format!("/console/submissions/{id}")), expected.contains(&id), "{filter} {id}");
        }
    }
    lead.get("/record?to=public").await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_day_is_turned_page_by_page() {
    let world = World::start().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    for number in 0..150 {
        let body = json!({"moderator": format!("moderator {number}"), "role": "moderator"});
        world.post("/v1/moderators/links", &server_key(0), &body).await.expect(201);
    }
    let day = world.now().beijing_day();
    let first = page(&lead.get(&format!("/record?day={day}")).await.expect(200));
    assert_eq!(first.matches("<tr><td>").count(), 100);
    let next = greenlight_tests::console::between(&first, "href=\"/console/record?", "\"")[0].replace("&#38;", "&");
    let second = page(&lead.get(&format!("/record?{next}")).await.expect(200));
    assert_eq!(second.matches("<tr><td>").count(), 51);
    assert!(!second.contains("/console/record?day"));
    // And on into the next day.
    world.pass(24 * 3600);
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let last = world.now().beijing_day();
    let mut rows = Vec::new();
    let mut address = Some(format!("day={day}&until={last}"));
    while let Some(query) = address {
        let shown = page(&lead.get(&format!("/record?{query}")).await.expect(200));
        rows.push(shown.matches("<tr><td>").count());
        let next = greenlight_tests::console::between(&shown, "href=\"/console/record?day", "\"");
        address = next.first().map(|next| format!("day{}", next.replace("&#38;", "&")));
    }
    assert_eq!(rows, [100, 52]);
}

#[test]
fn nothing_of_ours_may_change_the_record() {
    let of_the_record = grants().iter().filter(|grant| {
        grant.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.starts_with("L#"))) && grant.resource == "table"
    });
    for grant in of_the_record {
        assert!(["dynamodb:PutItem", "dynamodb:Query"].contains(&grant.action.as_str()), "{grant:?}");
    }
}
