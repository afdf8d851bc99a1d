//! Events in every order, at every await point of each other, and at once, against an oracle that knows no order.

use futures_util::future::join_all;
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::submission::DueKind;
use greenlight::moderation::sweep::process_due;
use greenlight::table::{Due, DueEntry};
use greenlight_local::simulator::{Api, ForcedVerdict, ReleaseOrder, Verdict};
use greenlight_tests::awaits::{Stepped, at_every_await, request};
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{World, app_id, form, server_key};
use http::Method;
use serde_json::{Value, json};
use tower::ServiceExt;

const KEY: &str = "one and the same";

async fn world_that_holds_pushes() -> World {
    let world = World::start().await;
    world.behave(json!({"hold_pushes": true}));
    world
}

/// Its bytes go when its seal ends, if it has one, and at once if it has none.
async fn bytes_go(world: &World, id: &str) {
    if world.stored(id).await.sealed.is_some() {
        world.until_the_seals_end().await;
    }
    assert_eq!(world.objects_of(id), [] as [std::path::PathBuf; 0], "the bytes of {id} are gone");
}

/// What happens to a submission of two pictures whose checks WeChat has taken, 35 minutes and more ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Push,
    PushAgain,
    SecondPush,
    Sweep,
    Approves,
    Rejects,
    Withdraws,
}

use Happening::{Approves, Push, PushAgain, Rejects, SecondPush, Sweep, Withdraws};

/// One submission, what WeChat thinks of its pictures, and in which order things happen to it.
#[derive(Clone, Debug)]
struct Story {
    verdicts: [&'static str; 2],
    order: Vec<Happening>,
}

impl Story {
    /// Where the submission stands once `done` has happened.
    fn oracle(&self, done: &[Happening]) -> &'static str {
        if done.contains(&Withdraws) {
            return "withdrawn";
        }
        match done.iter().rev().find(|happening| matches!(happening, Approves | Rejects)) {
            Some(Approves) => return "approved",
            Some(_) => return "rejected",
            None => {}
        }
        let first = (done.contains(&Push) || done.contains(&PushAgain)).then_some(self.verdicts[0]);
        let second = done.contains(&SecondPush).then_some(self.verdicts[1]);
        match (first, second) {
            (Some("risky"), _) | (_, Some("risky")) => "rejected",
            (Some("pass"), Some("pass")) => "approved",
            (Some(_), Some(_)) => "in_review",
            _ => "pending",
        }
    }

    async fn push(&self, world: &World, traces: &[String], part: usize) {
        let suggest = self.verdicts[part];
        // A pass with any other label than 100 is none.
        let verdict = Verdict::new(suggest, if suggest == "pass" { 100 } else { 20_006 });
        let verdict = ForcedVerdict::Verdict(verdict);
        let taken = world.simulator.push_verdict(&app_id(0), &traces[part], &verdict).await;
        assert_eq!(taken, Some(true), "{self:?}");
    }

    async fn happens(&self, world: &World, id: &str, key: &str, traces: &[String], happening: Happening) {
        match happening {
            Push | PushAgain => self.push(world, traces, 0).await,
            SecondPush => self.push(world, traces, 1).await,
            // What the sweep does with each submission that is due; the others have orders of their own.
            Sweep => {
                let (sweep, app) = (&world.functions.sweep_overdue, world.app(0));
                let what = Due::Submission(DueKind::Media, SubmissionId::parse(id).unwrap());
                let entry = DueEntry { due: world.now(), app: app_id(0), what };
                process_due(&sweep.checker, &sweep.bucket, &sweep.poster, &app, &entry, |_, _| true).await.unwrap();
                world.simulator.idle().await;
            }
            Approves | Rejects => {
                let expected = if world.state(id).await == "withdrawn" { 409 } else { 200 };
                let answer = world.decide(id, if happening == Approves { "approve" } else { "reject" }).await;
                assert_eq!(answer.status, expected, "{self:?}: {answer}");
            }
            Withdraws => {
                world.delete(&format!("/v1/submissions/{id}?openid={key}"), &server_key(0)).await.expect(204);
            }
        }
    }

    /// Lets it all happen, and asks the oracle after each step.
    async fn unfold(&self, world: &World, id: &str, openid: &str) {
        let stored = world.stored(id).await;
        let trace =
            |part: &greenlight::domain::submission::Part| part.attempts[0].trace_id.as_ref().unwrap().to_string();
        let traces: Vec<String> = stored.parts.iter().map(trace).collect();
        for (index, happening) in self.order.iter().enumerate() {
            self.happens(world, id, openid, &traces, *happening).await;
            let stored = world.stored(id).await;
            let done = &self.order[..=index];
            assert_eq!(stored.state.as_str(), self.oracle(done), "{self:?} after {done:?}: {stored:?}");
        }
        let public = world.get(&format!("/v1/submissions/{id}"), "").await;
        let ends = self.oracle(&self.order);
        assert_eq!(public.status, if ends == "approved" { 200 } else { 404 }, "{self:?}: {public}");
    }
}

const SUGGESTS: [&str; 3] = ["pass", "review", "risky"];

/// Begins with each of `of` in turn, and does the same backwards; with all that WeChat can say of two pictures.
fn stories(of: &[Happening]) -> Vec<Story> {
    let backwards: Vec<Happening> = of.iter().rev().copied().collect();
    let orders = [of, &backwards].into_iter().flat_map(|of| {
        (0..of.len()).map(|first| of.iter().cycle().skip(first).take(of.len()).copied().collect::<Vec<_>>())
    });
    let verdicts = SUGGESTS.into_iter().flat_map(|first| SUGGESTS.map(|second| [first, second]));
    let verdicts: Vec<_> = verdicts.collect();
    orders
        .flat_map(|order| verdicts.iter().map(move |verdicts| Story { verdicts: *verdicts, order: order.clone() }))
        .collect()
}

/// Uploads a picture for an author, as a submission names it.
async fn upload(world: &World, openid: &str, file: &[u8]) -> Value {
    let fields = [("openid", None, openid.as_bytes()), ("file", Some("light.png"), file)];
    let (content_type, body) = form(&fields);
    let upload = world.request(Method::POST, "/v1/uploads", &server_key(0));
    let upload = world.send(upload.header("content-type", content_type).body(body)).await.expect(201);
    json!({"upload_id": upload.text("upload_id")})
}

/// One world, in which every story unfolds on a submission of its own, with pictures of its own: what is known of one says
/// nothing about another.
async fn unfold_all(stories: Vec<Story>) {
    /// Each has an author of its own, so that they do not wait for each other.
    const SIDE_BY_SIDE: usize = 6;
    let world = &world_that_holds_pushes().await;
    let shares: Vec<Vec<Story>> =
        (0..SIDE_BY_SIDE).map(|share| stories.iter().skip(share).step_by(SIDE_BY_SIDE).cloned().collect()).collect();
    let submitted = join_all(shares.into_iter().enumerate().map(|(share, stories)| async move {
        let openid = World::openid(0, &format!("author{share}"));
        world.simulator.visit(&app_id(0), &openid);
        let mut submitted = Vec::new();
        for (number, story) in std::iter::zip(0.., stories) {
            let green = |part| picture([number, 160, u8::try_from(share).unwrap()], part);
            let media = [upload(world, &openid, &green(1)).await, upload(world, &openid, &green(2)).await];
            let body = json!({"scene": "forum", "channel": "square", "media": media, "openid": openid});
            submitted.push((story, world.submit(&server_key(0), &body).await.expect(201).text("id")));
        }
        (openid, submitted)
    }))
    .await;
    world.simulator.idle().await;
    // Late for everybody, so that a sweep has something to do at any place in an order.
    world.pass(36 * 60);
    join_all(submitted.iter().map(|(openid, submitted)| async move {
        for (story, id) in submitted {
            story.unfold(world, id, openid).await;
        }
    }))
    .await;
    // Afterwards the schedule finds nothing but bytes to erase, and changes nothing that was decided.
    world.simulator.idle().await;
    world.until_nothing_is_due().await;
    for (story, id) in submitted.iter().flat_map(|(_, submitted)| submitted) {
        let ends = story.oracle(&story.order);
        assert_eq!(world.state(id).await, ends, "{story:?}");
        if ends == "withdrawn" {
            bytes_go(world, id).await;
        }
    }
}

/// Every order at all is walked through in the core; here the handlers, the table and the bucket are part of it.
#[tokio::test(flavor = "multi_thread")]
async fn pushes_sweeps_moderators_and_authors_lead_to_the_same_end_whoever_comes_first() {
    unfold_all(stories(&[Push, PushAgain, SecondPush, Sweep])).await;
    unfold_all(stories(&[Push, Sweep, Approves, SecondPush, Rejects])).await;
    unfold_all(stories(&[Push, Approves, SecondPush, Withdraws, Sweep])).await;
}

/// What comes between while a handler stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    ThePushes,
    TheSame,
    Sweep,
    Approval,
    Rejection,
    Withdrawal,
}

impl Between {
    const ALL: [Self; 6] =
        [Self::ThePushes, Self::TheSame, Self::Sweep, Self::Approval, Self::Rejection, Self::Withdrawal];

    /// Lets it happen. Where the submission must end because of it, if that decides.
    async fn happens(self, world: &World, alice: &str, id: &str, body: &Value) -> Option<&'static str> {
        match self {
            Self::ThePushes => {
                // Whatever WeChat has been asked so far it has judged, and tells.
                world.simulator.idle().await;
                world.simulator.release_pushes(&app_id(0), ReleaseOrder::NewestFirst).await;
                None
            }
            Self::TheSame => {
                assert_eq!(world.submit(alice, body).await.text("id"), id);
                None
            }
            Self::Sweep => {
                // Whoever stands still for so long has lost its claim.
                world.pass(150);
                world.sweep().await;
                None
            }
            Self::Approval | Self::Rejection => {
                if !world.exists(id).await {
                    return None;
                }
                let (decision, ends) =
                    if self == Self::Approval { ("approve", "approved") } else { ("reject", "rejected") };
                let withdrawn = world.state(id).await == "withdrawn";
                world.decide(id, decision).await.expect(if withdrawn { 409 } else { 200 });
                (!withdrawn).then_some(ends)
            }
            Self::Withdrawal => {
                let answer = world.delete(&format!("/v1/submissions/{id}"), alice).await;
                if answer.status == 404 {
                    return None;
                }
                answer.expect(204);
                Some("withdrawn")
            }
        }
    }
}

async fn two_pictures(world: &World, alice: &str) -> Value {
    let mut media = Vec::new();
    for seed in [1, 2] {
        media.push(json!({"upload_id": world.uploaded(alice, &picture(GREEN, seed)).await}));
    }
    json!({"idempotency_key": KEY, "scene": "forum", "channel": "square", "media": media})
}

/// All that WeChat held comes, all that is due is done; then it stands as it must, and so do its bytes.
async fn it_ends(world: &World, alice: &str, id: &str, ends: &str) {
    world.simulator.idle().await;
    world.behave(json!({}));
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    world.until_nothing_is_due().await;
    let stored = world.stored(id).await;
    assert_eq!(stored.state.as_str(), ends, "{stored:?}");
    let public = world.get(&format!("/v1/submissions/{id}"), "").await;
    if ends == "approved" {
        let public = public.expect(200).json();
        for (index, medium) in public["media"].as_array().unwrap().iter().enumerate() {
            let served = world.get(medium["url"].as_str().unwrap(), "").await.expect(200);
            assert_eq!(format!("\"{}\"", stored.media[index].sha256), served.headers["etag"]);
        }
    } else {
        public.expect(404);
    }
    world.only_what_passed_is_public(id).await;
    assert_eq!(world.listed("/v1/submissions", alice).await.len(), usize::from(ends != "withdrawn"));
    if ends == "withdrawn" {
        bytes_go(world, id).await;
    }
}

async fn between_a_submit(between: Between, waits: usize) -> bool {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    let (id, body) = (World::id_by_key("alice", KEY), two_pictures(&world, &alice).await);
    let router = world.functions.submit_content.clone().router();
    let mut submit = Stepped::new(router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body))));
    let ended = submit.run(waits).await;
    world.settled().await;
    let decides = between.happens(&world, &alice, &id, &body).await;
    let answered = ended.is_some();
    let answer = match ended {
        Some(answer) => answer.unwrap(),
        None => submit.finish().await.unwrap(),
    };
    assert!(matches!(answer.status().as_u16(), 200 | 201), "{between:?} at {waits}: {answer:?}");
    it_ends(&world, &alice, &id, decides.unwrap_or("approved")).await;
    answered
}

#[tokio::test]
async fn anything_may_come_between_at_every_await_of_a_submit() {
    for between in Between::ALL {
        at_every_await(|waits| between_a_submit(between, waits)).await;
    }
}

async fn all_of_it_between_a_submit(waits: usize) -> bool {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    let (id, body) = (World::id_by_key("alice", KEY), two_pictures(&world, &alice).await);
    let router = world.functions.submit_content.clone().router();
    let mut submit = Stepped::new(router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body))));
    let ended = submit.run(waits).await.is_some();
    world.settled().await;
    world.submit(&alice, &body).await;
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    world.until_nothing_is_due().await;
    if !ended {
        submit.finish().await.unwrap();
    }
    it_ends(&world, &alice, &id, "withdrawn").await;
    ended
}

#[tokio::test]
async fn a_submit_brings_back_no_bytes_of_what_was_submitted_and_withdrawn_meanwhile() {
    at_every_await(all_of_it_between_a_submit).await;
}

async fn between_a_sweep(between: Between, waits: usize) -> bool {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    let (id, body) = (World::id_by_key("alice", KEY), two_pictures(&world, &alice).await);
    world.submit(&alice, &body).await.expect(201);
    world.simulator.idle().await;
    world.pass(36 * 60);
    let functions = world.restarted().await;
    let mut sweep = Stepped::new(functions.sweep_overdue.run());
    let ended = sweep.run(waits).await.is_some();
    world.settled().await;
    let decides = between.happens(&world, &alice, &id, &body).await;
    if !ended {
        sweep.finish().await.unwrap();
    }
    it_ends(&world, &alice, &id, decides.unwrap_or("approved")).await;
    ended
}

#[tokio::test]
async fn anything_may_come_between_at_every_await_of_a_sweep() {
    for between in Between::ALL {
        at_every_await(|waits| between_a_sweep(between, waits)).await;
    }
}

async fn between_a_withdrawal(between: Between, waits: usize) -> bool {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    let (id, body) = (World::id_by_key("alice", KEY), two_pictures(&world, &alice).await);
    world.submit(&alice, &body).await.expect(201);
    world.simulator.idle().await;
    let router = world.functions.submit_content.clone().router();
    let path = format!("/v1/submissions/{id}");
    let mut withdrawal = Stepped::new(router.oneshot(request(Method::DELETE, &path, &alice, None)));
    let ended = withdrawal.run(waits).await.is_some();
    world.settled().await;
    between.happens(&world, &alice, &id, &body).await;
    if !ended {
        assert_eq!(withdrawal.finish().await.unwrap().status(), 204);
    }
    it_ends(&world, &alice, &id, "withdrawn").await;
    ended
}

#[tokio::test]
async fn anything_may_come_between_at_every_await_of_a_withdrawal() {
    for between in Between::ALL {
        at_every_await(|waits| between_a_withdrawal(between, waits)).await;
    }
}

/// A submit dies before the submission has its own copy of the bytes, and a moderator does not wait for the sweep.
async fn approval_after_a_dead_submit(waits: usize) -> bool {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    let (id, body) = (World::id_by_key("alice", KEY), two_pictures(&world, &alice).await);
    let router = world.functions.submit_content.clone().router();
    let submit = router.oneshot(request(Method::POST, "/v1/submissions", &alice, Some(&body)));
    let ended = Stepped::new(submit).run(waits).await.is_some();
    world.settled().await;
    if world.exists(&id).await {
        world.decide(&id, "approve").await.expect(200);
        it_ends(&world, &alice, &id, "approved").await;
    }
    ended
}

#[tokio::test]
async fn what_a_moderator_approves_has_its_bytes_wherever_its_submit_died() {
    at_every_await(approval_after_a_dead_submit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_and_a_moderator_at_once_end_with_the_moderator_or_a_refusal() {
    let world = world_that_holds_pushes().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    for seed in 0..10 {
        let id = world.submit_media(&alice, &[picture(GREEN, seed)]).await;
        world.simulator.idle().await;
        let stored = world.stored(&id).await;
        let trace = stored.parts[0].attempts[0].trace_id.clone().unwrap().to_string();
        let (pushed, decided) =
            tokio::join!(world.simulator.push_again(&app, &trace), world.decide_on(&id, "reject", stored.version));
        assert_eq!(pushed, Some(true));
        let ends = match decided.status.as_u16() {
            200 => "rejected",
            409 => "approved",
            _ => panic!("{decided}"),
        };
        assert_eq!(world.state(&id).await, ends);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moderators_at_once_do_not_both_speak() {
    let world = world_that_holds_pushes().await;
    let alice = world.log_in("alice").await;
    for seed in 0..10 {
        let id = world.submit_media(&alice, &[picture(GREEN, seed)]).await;
        let version = world.stored(&id).await.version;
        let (yes, no) = tokio::join!(world.decide_on(&id, "approve", version), world.decide_on(&id, "reject", version));
        let (ends, late) = match (yes.status.as_u16(), no.status.as_u16()) {
            (200, 409) => ("approved", no),
            (409, 200) => ("rejected", yes),
            _ => panic!("{yes} and {no}"),
        };
        assert_eq!((world.state(&id).await, late.text("code").as_str()), (ends, "version_conflict"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_submits_with_one_key_at_once_one_makes_the_submission() {
    let world = world_that_holds_pushes().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    let pictures = two_pictures(&world, &alice).await;
    let text = json!({"idempotency_key": "another key", "scene": "comment", "text": "今天天气真好"});
    for body in [&pictures, &text] {
        let answers = join_all((0..10).map(|_| world.submit(&alice, body))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 200, 200, 201]);
        assert!(answers.iter().all(|answer| answer.text("id") == answers[0].text("id")));
    }
    assert_eq!(world.simulator.calls(&app, Api::MediaCheckAsync), 2, "each picture is asked about once");
    assert_eq!(world.listed("/v1/submissions", &alice).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn sweeps_at_once_ask_about_each_medium_once() {
    let world = world_that_holds_pushes().await;
    let app = app_id(0);
    let alice = world.log_in("alice").await;
    let mut ids = Vec::new();
    for seed in 0..8 {
        ids.push(world.submit_media(&alice, &[picture(GREEN, seed), picture(GREEN, 100 + seed)]).await);
    }
    world.simulator.idle().await;
    assert_eq!(world.simulator.calls(&app, Api::MediaCheckAsync), 16);
    world.behave(json!({}));
    world.pass(36 * 60);
    let other = world.restarted().await;
    let (one, two, three) = tokio::join!(
        world.functions.sweep_overdue.run(),
        other.sweep_overdue.run(),
        world.functions.sweep_overdue.run()
    );
    assert_eq!([one, two, three].map(|sweep| sweep.unwrap().failed), [0, 0, 0]);
    world.simulator.idle().await;
    assert_eq!(world.simulator.calls(&app, Api::MediaCheckAsync), 32, "each once more");
    for id in &ids {
        assert_eq!(world.state(id).await, "approved");
    }
    assert_eq!(world.due_ever().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawals_at_once_both_succeed_and_erase() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut ids = Vec::new();
    for seed in 0..5 {
        let id = world.submit_media(&alice, &[picture(GREEN, seed), picture(GREEN, 100 + seed)]).await;
        world.simulator.idle().await;
        let path = format!("/v1/submissions/{id}");
        let owner = server_key(0);
        let (one, two) = tokio::join!(world.delete(&path, &alice), world.delete(&path, &owner));
        assert_eq!((one.status.as_u16(), two.status.as_u16()), (204, 204));
        ids.push(id);
    }
    world.until_nothing_is_due().await;
    for id in ids {
        assert_eq!(world.state(&id).await, "withdrawn");
    }
}
