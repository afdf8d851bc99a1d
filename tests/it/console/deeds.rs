//! What moderators do with cases.

use greenlight_tests::console::{Visitor, cases, page};
use greenlight_tests::pictures::{YELLOW, picture};
use greenlight_tests::table_proxy::{CallMatch, Refusal};
use greenlight_tests::world::{World, server_key};
use serde_json::json;

use super::doubtful;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_moderators_the_second_is_told_who_was_first() {
    let world = World::start().await;
    let id = doubtful(&world, 1).await.remove(0);
    let (li, wang) =
        (Visitor::enter(&world, 0, "李雷", "moderator").await, Visitor::enter(&world, 0, "wang", "lead").await);
    let case = li.queue().await.remove(0);
    li.decide(&case, "approve").await.expect(303);
    let late = page(&wang.decide(&case, "reject").await.expect(409));
    assert!(late.contains("李雷 was first.") && late.contains("approved"), "{late}");
    assert_eq!(world.state(&id).await, "approved");
    // Looking at it as it stands now, the other may decide otherwise.
    let seen = page(&wang.get(&format!("/submissions/{id}")).await.expect(200));
    wang.decide(&cases(&seen)[0], "reject").await.expect(303);
    assert_eq!(world.state(&id).await, "rejected");
    let record = page(&wang.get(&format!("/submissions/{id}")).await.expect(200));
    assert!(record.contains("in review → approved") && record.contains("approved → rejected"), "{record}");
    assert!(
        record.contains("李雷 · moderator")
            && record.contains("wang · lead")
            && record.contains("Cause: text · doubtful")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_write_in_between_is_no_conflict() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(YELLOW, 3)]).await;
    world.simulator.idle().await;
    let (li, wang) =
        (Visitor::enter(&world, 0, "li", "moderator").await, Visitor::enter(&world, 0, "wang", "lead").await);
    let case = li.queue().await.remove(0);
    wang.post("/notes", &[("case", &case), ("note", "x")]).await.expect(303);
    wang.post("/escalations", &[("case", &case)]).await.expect(303);
    world.log_in("alice").await;
    assert!(world.stored(&id).await.version > 0);
    wang.decide(&case, "approve").await.expect(303);
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_those_that_could_not_be_saved_are_told_apart_from_those_that_have_changed() {
    let world = World::start().await;
    let ids = doubtful(&world, 3).await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let hand = li.queue().await;
    world.decide(&ids[0], "approve").await.expect(200);
    let own = CallMatch::any().function("serve-console").action("PutItem").key(&format!("S#{}", ids[1]));
    world.proxy.refuse_next(own, Refusal::ServerError, 1_000);
    let mut fields = vec![("deed", "reject"), ("code", "abuse")];
    fields.extend(hand.iter().map(|case| ("case", case.as_str())));
    let done = li.post("/decisions", &fields).await.expect(303);
    let location = done.headers["location"].to_str().unwrap().to_owned();
    let shown = page(&li.get(location.strip_prefix("/console").unwrap()).await.expect(200));
    assert!(
        shown.contains("rejected: 1; 1 had changed meanwhile and were left alone; 1 could not be saved"),
        "{shown}"
    );
    assert_eq!((world.state(&ids[1]).await, world.state(&ids[2]).await), ("in_review", "rejected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_those_that_have_changed_are_left_alone() {
    let world = World::start().await;
    let ids = doubtful(&world, 4).await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let hand = li.queue().await;
    world.decide(&ids[1], "approve").await.expect(200);
    let mut fields = vec![("deed", "reject"), ("code", "abuse")];
    fields.extend(hand.iter().map(|case| ("case", case.as_str())));
    let done = li.post("/decisions", &fields).await.expect(303);
    let location = done.headers["location"].to_str().unwrap().to_owned();
    assert!(location.contains("done=3") && location.contains("left=1"), "{location}");
    assert_eq!(world.state(&ids[1]).await, "approved");
    assert_eq!(world.state(&ids[3]).await, "rejected");
    let shown = page(&li.get(location.strip_prefix("/console").unwrap()).await.expect(200));
    assert!(shown.contains("rejected: 3; 1 had changed meanwhile"), "{shown}");
    // Each is a decision of its own, and each counts.
    assert!(page(&li.get("").await).contains("<span class=\"figure\">3</span> rejected"));
    let over: Vec<(&str, &str)> = (0..51).map(|_| ("case", hand[0].as_str())).chain([("deed", "approve")]).collect();
    li.post("/decisions", &over).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_author_reads_the_reason_in_their_own_language() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let (lead, id) =
        (Visitor::enter(&world, 0, "li", "lead").await, world.submit_text(&alice, "可疑").await.text("id"));
    lead.post("/reasons", &[("minutes", "120"), ("reasons", "ads | 广告太多 | Too many ads\nrude | 不礼貌 | Rude")])
        .await
        .expect(200);
    lead.post("/reasons", &[("minutes", "120"), ("reasons", "Bad code | 字 | a")]).await.expect(400);
    let case = lead.queue().await.remove(0);
    assert!(page(&lead.get("/queue").await).contains("<kbd>2</kbd> Rude"));
    lead.post("/decisions", &[("case", &case), ("deed", "reject"), ("code", "spam")]).await.expect(400);
    lead.post("/decisions", &[("case", &case), ("deed", "reject")]).await.expect(400);
    lead.post("/decisions", &[("case", &case), ("deed", "delete"), ("code", "ads")]).await.expect(400);
    lead.post("/decisions", &[("case", &case), ("deed", "reject"), ("code", "ads")]).await.expect(303);
    let en = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).json();
    assert_eq!(en["decision"], json!({"by": "moderator", "reason": "Too many ads"}));
    let zh = world.http.get(format!("{}/v1/submissions/{id}", world.url)).bearer_auth(&alice);
    assert_eq!(world.send(zh).await.expect(200).json()["decision"]["reason"], "广告太多");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_words_reach_the_author_and_notes_never_do() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_text(&alice, "可疑").await.text("id");
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    let case = li.queue().await.remove(0);
    li.post("/notes", &[("case", &case), ("note", "秘密备注 <i>")]).await.expect(303);
    li.post("/notes", &[("case", &case), ("note", "  ")]).await.expect(400);
    li.post("/notes", &[("case", &case), ("note", &"字".repeat(1001))]).await.expect(400);
    assert!(page(&li.get("/queue").await).contains("秘密备注 &#60;i&#62;"));
    li.post("/decisions", &[("case", &case), ("deed", "reject"), ("reason", "请换个说法")]).await.expect(303);
    let seen = world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200).to_string();
    assert!(seen.contains("请换个说法") && !seen.contains("秘密备注"), "{seen}");
    let owners = world.get(&format!("/v1/submissions/{id}"), &server_key(0)).await.expect(200).to_string();
    assert!(!owners.contains("秘密备注"));
    assert!(page(&li.get(&format!("/submissions/{id}")).await).contains("秘密备注"), "notes outlive the case");
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_go_with_the_content_that_they_are_about() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let li = Visitor::enter(&world, 0, "li", "moderator").await;
    for decided in [None, Some("approve"), Some("reject")] {
        let id = world.submit_text(&alice, "可疑").await.text("id");
        let case = li.queue().await.remove(0);
        li.post("/notes", &[("case", &case), ("note", "她写了手机号")]).await.expect(303);
        if let Some(deed) = decided {
            li.decide(&case, deed).await.expect(303);
        }
        let path = format!("/submissions/{id}");
        assert!(page(&li.get(&path).await).contains("她写了手机号"));
        world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
        assert!(!page(&li.get(&path).await).contains("她写了手机号"), "{decided:?}");
        li.post("/notes", &[("case", &case), ("note", "late")]).await.expect(409);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderator_bans_for_a_week_and_a_lead_for_longer() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_text(&alice, "可疑").await.text("id");
    let author = world.stored(&id).await.author.to_string();
    let (moderator, lead) =
        (Visitor::enter(&world, 0, "wang", "moderator").await, Visitor::enter(&world, 0, "li", "lead").await);
    let ban = async |visitor: &Visitor<'_>, days: &str| {
        visitor.post("/bans", &[("author", &author), ("days", days), ("reason", "spam")]).await
    };
    for (visitor, days, status) in [
        (&moderator, "8", 403),
        (&moderator, "7", 303),
        (&moderator, "0", 303),
        (&lead, "36500", 303),
        (&lead, "36501", 400),
        (&lead, "-1", 400),
        (&lead, "x", 400),
        // What a lead has set for longer, no moderator shortens or lifts.
        (&moderator, "1", 403),
        (&moderator, "0", 403),
    ] {
        ban(visitor, days).await.expect(status);
    }
    assert_eq!(world.submit_text(&alice, "好").await.expect(403).text("code"), "author_banned");
    assert!(page(&moderator.get(&format!("/authors/{author}")).await).contains("banned until"));
    ban(&lead, "0").await.expect(303);
    world.submit_text(&alice, "好").await.expect(201);
    lead.post("/bans", &[("author", &author), ("days", "1"), ("reason", "")]).await.expect(400);
    lead.post("/bans", &[("author", "aaaaaaaaaaaaaaaaaaaaaaaaaa"), ("days", "1"), ("reason", "x")]).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_shift_reads_what_the_last_has_left() {
    let world = World::start().await;
    let (li, wang) =
        (Visitor::enter(&world, 0, "li", "moderator").await, Visitor::enter(&world, 0, "wang", "moderator").await);
    li.post("/handover", &[("text", "注意 </textarea><script>")]).await.expect(303);
    let seen = page(&wang.get("").await.expect(200));
    assert!(seen.contains("注意 &#60;/textarea&#62;&#60;script&#62;") && seen.contains("li · "), "{seen}");
    wang.post("/handover", &[("text", " ")]).await.expect(303);
    assert!(page(&li.get("").await).contains("There is none."));
}
