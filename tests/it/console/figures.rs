//! The figures: each is what the record says when it is counted by hand, and leads to exactly that.

use std::collections::BTreeMap;

use greenlight::domain::clock::Timestamp;
use greenlight::domain::deed::{Act, Deed};
use greenlight::domain::moderator::Role;
use greenlight_tests::console::{Visitor, between, id_of, page};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Plan, World, app_id, server_key};
use serde_json::{Value, json};

use super::doubtful;
use crate::trouble::{minutes, recover};

type Query = BTreeMap<String, String>;

/// One in the morning in Beijing, so that the day is long.
fn begin_a_day(world: &World) {
    world.clock.set(world.now().next_beijing_midnight());
    world.pass(3600);
}

/// What stands on a page and leads to the record: the query, and the text of the link.
fn links(page: &str) -> Vec<(String, String)> {
    let links = between(page, "href=\"/console/record?", "</a>").into_iter().map(|link| {
        let (query, text) = link.split_once("\">").unwrap();
        (query.replace("&#38;", "&"), text.to_owned())
    });
    links.collect()
}

fn parsed(query: &str) -> Query {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The numbers of a page, with what each is of.
fn numbers(page: &str) -> Vec<(String, u64)> {
    links(page).into_iter().filter_map(|(query, text)| Some((query, text.parse().ok()?))).collect()
}

/// Whether a line of the exported record is one of those that a query asks for.
fn is_asked_for(query: &Query, line: &Value) -> bool {
    let text = |name: &str| line[name].as_str();
    query.iter().all(|(name, value)| {
        let value = value.as_str();
        match name.as_str() {
            "day" | "until" => true,
            "act" => text("act") == Some(value),
            "made" => text("submission").is_some() && text("from").is_none() && text("to").is_some(),
            "to" => text("to") == Some(value) && text("from") != Some(value),
            "found" if value == "in_review" => text("from") == Some("in_review"),
            "found" => text("to").is_some() && matches!(text("from"), None | Some("pending" | "in_review")),
            "who" if value == "moderators" => text("doer").is_none() && text("by").is_some(),
            "who" => text("doer") == Some(value),
            "by" => text("by") == Some(value),
            "suggest" => line["verdict"]["suggest"] == value,
            "label" if value == "none" => line["verdict"].is_object() && line["verdict"]["label"].is_null(),
            "label" => line["verdict"]["label"].as_u64() == value.parse().ok(),
            "hour" => {
                let at = Timestamp::parse_rfc3339(text("at").unwrap()).unwrap();
                at.in_beijing()[11..13].parse::<u64>().unwrap().to_string() == value
            }
            other => panic!("{other} is not known here"),
        }
    })
}

async fn exported(lead: &Visitor<'_>, day: &str) -> Vec<Value> {
    let file = lead.post("/record/exports", &[("day", day), ("file", "1"), ("format", "jsonl")]).await.expect(200);
    page(&file).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A text by somebody who is there; its id.
async fn submitted(world: &World, name: &str, text: &str) -> String {
    let author = world.log_in(name).await;
    world.submit_text(&author, text).await.expect(201).text("id")
}

async fn decide_as(world: &World, id: &str, decision: &str, moderator: &str) {
    let version = world.stored(id).await.version;
    let body = json!({"decision": decision, "reason": "seen", "moderator": moderator, "version": version});
    world.post(&format!("/v1/submissions/{id}/decisions"), &server_key(0), &body).await.expect(200);
}

/// A text as it was shown, in milliseconds: `2.3 s`.
fn shown_ms(text: &str) -> f64 {
    let (number, unit) = text.split_once(' ').unwrap();
    let unit = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "min" => 60e3,
        "h" => 3600e3,
        other => panic!("{other}"),
    };
    number.parse::<f64>().unwrap() * unit
}

/// A day with something of each kind; the stream has been read.
async fn mixed_day(world: &World) {
    let functions = world.restarted().await;
    let mut stream = world.table_stream();
    begin_a_day(world);
    let waiting = doubtful(world, 8).await;
    for (name, text) in [("ann", "今天天气真好"), ("bob", "你好"), ("cat", "一件违禁品")] {
        submitted(world, name, text).await;
        world.pass(1);
    }
    world.pass(3600);
    let public = submitted(world, "dan", "晚上好").await;
    let wang = Visitor::enter(world, 0, "wang", "moderator").await;
    let hand = wang.queue().await;
    assert_eq!(hand.iter().map(|case| id_of(case)).collect::<Vec<_>>(), waiting);
    wang.decide(&hand[0], "approve").await.expect(303);
    world.pass(600);
    wang.decide(&hand[1], "reject").await.expect(303);
    let version = world.stored(&waiting[1]).await.version;
    wang.post("/undo", &[("case", &format!("{}:{version}", waiting[1]))]).await.expect(303);
    wang.post("/escalations", &[("case", &hand[2])]).await.expect(303);
    let author = world.log_in("author3").await;
    world.delete(&format!("/v1/submissions/{}", waiting[3]), &author).await.expect(204);
    world.delete(&format!("/v1/submissions/{}", waiting[4]), &server_key(0)).await.expect(204);
    for (id, decision, moderator) in
        [(&waiting[5], "reject", "zhao"), (&waiting[6], "approve", "zhao"), (&public, "reject", "li")]
    {
        decide_as(world, id, decision, moderator).await;
    }
    world.behave(json!({"drop_pushes": "all"}));
    let eve = world.log_in("eve").await;
    let lost = world.submit_media(&eve, &[picture(GREEN, 1)]).await;
    minutes(world, 4 * 35).await;
    assert_eq!(world.state(&lost).await, "in_review");
    recover(world);
    stream.turn(&functions.publish_decisions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_add_up_to_the_record_and_each_leads_to_what_it_counts() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    mixed_day(&world).await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let day = world.now().beijing_day();
    let shown = page(&lead.get(&format!("/figures?day={day}")).await.expect(200));
    let numbers = numbers(&shown);
    assert!(numbers.len() > 60, "{shown}");
    let mut rows = BTreeMap::new();
    for (query, number) in &numbers {
        if !rows.contains_key(query) {
            let listed = page(&lead.get(&format!("/record?{query}")).await.expect(200));
            rows.insert(query.clone(), listed.matches("<tr><td>").count() as u64);
        }
        assert_eq!(rows[query], *number, "the page behind {query}");
    }
    let record = exported(&lead, &day).await;
    for (query, number) in &numbers {
        let asked = parsed(query);
        assert_eq!(asked["day"], day);
        let counted = record.iter().filter(|line| is_asked_for(&asked, line)).count() as u64;
        assert_eq!(counted, *number, "{query}");
    }
    // They are what has happened, and parts add up to the whole.
    let number = |wanted: &str| {
        let wanted = parsed(&format!("day={day}{wanted}"));
        numbers.iter().find(|(query, _)| parsed(query) == wanted).unwrap_or_else(|| panic!("{wanted:?}: {shown}")).1
    };
    for (query, expected) in [
        ("", record.len() as u64),
        ("&made=yes", 13),
        ("&made=yes&hour=1", 11),
        ("&made=yes&hour=2", 2),
        ("&made=yes&hour=0", 0),
        ("&to=approved", 5),
        ("&to=withdrawn", 2),
        ("&suggest=risky&label=20006", 1),
        ("&suggest=review&label=20002", 8),
        ("&suggest=pass&label=100", 3),
        ("&act=decided", 9),
        ("&act=decided&who=wechat", 4),
        ("&act=decided&who=moderators", 5),
        ("&act=decided&by=wang", 2),
        ("&act=decided&by=zhao", 2),
        ("&act=decided&by=li", 1),
        ("&act=left_to_people&who=wechat", 8),
        ("&act=left_to_people&who=clock", 1),
        ("&act=withdrew&who=author", 1),
        ("&act=withdrew&who=owner", 1),
        ("&act=reopened", 1),
        ("&act=escalated", 1),
        ("&to=in_review", 10),
        ("&act=decided&found=in_review&who=moderators", 4),
        ("&found=undecided&to=approved", 5),
        ("&act=decided&found=undecided", 8),
    ] {
        assert_eq!(number(query), expected, "{query}: {record:#?}");
    }
    let sum = |name: &str| {
        let of_one =
            numbers.iter().filter(|(query, _)| parsed(query).keys().eq(["act", "day"]) && query.contains(name));
        of_one.map(|(query, number)| (query, *number)).collect::<BTreeMap<_, _>>().values().sum::<u64>()
    };
    assert_eq!(sum("act="), record.len() as u64);
    // Times are within a tenth of the exact ones.
    for (name, query, field) in [
        ("until it was public", "found=undecided&to=approved", "age_ms"),
        ("until it was decided", "act=decided&found=undecided", "age_ms"),
        ("in the queue, until people decided", "act=decided&found=in_review&who=moderators", "waited_ms"),
    ] {
        let (row, asked) = (between(&shown, &format!("<th scope=\"row\">{name}</th>"), "</tr>")[0], parsed(query));
        let mut exact: Vec<u64> =
            record.iter().filter(|line| is_asked_for(&asked, line)).map(|line| line[field].as_u64().unwrap()).collect();
        exact.sort_unstable();
        for (percent, (_, told)) in [50, 90].into_iter().zip(&links(row)[1..]) {
            let exact = exact[(exact.len() * percent).div_ceil(100) - 1] as f64;
            assert!((shown_ms(told) - exact).abs() <= exact / 10.0, "{name}: p{percent} {told}, exactly {exact}");
        }
    }
    // What waits now: of nine that came, two were decided, two withdrawn; and one is back.
    let waits = between(&shown, "Waiting now: <a href=\"/console/queue\">", "</a>")[0];
    assert_eq!(waits, lead.world.listed("/v1/reviews", &server_key(0)).await.len().to_string());
    // Another app's record has none of it.
    let other = Visitor::enter(&world, 1, "li", "lead").await;
    let others = page(&other.get(&format!("/figures?day={day}")).await.expect(200));
    for (query, number) in self::numbers(&others) {
        let is_let_in = query == format!("day={day}") || query.ends_with("&act=let_in");
        assert_eq!(number, u64::from(is_let_in), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_deed_of_a_day_is_taken_up_once_at_its_edges_and_over_many_pages_too() {
    let world = World::start().await;
    let midnight = world.now().next_beijing_midnight();
    let put = async |ms: i64, about: String| {
        let deed =
            Deed { about: Some(about), ..Deed::new(Timestamp(midnight.0 + ms), Act::LetIn, Some(("li", Role::Lead))) };
        world.table().record_turn(&app_id(0), &deed).await.unwrap();
    };
    let hour = 3600 * 1000;
    let mut expected = Vec::new();
    for ms in [0, 1, hour - 1, hour, 12 * hour, 23 * hour, 24 * hour - 1] {
        expected.push(ms.to_string());
        put(ms, ms.to_string()).await;
    }
    for ms in [-1, 24 * hour] {
        put(ms, "of another day".to_owned()).await;
    }
    // Two megabytes in one hour: three pages.
    for number in 0..100 {
        let about = format!("{number}{}", "x".repeat(20_000));
        expected.push(about.clone());
        put(5 * hour + number, about).await;
    }
    let mut taken_up = Vec::new();
    let take_up = |deed: &Deed| taken_up.push(deed.about.clone().unwrap());
    world.table().each_deed(&app_id(0), &midnight.beijing_day(), take_up).await.unwrap();
    taken_up.sort_unstable();
    expected.sort_unstable();
    assert_eq!(taken_up.len(), expected.len());
    assert!(taken_up == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_is_the_sum_of_its_days() {
    let world = World::start().await;
    let functions = world.restarted().await;
    let mut stream = world.table_stream();
    let mut days = Vec::new();
    for number in 0..3 {
        begin_a_day(&world);
        for name in ["ann", "bob", "cat"].iter().take(3 - number) {
            submitted(&world, name, &format!("你好 {number}")).await;
        }
        let id = submitted(&world, "dan", &format!("这很可疑 {number}")).await;
        world.pass(60);
        decide_as(&world, &id, "approve", ["li", "wang", "li"][number]).await;
        stream.turn(&functions.publish_decisions).await;
        days.push(world.now().beijing_day());
    }
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let week = page(&lead.get(&format!("/figures?day={}&span=week", days[2])).await.expect(200));
    let mut sums: BTreeMap<Query, u64> = BTreeMap::new();
    let of_week: Vec<String> = {
        let parts = between(&week, "<th scope=\"row\" class=\"said\">2", "<");
        parts.iter().map(|day| format!("2{day}")).collect()
    };
    assert_eq!((of_week.len(), &of_week[4..]), (7, days.as_slice()));
    for day in &of_week {
        let shown = page(&lead.get(&format!("/figures?day={day}")).await.expect(200));
        let of_day: BTreeMap<String, u64> = numbers(&shown).into_iter().collect();
        for (query, number) in of_day {
            let mut asked = parsed(&query);
            asked.remove("day");
            *sums.entry(asked).or_default() += number;
        }
    }
    let mut compared = 0;
    for (query, number) in numbers(&week) {
        let mut asked = parsed(&query);
        let first = asked.remove("day").unwrap();
        let Some(last) = asked.remove("until") else { continue };
        assert_eq!((&first, &last), (&of_week[0], &of_week[6]));
        assert_eq!(sums.get(&asked), Some(&number), "{query}");
        compared += 1;
    }
    assert!(compared > 35, "{compared}");
    let each: Vec<u64> =
        between(&week, "<th scope=\"row\" class=\"said\">2", "</tr>").iter().map(|row| numbers(row)[0].1).collect();
    assert_eq!(each, [0, 0, 0, 0, 4, 3, 2]);
    assert!(week.contains(&format!("/console/figures?day={}&amp;span=week", day_before(&of_week[0]))), "{week}");
}

/// The day before one.
fn day_before(day: &str) -> String {
    let noon = Timestamp::parse_rfc3339(&format!("{day}T12:00:00+08:00")).unwrap();
    noon.minus(std::time::Duration::from_secs(24 * 3600)).beijing_day()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_text_and_lead_to_their_own_deeds() {
    let world = World::start().await;
    let ids = doubtful(&world, 3).await;
    let names = ["<script>alert(1)</script>", "\"><b>&day=2020-01-01#", "王 & li"];
    for (id, name) in ids.iter().zip(names) {
        decide_as(&world, id, "approve", name).await;
    }
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let shown = page(&lead.get("/figures").await.expect(200));
    assert!(!shown.contains("<script>") && !shown.contains("<b>"), "{shown}");
    for name in names {
        let (query, number) = numbers(&shown)
            .into_iter()
            .find(|(query, _)| parsed(query).get("by").is_some_and(|by| by == name))
            .unwrap();
        assert_eq!(number, 1);
        assert_eq!(page(&lead.get(&format!("/record?{query}")).await.expect(200)).matches("<tr><td>").count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_for_leads_and_of_days_that_there_are() {
    let world = World::start().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let moderator = Visitor::enter(&world, 0, "wang", "moderator").await;
    moderator.get("/figures").await.expect(403);
    Visitor::stranger(&world).get("/figures").await.expect(401);
    assert!(!page(&moderator.get("").await).contains("/console/figures"));
    assert!(page(&lead.get("").await).contains("<a href=\"/console/figures\">Figures</a>"));
    for wrong in ["day=x", "day=2026-13-01", "day=2026-1-1", "day=2026-11-29T00:00:00Z", "span=year", "day=x&span=week"]
    {
        lead.get(&format!("/figures?{wrong}")).await.expect(400);
    }
    let empty = page(&lead.get("/figures?day=2020-01-01&span=week").await.expect(200));
    assert!(numbers(&empty).iter().all(|(_, number)| *number == 0));
    assert!(empty.contains("2019-12-26 – 2020-01-01"), "{empty}");
    // There is no day before the first that can be written, and none after the last.
    for edge in ["0000-01-01", "9999-12-31"] {
        let shown = page(&lead.get(&format!("/figures?day={edge}")).await.expect(200));
        assert_eq!(shown.matches("/console/figures?day=").count(), 1, "{shown}");
    }
}
