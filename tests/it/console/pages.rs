//! What the pages hold and what they do not: media for whoever is let in, and nothing that a stranger wrote as anything but text.

use greenlight_tests::console::{Visitor, page};
use greenlight_tests::pictures::{YELLOW, picture, picture_of};
use greenlight_tests::world::{World, server_key};
use http::Method;
use serde_json::json;

use super::doubtful;

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>可疑",
    "\"><img src=x onerror=alert(1)>可疑",
    "'--></style></textarea><svg/onload=alert(1)>可疑",
    "javascript:alert(1)可疑",
    "{{7*7}}{% raw %}可疑\u{202e}\u{200b}",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_stranger_wrote_is_text() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut ids = Vec::new();
    for hostile in HOSTILE {
        let body = json!({
            "scene": "forum", "title": hostile, "text": hostile, "nickname": hostile, "signature": hostile,
            "external_id": &hostile[..hostile.len().min(64)], "metadata": {"x": hostile},
        });
        ids.push(world.submit(&alice, &body).await.expect(201).text("id"));
    }
    let lead = Visitor::enter(&world, 0, HOSTILE[0], "lead").await;
    for case in lead.queue().await {
        lead.post("/notes", &[("case", &case), ("note", HOSTILE[1])]).await.expect(303);
    }
    lead.post("/handover", &[("text", HOSTILE[2])]).await.expect(303);
    lead.post("/reasons", &[("minutes", "9"), ("reasons", &format!("x | {} | {}", HOSTILE[0], HOSTILE[1]))])
        .await
        .expect(200);
    lead.post("/holds", &[("id", &ids[0]), ("document", HOSTILE[HOSTILE.len() - 1]), ("until", "2031-01-01")])
        .await
        .expect(303);
    let author = world.stored(&ids[0]).await.author.to_string();
    let mut pages = vec![
        String::new(),
        "/record".into(),
        "/queue".into(),
        "/people".into(),
        "/reasons".into(),
        format!("/authors/{author}"),
    ];
    pages.extend(ids.iter().map(|id| format!("/submissions/{id}")));
    pages.push(format!("/queue?did={0}&done={0}&left={0}&case={0}&channel={0}", "%3Cscript%3Ealert(1)"));
    for path in pages {
        for language in ["zh", "en"] {
            let request = lead.request(Method::GET, &path).header("cookie", format!("greenlight-language={language}"));
            let answer = world.send(request).await.expect(200);
            let text = page(&answer);
            assert_eq!(text.matches("<script").count(), 1, "{path}: {text}");
            for forbidden in ["<img src=x", "<svg", "href=\"javascript", "\u{202e}"] {
                assert!(!text.contains(forbidden), "{path}: {forbidden}");
            }
            let policy = answer.headers["content-security-policy"].to_str().unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"),
                "{policy}"
            );
            assert_eq!(answer.headers["cache-control"], "private, no-store");
            assert_eq!(answer.headers["referrer-policy"], "same-origin");
        }
    }
    // Nor is it anything else once it was sealed.
    world.delete(&format!("/v1/submissions/{}", ids[0]), &alice).await.expect(204);
    let opened = page(&lead.post("/seals", &[("id", &ids[0])]).await.expect(200));
    assert_eq!(opened.matches("<script").count(), 1, "{opened}");
    assert!(opened.contains("可疑") && !opened.contains("<img src=x") && !opened.contains("<svg"), "{opened}");
    // What a moderator is told by a conflict names whoever was first, whatever their name.
    let case = lead.queue().await.remove(0);
    lead.decide(&case, "approve").await.expect(303);
    let other = Visitor::enter(&world, 0, "wang", "lead").await;
    let late = other.post("/decisions", &[("case", &case), ("deed", "reject"), ("code", "x")]).await.expect(409);
    assert!(!page(&late).contains("<script>alert"));
}

#[tokio::test(flavor = "multi_thread")]
async fn above_a_case_stands_what_it_answers_and_where_it_stands() {
    let world = World::start().await;
    let (alice, bob, carol) = (world.log_in("alice").await, world.log_in("bob").await, world.log_in("carol").await);
    let question = world.submit_text(&alice, "你觉得怎么样？").await.expect(201).text("id");
    let answer = json!({"scene": "comment", "text": "很可疑", "reply_to": question});
    let answer = world.submit(&bob, &answer).await.expect(201);
    assert_eq!(answer.json()["reply_to"], question.as_str());
    let with_context = json!({
        "scene": "comment", "text": "也可疑", "openid": World::openid(0, "carol"),
        "context": {"title": "商品 <b>", "text": "评价区"},
    });
    let told = world.submit(&server_key(0), &with_context).await.expect(201);
    assert_eq!(told.json()["context"], with_context["context"]);
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let shown = page(&li.get("/queue").await.expect(200));
    assert!(shown.contains("你觉得怎么样？") && shown.contains(&format!("/console/submissions/{question}")), "{shown}");
    assert!(shown.contains("商品 &#60;b&#62;") && shown.contains("评价区"), "{shown}");
    // What is around it is the owner's to tell, and only the owner reads it.
    let path = format!("/v1/submissions/{}", told.text("id"));
    assert!(world.get(&path, &carol).await.expect(200).json().get("context").is_none());
    assert_eq!(world.get(&path, &server_key(0)).await.expect(200).json()["context"]["title"], "商品 <b>");
    world.delete(&path, &carol).await.expect(204);
    assert!(
        world.get(&path, &server_key(0)).await.expect(200).json().get("context").is_none(),
        "it goes with the content"
    );
    // Nobody answers what they do not see.
    let rejected = world.submit_text(&alice, "违禁").await.expect(201).text("id");
    let own = json!({"scene": "comment", "text": "好", "reply_to": rejected});
    world.submit(&alice, &own).await.expect(201);
    for (wrong, field) in [
        (json!({"scene": "comment", "text": "好", "reply_to": rejected}), "reply_to"),
        (json!({"scene": "comment", "text": "好", "reply_to": "aaaaaaaaaaaaaaaaaaaaaaaaaa"}), "reply_to"),
        (json!({"scene": "comment", "text": "好", "reply_to": "no id"}), "reply_to"),
        (json!({"scene": "comment", "text": "好", "context": {"title": "x"}}), "context"),
        (json!({"scene": "comment", "text": "好", "context": "x"}), "context"),
    ] {
        assert_eq!(world.submit(&bob, &wrong).await.expect(400).faults(), [field], "{wrong}");
    }
    let long = json!({
        "scene": "comment", "text": "好", "openid": World::openid(0, "carol"),
        "context": {"title": "x".repeat(201), "text": "x".repeat(2001), "colour": "red"},
    });
    let faults = world.submit(&server_key(0), &long).await.expect(400).faults();
    assert_eq!(faults, ["context.title", "context.text", "context.colour"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_for_moderators_of_the_app_alone_and_kept_by_nobody() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let path = format!("/media/{id}/0");
    let whole = li.get(&path).await.expect(200);
    assert_eq!(whole.headers["cache-control"], "private, no-store");
    assert_eq!(whole.headers["content-type"], "image/png");
    assert_eq!(whole.headers["x-content-type-options"], "nosniff");
    let last = whole.bytes.len() - 1;
    let part = async |range: &str| world.send(li.request(Method::GET, &path).header("range", range)).await;
    let some = part("bytes=1-2").await.expect(206);
    assert_eq!(some.bytes, whole.bytes.slice(1..3));
    assert_eq!(some.headers["content-range"].to_str().unwrap(), format!("bytes 1-2/{}", last + 1));
    assert_eq!(part("bytes=0-").await.expect(206).bytes, whole.bytes);
    assert_eq!(part("bytes=-1").await.expect(206).bytes, whole.bytes.slice(last..));
    part(&format!("bytes={}-", last + 1)).await.expect(416);
    for nothing in ["/media/x/0".to_owned(), format!("/media/{id}/1"), format!("/media/{id}/x"), format!("/media/{id}")]
    {
        li.get(&nothing).await.expect(404);
    }
    Visitor::stranger(&world).get(&path).await.expect(401);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    li.get(&path).await.expect(404);
    assert!(page(&li.get(&format!("/submissions/{id}")).await.expect(200)).contains("The content is erased."));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_is_shown_of_what_is_large_and_is_erased_with_it() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let large = || picture_of(YELLOW, 1_500_000);
    let small = picture(YELLOW, 3);
    let id = world.submit_media(&alice, &[small, large()]).await;
    world.simulator.idle().await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    assert!(page(&li.get("/queue").await).contains(&format!("src=\"/console/previews/{id}/1\"")));
    let preview = li.get(&format!("/previews/{id}/1")).await.expect(200);
    assert_eq!(
        (&preview.headers["content-type"], &preview.headers["cache-control"]),
        (&"image/jpeg".parse().unwrap(), &"private, no-store".parse().unwrap())
    );
    assert!(preview.bytes.len() < 40 * 1024);
    let whole = li.get(&format!("/media/{id}/1")).await.expect(200);
    assert_ne!(preview.bytes, whole.bytes);
    let own = li.get(&format!("/previews/{id}/0")).await.expect(200);
    assert_eq!(own.bytes, li.get(&format!("/media/{id}/0")).await.expect(200).bytes, "what is small is its own");
    assert_eq!(world.objects_of(&id).len(), 3);
    // One that was uploaded before there were previews is shown whole.
    let kept = world.objects_of(&id).into_iter().find(|path| path.to_string_lossy().ends_with(".preview.jpg")).unwrap();
    std::fs::remove_file(kept).unwrap();
    assert_eq!(li.get(&format!("/previews/{id}/1")).await.expect(200).bytes, whole.bytes);
    Visitor::stranger(&world).get(&format!("/previews/{id}/1")).await.expect(401);

    let again = world.submit_media(&alice, &[large()]).await;
    world.simulator.idle().await;
    assert_eq!(world.objects_of(&again).len(), 2);
    world.delete(&format!("/v1/submissions/{again}"), &alice).await.expect(204);
    li.get(&format!("/previews/{again}/0")).await.expect(404);
    world.until_the_seals_end().await;
    assert_eq!(world.objects_of(&again).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_speaks_the_language_that_they_chose() {
    let world = World::start().await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    assert!(page(&li.get("").await).contains("<html lang=\"en\">"));
    let chosen = li.get("/language/zh").await.expect(303);
    assert!(chosen.headers["set-cookie"].to_str().unwrap().starts_with("greenlight-language=zh; "));
    let request = li.request(Method::GET, "").header("cookie", "greenlight-language=zh");
    assert!(page(&world.send(request).await).contains("<html lang=\"zh-CN\">"));
    li.get("/language/fr").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_on_a_page() {
    let world = World::start().await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    for path in
        ["/nothing", "/submissions/x", "/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa", "/find?id=x", "/find", "/authors/x"]
    {
        let answer = li.get(path).await.expect(404);
        assert!(page(&answer).contains("<main"), "{path}");
    }
    world.send(li.request(Method::PUT, "/queue")).await.expect(405);
    let long = "x".repeat(70_000);
    li.post("/handover", &[("text", &long)]).await.expect(413);
    let id = doubtful(&world, 1).await.remove(0);
    let found = li.get(&format!("/find?id=%20{id}")).await.expect(303);
    assert_eq!(found.headers["location"].to_str().unwrap(), format!("/console/submissions/{id}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_of_the_owners_server_stands_before_every_address() {
    let world = World::start().await;
    let functions = world.restarted_with(&[("GREENLIGHT_CONSOLE_URL", "https://light.example.com/green")]).await;
    let body = json!({"moderator": "li", "role": "lead"}).to_string();
    let request = http::Request::post("/green/v1/moderators/links")
        .header("authorization", format!("Bearer {}", server_key(0)))
        .body(body.into())
        .unwrap();
    let made = World::ask(&functions, request).await.expect(201).text("url");
    let path = made.strip_prefix("https://light.example.com").unwrap();
    let spend = |origin: &str| http::Request::post(path).header("origin", origin).body("".into()).unwrap();
    World::ask(&functions, spend("https://light.example.com:444")).await.expect(403);
    let entered = World::ask(&functions, spend("https://light.example.com")).await.expect(200);
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-greenlight=") && cookie.ends_with("; SameSite=Strict; Secure"), "{cookie}");
    assert!(page(&entered).contains("href=\"/green/console\""));
    let cookie = cookie.split(';').next().unwrap();
    let request = http::Request::get("/green/console/queue").header("cookie", cookie).body("".into()).unwrap();
    let shown = page(&World::ask(&functions, request).await.expect(200));
    for (before, after) in [("href=\"", "\""), ("action=\"", "\""), ("src=\"", "\"")] {
        for address in greenlight_tests::console::between(&shown, before, after) {
            assert!(address.starts_with("/green/console") || address == "#content", "{address}");
        }
    }
}
