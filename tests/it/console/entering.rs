//! Links, sessions and roles, and those who attack them.

use greenlight_tests::console::{Visitor, page};
use greenlight_tests::pictures::{YELLOW, picture};
use greenlight_tests::world::{Plan, World, server_key};
use http::Method;
use serde_json::json;

use super::doubtful;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_in_once_and_only_by_its_button() {
    let world = World::start().await;
    let link = Visitor::link(&world, 0, "李雷 <b>", "moderator").await;
    // Whoever looks, a preview or a scanner, spends nothing.
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let shown = world.send(world.request(method.clone(), &link, "")).await.expect(200);
        assert!(shown.headers.get("set-cookie").is_none());
        if method == Method::GET {
            let text = page(&shown);
            assert!(text.contains("李雷 &#60;b&#62;") && text.contains("moderator") && text.contains("wx0"), "{text}");
        }
    }
    let mut visitor = Visitor::stranger(&world);
    let entered = visitor.spend(&link).await.expect(200);
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(visitor.is_in().await);
    // Neither the page nor the button of a link that was spent leads anywhere.
    world.get(&link, "").await.expect(404);
    Visitor::stranger(&world).spend(&link).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_spend_a_link_at_once_one_comes_in() {
    let world = World::start().await;
    for _ in 0..5 {
        let link = Visitor::link(&world, 0, "li", "lead").await;
        let (mut one, mut other) = (Visitor::stranger(&world), Visitor::stranger(&world));
        let (first, second) = tokio::join!(one.spend(&link), other.spend(&link));
        let statuses = [first.status.as_u16(), second.status.as_u16()];
        assert!(statuses == [200, 404] || statuses == [404, 200], "{statuses:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_good_for_ten_minutes_and_a_session_for_eight_hours() {
    let world = World::start().await;
    let (early, late) = (Visitor::link(&world, 0, "a", "lead").await, Visitor::link(&world, 0, "b", "lead").await);
    world.pass(10 * 60 - 1);
    let mut visitor = Visitor::stranger(&world);
    visitor.spend(&early).await.expect(200);
    world.pass(1);
    world.get(&late, "").await.expect(404);
    Visitor::stranger(&world).spend(&late).await.expect(404);
    world.pass(8 * 3600 - 2);
    assert!(visitor.is_in().await);
    world.pass(1);
    assert!(!visitor.is_in().await);
    assert!(page(&visitor.get("/queue").await.expect(401)).contains("Ask whoever runs the mini program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_ends_sessions_links_and_leases_at_once() {
    let world = World::start().await;
    let ids = doubtful(&world, 3).await;
    let (wang, li) =
        (Visitor::enter(&world, 0, "wang", "moderator").await, Visitor::enter(&world, 0, "li", "moderator").await);
    let other_session = Visitor::enter(&world, 0, "wang", "lead").await;
    let unspent = Visitor::link(&world, 0, "wang", "moderator").await;
    assert_eq!(wang.queue().await.len(), ids.len());
    assert_eq!(li.queue().await.len(), 0);
    let named = json!({"moderator": "wang"});
    world.post("/v1/moderators/revocations", &server_key(0), &named).await.expect(200);
    assert!(!wang.is_in().await && !other_session.is_in().await && li.is_in().await);
    Visitor::stranger(&world).spend(&unspent).await.expect(404);
    assert_eq!(li.queue().await.len(), ids.len(), "what was in hand is free");
    // Nothing is left to end, and that is no error; and they may be let in again.
    world.post("/v1/moderators/revocations", &server_key(0), &named).await.expect(200);
    assert!(Visitor::enter(&world, 0, "wang", "moderator").await.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn leads_let_moderators_in_and_lock_them_out() {
    let world = World::start().await;
    let lead = Visitor::enter(&world, 0, "li", "lead").await;
    let made = page(&lead.post("/people/links", &[("moderator", "韩梅梅"), ("role", "lead")]).await.expect(200));
    let link = greenlight_tests::console::between(&made, "id\">http", "</p>")[0];
    let link = format!("http{link}").strip_prefix(&world.url).unwrap().to_owned();
    let mut han = Visitor::stranger(&world);
    han.spend(&link).await.expect(200);
    // A lead makes no leads.
    han.get("/people").await.expect(403);
    let out = lead.post("/people/revocations", &[("moderator", "韩梅梅")]).await.expect(200);
    assert!(page(&out).contains("韩梅梅"));
    assert!(!han.is_in().await);
    lead.post("/people/links", &[("moderator", "\u{200b}")]).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_leads_is_for_nobody_else() {
    let world = World::start().await;
    let moderator = Visitor::enter(&world, 0, "wang", "moderator").await;
    for path in ["/people", "/reasons", "/record", "/figures"] {
        moderator.get(path).await.expect(403);
    }
    for path in ["/people/links", "/people/revocations", "/reasons", "/record/exports", "/openids"] {
        moderator.post(path, &[("moderator", "x"), ("reasons", "a | 字 | a")]).await.expect(403);
    }
    assert!(!page(&moderator.get("").await.expect(200)).contains("/console/people"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_form_comes_from_our_own_page_in_the_same_session() {
    let world = World::start().await;
    let id = doubtful(&world, 1).await.remove(0);
    let (li, wang) = (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 0, "wang", "lead").await);
    let case = li.queue().await.remove(0);
    let forms: [(&str, Vec<(&str, &str)>); 14] = [
        ("/decisions", vec![("case", &case), ("deed", "approve")]),
        ("/undo", vec![("case", &case)]),
        ("/skips", vec![("case", &case)]),
        ("/escalations", vec![("case", &case)]),
        ("/notes", vec![("case", &case), ("note", "x")]),
        ("/bans", vec![("author", "aaaaaaaaaaaaaaaaaaaaaaaaaa"), ("days", "1"), ("reason", "x")]),
        ("/handover", vec![("text", "x")]),
        ("/people/links", vec![("moderator", "x")]),
        ("/people/revocations", vec![("moderator", "wang")]),
        ("/reasons", vec![("reasons", "a | 字 | a")]),
        ("/lifts", vec![("case", &case)]),
        ("/record/exports", vec![("day", "2026-11-29")]),
        ("/openids", vec![("openid", "oAlice")]),
        ("/leave", vec![]),
    ];
    for (path, fields) in &forms {
        for origin in [None, Some("null"), Some("https://evil.example"), Some("http://127.0.0.1:1")] {
            li.post_from(path, fields, origin, &li.form_secret).await.expect(403);
        }
        for secret in ["", &wang.form_secret, &li.form_secret[1..]] {
            li.post_from(path, fields, Some(&world.url), secret).await.expect(403);
        }
        let nobody = Visitor { cookie: String::new(), ..li.clone() };
        nobody.post(path, fields).await.expect(401);
    }
    assert_eq!(world.state(&id).await, "in_review");
    assert!(li.is_in().await && wang.is_in().await);
    // Nor does another site's page spend a link: its visitor would work under somebody else's name.
    let link = Visitor::link(&world, 0, "x", "lead").await;
    let foreign = world.request(Method::POST, &link, "").header("origin", "https://evil.example");
    world.send(foreign).await.expect(403);
    world.get(&link, "").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_with_what_is_no_session() {
    let world = World::start().await;
    let li = Visitor::enter(&world, 0, "li", "lead").await;
    let (name, value) = li.cookie.split_once('=').unwrap();
    let [app, key, token] = value.split('.').collect::<Vec<_>>().try_into().unwrap();
    let link = Visitor::link(&world, 0, "li", "lead").await;
    let unspent = link.rsplit('/').next().unwrap();
    let other = format!("{}{}", &token[1..], &token[..1]);
    for forged in [
        String::new(),
        format!("{name}="),
        format!("{name}={unspent}"),
        format!("{name}={app}.{key}.{other}"),
        format!("{name}=wx1.{key}.{token}"),
        format!("{name}={app}.{token}.{key}"),
        format!("__Host-greenlight={value}"),
        format!("{name}={value}.x"),
    ] {
        let visitor = Visitor { cookie: forged.clone(), ..li.clone() };
        for path in ["", "/queue", "/people", "/media/aaaaaaaaaaaaaaaaaaaaaaaaaa/0", "/find?id=x"] {
            visitor.get(path).await.expect(401);
        }
    }
    assert!(li.is_in().await);
    li.post("/leave", &[]).await.expect(200);
    assert!(!li.is_in().await, "what has left is no session any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_apps_content_does_not_exist() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let (own, other) = (Visitor::enter(&world, 0, "li", "lead").await, Visitor::enter(&world, 1, "li", "lead").await);
    assert_eq!(other.queue().await.len(), 0);
    let case = own.queue().await.remove(0);
    let author = world.stored(&id).await.author.to_string();
    for path in
        [format!("/submissions/{id}"), format!("/find?id={id}"), format!("/media/{id}/0"), format!("/authors/{author}")]
    {
        other.get(&path).await.expect(404);
        assert!(own.get(&path).await.status.as_u16() < 400, "{path}");
    }
    for (path, more) in
        [("/decisions", ("deed", "approve")), ("/undo", ("", "")), ("/skips", ("", "")), ("/escalations", ("", ""))]
    {
        other.post(path, &[("case", &case), more]).await.expect(404);
    }
    other.post("/notes", &[("case", &case), ("note", "x")]).await.expect(404);
    other.post("/bans", &[("author", &author), ("days", "1"), ("reason", "x")]).await.expect(404);
    // A moderator of the same name in another app is somebody else.
    world.post("/v1/moderators/revocations", &server_key(1), &json!({"moderator": "li"})).await.expect(200);
    assert!(own.is_in().await && !other.is_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_makes_links_and_a_wrong_request_is_told_all_that_is_wrong() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for path in ["/v1/moderators/links", "/v1/moderators/revocations"] {
        world.post(path, "", &json!({})).await.expect(401);
        world.post(path, &alice, &json!({})).await.expect(403);
    }
    for (body, faults) in [
        (json!({}), vec!["moderator", "role"]),
        (json!({"moderator": "", "role": "admin"}), vec!["moderator", "role"]),
        (json!({"moderator": "a\nb", "role": "lead"}), vec!["moderator"]),
        (json!({"moderator": "x".repeat(101), "role": "lead", "app_id": "wx0"}), vec!["moderator", "app_id"]),
        (json!({"moderator": 7, "role": 7}), vec!["moderator", "role"]),
    ] {
        let answer = world.post("/v1/moderators/links", &server_key(0), &body).await.expect(400);
        assert_eq!(answer.text("code"), "invalid_moderator");
        let mut named = answer.faults();
        named.dedup();
        assert_eq!(named, faults, "{body}");
    }
    let longest = json!({"moderator": "名".repeat(100), "role": "lead"});
    world.post("/v1/moderators/links", &server_key(0), &longest).await.expect(201);
}
