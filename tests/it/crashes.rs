//! Every handler dies at every await point in turn; then the rest of the world goes on, and the end must be right.
//!
//! All of it on one thread each, because what a dead handler left in a socket is known to have arrived only there.

use greenlight_local::simulator::{Api, ReleaseOrder};
use greenlight_tests::awaits::{Stepped, at_every_await, request};
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture};
use greenlight_tests::push_gate::PushGate;
use greenlight_tests::world::{World, app_id, server_key};
use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

const KEY: &str = "one and the same";

/// When the client, having heard nothing, sends its submission again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeats {
    AtOnce,
    AfterAllIsDone,
}

/// What is submitted, and what must become of it.
#[derive(Clone, Copy, Debug)]
struct Case {
    text: &'static str,
    pictures: &'static [[u8; 3]],
    ends: &'static str,
    repeats: Repeats,
}

impl Case {
    async fn body(&self, world: &World, key: &str) -> Value {
        let mut media = Vec::new();
        for (colour, seed) in self.pictures.iter().zip(1..) {
            media.push(json!({"upload_id": world.uploaded(key, &picture(*colour, seed)).await}));
        }
        json!({"idempotency_key": KEY, "scene": "forum", "channel": "square", "text": self.text, "media": media})
    }
}

/// The one submission under the key stands where it must, for everybody, and nothing is left to do.
async fn it_ended_right(world: &World, alice: &str, ends: &str) {
    let id = World::id_by_key("alice", KEY);
    assert_eq!(world.state(&id).await, ends);
    assert_eq!(world.listed("/v1/submissions", alice).await, [id.as_str()], "exactly one submission");
    let public = world.get(&format!("/v1/submissions/{id}"), "").await;
    public.expect(if ends == "approved" { 200 } else { 404 });
    assert_eq!(world.feed("").await.len(), usize::from(ends == "approved"));
    assert_eq!(world.listed("/v1/reviews", &server_key(0)).await.len(), usize::from(ends == "in_review"));
    world.only_what_passed_is_public(&id).await;
    assert_eq!(world.due_ever().await, []);
}

/// The handler of a submit dies when it waits once more than `waits` times. Whether it ended before.
async fn submit_dies(case: Case, waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = World::id_by_key("alice", KEY);
    let body = case.body(&world, &alice).await;
    let router = world.functions.submit_content.clone().router();
    let submit = router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body)));
    let ended = Stepped::new(submit).run(waits).await.is_some();
    world.settled().await;
    world.only_what_passed_is_public(&id).await;

    if case.repeats == Repeats::AfterAllIsDone {
        world.until_nothing_is_due().await;
        world.only_what_passed_is_public(&id).await;
    }
    let repeated = world.submit(&alice, &body).await;
    assert!(matches!(repeated.status.as_u16(), 200 | 201), "{repeated}");
    assert_eq!(repeated.text("id"), id);
    world.simulator.idle().await;
    world.only_what_passed_is_public(&id).await;
    world.until_nothing_is_due().await;
    it_ended_right(&world, &alice, case.ends).await;
    ended
}

#[tokio::test]
async fn a_submit_of_a_text_may_die_anywhere() {
    for repeats in [Repeats::AtOnce, Repeats::AfterAllIsDone] {
        let clean = Case { text: "今天天气真好", pictures: &[], ends: "approved", repeats };
        at_every_await(|waits| submit_dies(clean, waits)).await;
        let risky = Case { text: "出售违禁品", ends: "rejected", ..clean };
        at_every_await(|waits| submit_dies(risky, waits)).await;
    }
}

#[tokio::test]
async fn a_submit_of_a_text_and_two_clean_pictures_may_die_anywhere() {
    let case = Case { text: "两盏绿灯", pictures: &[GREEN, GREEN], ends: "approved", repeats: Repeats::AtOnce };
    at_every_await(|waits| submit_dies(case, waits)).await;
}

#[tokio::test]
async fn a_submit_of_a_text_and_a_red_picture_may_die_anywhere() {
    let repeats = Repeats::AfterAllIsDone;
    let case = Case { text: "一红一绿", pictures: &[GREEN, RED], ends: "rejected", repeats };
    at_every_await(|waits| submit_dies(case, waits)).await;
}

/// What WeChat does with a push whose handler died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wechat {
    SendsAgain,
    Forgets,
}

/// When the push comes whose handler dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    AfterTheSubmit,
    /// Before our own note of the check, so that it has to be parked.
    BeforeTheAnswer,
}

async fn push_dies(colours: [[u8; 3]; 2], ends: &str, wechat: Wechat, comes: Comes, waits: usize) -> bool {
    let world = World::start().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    let gate = PushGate::open(world.functions.receive_push.clone().router()).await;
    gate.kill_next(waits + 1);
    world.simulator.set_push_url(&app, &format!("{}/push/{app}", gate.url));
    let mut behaviour = json!({"push_retries": u32::from(wechat == Wechat::SendsAgain), "push_retry_delay_ms": 0});
    let later = behaviour.clone();
    behaviour["hold_pushes"] = json!(comes == Comes::AfterTheSubmit);
    behaviour["push_before_answer"] = json!(comes == Comes::BeforeTheAnswer);
    world.behave(behaviour);
    let case = Case { text: "两盏灯", pictures: &[], ends: "", repeats: Repeats::AtOnce };
    let mut body = case.body(&world, &alice).await;
    let mut media = Vec::new();
    for (colour, seed) in colours.iter().zip(1..) {
        media.push(json!({"upload_id": world.uploaded(&alice, &picture(*colour, seed)).await}));
    }
    body["media"] = json!(media);
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    world.simulator.release_pushes(&app, ReleaseOrder::OldestFirst).await;
    world.behave(later);
    world.settled().await;
    world.only_what_passed_is_public(&id).await;

    if wechat == Wechat::SendsAgain {
        assert_eq!(world.state(&id).await, ends, "the repeated push is enough");
    }
    // Of two pushes at once either may be the first to arrive; the one that was not answered is the one that died.
    let dead = world.simulator.pushes().into_iter().find(|push| !push.accepted).and_then(|push| push.trace_id);
    let noted = dead.is_some_and(|dead| {
        let key = format!("T#{app}#{dead}");
        let calls = world.proxy.calls();
        calls.iter().any(|call| call.function == "receive-push" && call.action == "UpdateItem" && call.key == key)
    });
    world.until_nothing_is_due().await;
    it_ended_right(&world, &alice, ends).await;
    if noted {
        assert_eq!(world.simulator.calls(&app, Api::MediaCheckAsync), 2, "what is noted is not asked again");
    }
    gate.take_deaths() == 0
}

#[tokio::test]
async fn a_push_may_die_anywhere_if_wechat_sends_it_again() {
    for comes in [Comes::AfterTheSubmit, Comes::BeforeTheAnswer] {
        at_every_await(|waits| push_dies([GREEN, GREEN], "approved", Wechat::SendsAgain, comes, waits)).await;
        at_every_await(|waits| push_dies([RED, GREEN], "rejected", Wechat::SendsAgain, comes, waits)).await;
    }
}

#[tokio::test]
async fn a_push_may_die_anywhere_even_if_wechat_forgets_it() {
    for comes in [Comes::AfterTheSubmit, Comes::BeforeTheAnswer] {
        at_every_await(|waits| push_dies([GREEN, GREEN], "approved", Wechat::Forgets, comes, waits)).await;
        at_every_await(|waits| push_dies([YELLOW, GREEN], "in_review", Wechat::Forgets, comes, waits)).await;
        at_every_await(|waits| push_dies([RED, GREEN], "rejected", Wechat::Forgets, comes, waits)).await;
    }
}

/// A sweep dies that finds a text that WeChat was too busy for, and two pictures whose pushes were lost.
async fn sweep_dies(case: Case, waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let busy = json!({"api": "msg_sec_check", "how": {"errcode": -1}});
    world.behave(json!({"fail": [busy], "drop_pushes": {"next": 2}}));
    let body = case.body(&world, &alice).await;
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "pending");
    world.pass(36 * 60);
    let ended = Stepped::new(world.functions.sweep_overdue.run()).run(waits).await.is_some();
    world.settled().await;
    world.only_what_passed_is_public(&id).await;
    world.until_nothing_is_due().await;
    it_ended_right(&world, &alice, case.ends).await;
    ended
}

#[tokio::test]
async fn a_sweep_may_die_anywhere() {
    let repeats = Repeats::AtOnce;
    let clean = Case { text: "两盏绿灯", pictures: &[GREEN, GREEN], ends: "approved", repeats };
    at_every_await(|waits| sweep_dies(clean, waits)).await;
    let red = Case { text: "一红一绿", pictures: &[GREEN, RED], ends: "rejected", repeats };
    at_every_await(|waits| sweep_dies(red, waits)).await;
}

async fn refresh_dies(expiring: bool, waits: usize) -> bool {
    let world = World::start().await;
    let app = app_id(0);
    if expiring {
        world.functions.refresh_token.run().await;
        // Less than five minutes before its end, when it is time to renew it.
        world.pass(7_200 - 240);
    }
    let alice = world.log_in("alice").await;
    let ended = Stepped::new(world.functions.refresh_token.run()).run(waits).await.is_some();
    world.settled().await;
    // Nobody waits for the lease of the dead.
    let functions = world.restarted().await;
    let early = functions.refresh_token.run().await;
    assert_eq!(early.failed, []);
    world.submit_text(&alice, "早").await.expect(201);
    world.pass(5);
    let late = functions.refresh_token.run().await;
    assert_eq!((late.failed, late.in_other_hands), (vec![], 0));
    let record = world.table().access_state(&app, greenlight::table::Consistency::Strong).await.unwrap();
    let token = record.living_token(world.now()).expect("a token");
    assert!(world.now() < token.renew_at(), "a fresh one");
    let id = world.submit_text(&alice, "晚").await.expect(201).text("id");
    assert_eq!(world.state(&id).await, "approved");
    // Once the token before has run out as well, the calls go on.
    world.pass(300);
    let id = world.submit_text(&alice, "再见").await.expect(201).text("id");
    assert_eq!(world.state(&id).await, "approved");
    ended
}

#[tokio::test]
async fn a_refresh_of_the_token_may_die_anywhere() {
    for expiring in [false, true] {
        at_every_await(|waits| refresh_dies(expiring, waits)).await;
    }
}

/// Where the submission stands that is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Withdrawn {
    Approved,
    Pending,
}

async fn withdrawal_dies(stands: Withdrawn, waits: usize) -> bool {
    let world = World::start().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": stands == Withdrawn::Pending}));
    let repeats = Repeats::AtOnce;
    let case = Case { text: "两盏绿灯", pictures: &[GREEN, GREEN], ends: "withdrawn", repeats };
    let body = case.body(&world, &alice).await;
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    let path = format!("/v1/submissions/{id}");
    let seen = world.get(&path, &alice).await.expect(200).json();
    let urls: Vec<&str> = seen["media"].as_array().unwrap().iter().map(|one| one["url"].as_str().unwrap()).collect();

    let router = world.functions.submit_content.clone().router();
    let withdraw = router.oneshot(request(Method::DELETE, &path, &alice, None));
    let ended = Stepped::new(withdraw).run(waits).await.is_some();
    world.settled().await;
    // All or nothing: it is invisible, or as it was with every byte.
    let status = world.get(&path, &alice).await.status.as_u16();
    assert!(matches!(status, 200 | 404), "{status}");
    for url in &urls {
        world.get(url, "").await.expect(status);
    }
    if status == 404 {
        assert_eq!(world.state(&id).await, "withdrawn");
    } else {
        assert_eq!(world.state(&id).await, if stands == Withdrawn::Approved { "approved" } else { "pending" });
        world.delete(&path, &alice).await.expect(204);
    }
    // A verdict does not bring it back.
    world.simulator.release_pushes(&app, ReleaseOrder::OldestFirst).await;
    world.until_nothing_is_due().await;
    assert_eq!(world.state(&id).await, "withdrawn");
    world.get(&path, &alice).await.expect(404);
    // The client's repeat finds what it withdrew, and puts nothing back.
    assert_eq!(world.submit(&alice, &body).await.expect(200).text("state"), "withdrawn");
    if stands != Withdrawn::Approved {
        world.until_the_seals_end().await;
    }
    assert!(world.objects_of(&id).is_empty(), "its bytes are gone");
    assert_eq!(world.due_ever().await, []);
    ended
}

#[tokio::test]
async fn a_withdrawal_may_die_anywhere() {
    for stands in [Withdrawn::Approved, Withdrawn::Pending] {
        at_every_await(|waits| withdrawal_dies(stands, waits)).await;
    }
}

/// A sweep dies that erases what a withdrawal left behind.
async fn erasing_sweep_dies(waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1), picture(GREEN, 2)]).await;
    world.simulator.idle().await;
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    world.pass(11 * 60);
    let ended = Stepped::new(world.functions.sweep_overdue.run()).run(waits).await.is_some();
    world.settled().await;
    world.until_nothing_is_due().await;
    let stored = world.stored(&id).await;
    assert_eq!((stored.state.as_str(), stored.erase_due, stored.media.len()), ("withdrawn", None, 0));
    ended
}

#[tokio::test]
async fn a_sweep_that_erases_may_die_anywhere() {
    at_every_await(erasing_sweep_dies).await;
}

/// The login dies for which a submission waits (61010).
async fn login_dies(waits: usize) -> bool {
    let world = World::start().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    world.simulator.leave(&app, &World::openid(0, "alice"));
    let repeats = Repeats::AtOnce;
    let case = Case { text: "一盏绿灯", pictures: &[GREEN], ends: "approved", repeats };
    let body = case.body(&world, &alice).await;
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    assert_eq!(world.state(&id).await, "pending");
    world.pass(60);
    let router = world.functions.submit_content.clone().router();
    let login = json!({"code": "alice-again"});
    let login = http::Request::post("/v1/sessions").header("content-type", "application/json").body(login.to_string());
    let ended = Stepped::new(router.oneshot(login.unwrap())).run(waits).await.is_some();
    world.settled().await;
    // Perhaps the code is used up and nobody has a session for it; the next login has a code of its own.
    let alice = world.log_in("alice").await;
    world.sweep().await;
    if ended {
        it_ended_right(&world, &alice, case.ends).await;
    }
    // What a dead login took off the author's list is found at the hourly look.
    world.pass(3_600);
    world.sweep().await;
    it_ended_right(&world, &alice, case.ends).await;
    ended
}

#[tokio::test]
async fn a_login_that_somebody_waits_for_may_die_anywhere() {
    at_every_await(login_dies).await;
}

/// A moderator's word dies: it was said or it was not, with its record or without any.
async fn decision_dies(approve: bool, waits: usize) -> bool {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let repeats = Repeats::AtOnce;
    let ends = if approve { "approved" } else { "rejected" };
    let case = Case { text: "一盏黄灯", pictures: &[YELLOW], ends, repeats };
    let body = case.body(&world, &alice).await;
    let id = world.submit(&alice, &body).await.expect(201).text("id");
    world.simulator.idle().await;
    let (decision, version) = (if approve { "approve" } else { "reject" }, world.stored(&id).await.version);
    let word = json!({"decision": decision, "reason": "r", "moderator": "li", "version": version});
    let path = format!("/v1/submissions/{id}/decisions");
    let router = world.functions.submit_content.clone().router();
    let decide = router.oneshot(request(Method::POST, &path, &server_key(0), Some(&word)));
    let ended = Stepped::new(decide).run(waits).await.is_some();
    world.settled().await;
    // Said or not, it is not said twice.
    let unsaid = world.state(&id).await == "in_review";
    world.decide_on(&id, decision, version).await.expect(if unsaid { 200 } else { 409 });
    it_ended_right(&world, &alice, case.ends).await;
    ended
}

#[tokio::test]
async fn a_moderators_decision_may_die_anywhere() {
    for approve in [true, false] {
        at_every_await(|waits| decision_dies(approve, waits)).await;
    }
}
