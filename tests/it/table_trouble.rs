//! The table in trouble: answers that are lost, calls that are throttled, indexes that are behind.

use greenlight::domain::ids::{SubmissionId, TraceId};
use greenlight::domain::outcome::Outcome;
use greenlight::domain::submission::PartName;
use greenlight::domain::verdict::Verdict;
use greenlight::table::{DUE_SHARDS, Trace, TraceLink};
use greenlight_local::simulator::{Api, Behaviour, ReleaseOrder};
use greenlight_local::stack::TABLE;
use greenlight_tests::pictures::{GREEN, YELLOW, picture};
use greenlight_tests::table_proxy::{Call, CallMatch, Refusal};
use greenlight_tests::world::{Answer, World, server_key};
use serde_json::{Value, json};

use crate::trouble::{calls, minutes, recover, wx};

/// The SDK sends a request so often at most.
const ATTEMPTS: usize = 3;

/// Calls of one function of one kind, behind so many of them.
type Kind = (&'static str, &'static str, &'static str, usize);

fn matching((function, action, key, after): Kind) -> CallMatch {
    CallMatch::any().function(function).action(action).key(key).after(after)
}

/// 503 with a time to come again.
fn unavailable(answer: &Answer) -> bool {
    let unavailable = answer.status == 503;
    assert!(!unavailable || answer.headers.contains_key("retry-after"), "{answer}");
    unavailable
}

/// When the push about a picture comes. Which calls there are depends on it, so it is never left to chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushComes {
    /// Its trace is linked by then, so receive-push writes the submission.
    AfterTheSubmit,
    /// It is kept until the submit links its trace, and the submit writes the submission.
    BeforeTheAnswer,
}

impl PushComes {
    /// Submits as [`submitted`] does, while WeChat pushes then and not otherwise.
    async fn about(self, world: &World, alice: &str, body: &Value) -> String {
        let behaviour = world.simulator.behaviour(&wx());
        let pushing = match self {
            Self::AfterTheSubmit => Behaviour { hold_pushes: true, ..behaviour.clone() },
            Self::BeforeTheAnswer => Behaviour { push_before_answer: true, ..behaviour.clone() },
        };
        world.simulator.behave(&wx(), Behaviour { push_retry_delay_ms: 0, ..pushing });
        let id = submitted(world, alice, body).await;
        world.simulator.idle().await;
        world.simulator.release_pushes(&wx(), ReleaseOrder::OldestFirst).await;
        world.simulator.behave(&wx(), behaviour);
        id
    }
}

/// How many records of decisions stand beside a submission.
async fn decisions(world: &World, id: &str) -> usize {
    let table = world.dynamodb();
    let text = |value: String| aws_sdk_dynamodb::types::AttributeValue::S(value);
    let query = table.query().table_name(TABLE).key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
    let query = query.expression_attribute_values(":pk", text(format!("S#{id}")));
    let found = query.expression_attribute_values(":sk", text("D#".to_owned())).send().await.unwrap();
    usize::try_from(found.count()).unwrap()
}

/// Submits until it is taken, and once more, as a client does that gave it a key; both answers name one submission.
async fn submitted(world: &World, alice: &str, body: &Value) -> String {
    let mut taken: Option<String> = None;
    for _ in 0..6 {
        let answer = world.submit(alice, body).await;
        if unavailable(&answer) {
            continue;
        }
        assert!(answer.status.is_success(), "{answer}");
        match taken {
            None => taken = Some(answer.text("id")),
            Some(id) => {
                assert_eq!((answer.status.as_u16(), answer.text("id")), (200, id.clone()));
                return id;
            }
        }
    }
    panic!("it was never taken");
}

/// After trouble: it is decided, once, and stands once in each list.
async fn decided_once(world: &World, alice: &str, id: &str, why: &str) {
    world.simulator.idle().await;
    minutes(world, 5).await;
    assert_eq!(world.state(id).await, "approved", "{why}");
    assert_eq!(world.listed("/v1/submissions", alice).await, [id], "{why}");
    assert_eq!(world.feed(alice).await, [id], "{why}");
    assert_eq!(world.feed("").await, [id], "{why}");
    let version = world.stored(id).await.version;
    minutes(world, 40).await;
    assert_eq!(world.stored(id).await.version, version, "{why}: nothing is left to do");
}

const TEXT_WRITES: [Kind; 4] = [
    ("submit-content", "PutItem", "A#", 0),
    ("submit-content", "PutItem", "S#", 0),
    ("submit-content", "PutItem", "K#", 0),
    ("submit-content", "PutItem", "K#", 1),
];
const MEDIA_WRITES: [Kind; 6] = [
    ("submit-content", "PutItem", "A#", 0),
    ("submit-content", "PutItem", "S#", 0),
    ("submit-content", "PutItem", "S#", 1),
    ("submit-content", "PutItem", "K#", 0),
    ("submit-content", "PutItem", "K#", 1),
    ("submit-content", "UpdateItem", "T#", 0),
];
/// Whoever comes second writes the verdict; that WeChat read the picture is noted before.
const VERDICT_WRITES: [(PushComes, Kind); 5] = [
    (PushComes::AfterTheSubmit, ("serve-media", "PutItem", "S#", 0)),
    (PushComes::BeforeTheAnswer, ("serve-media", "PutItem", "S#", 0)),
    (PushComes::AfterTheSubmit, ("receive-push", "PutItem", "S#", 0)),
    (PushComes::BeforeTheAnswer, ("receive-push", "UpdateItem", "T#", 0)),
    (PushComes::BeforeTheAnswer, ("submit-content", "PutItem", "S#", 2)),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_submitted_once_whichever_answer_of_the_table_is_lost() {
    for kind in TEXT_WRITES {
        for lost in [1, ATTEMPTS] {
            let world = World::start().await;
            let alice = world.log_in("alice").await;
            for _ in 0..lost {
                world.proxy.lose_answer_of_next(matching(kind));
            }
            let body = json!({"scene": 2, "text": "你好", "channel": "square", "idempotency_key": "once-and-only"});
            let id = submitted(&world, &alice, &body).await;
            assert_eq!(world.proxy.orders_left(), 0, "{kind:?}");
            decided_once(&world, &alice, &id, &format!("{kind:?} {lost}")).await;
            assert!(calls(&world, Api::MsgSecCheck) <= 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_submitted_and_judged_once_whichever_answer_of_the_table_is_lost() {
    let either = [PushComes::AfterTheSubmit, PushComes::BeforeTheAnswer];
    let writes = either.into_iter().flat_map(|comes| MEDIA_WRITES.map(|kind| (comes, kind)));
    for (comes, kind) in writes.chain(VERDICT_WRITES) {
        for lost in [1, ATTEMPTS] {
            let why = format!("{comes:?} {kind:?} {lost}");
            let world = World::start().await;
            let alice = world.log_in("alice").await;
            let upload = world.uploaded(&alice, &picture(GREEN, 1)).await;
            for _ in 0..lost {
                world.proxy.lose_answer_of_next(matching(kind));
            }
            let media = json!([{"upload_id": upload}]);
            let body = json!({"scene": 2, "media": media, "channel": "square", "idempotency_key": "once-and-only"});
            let id = comes.about(&world, &alice, &body).await;
            assert_eq!(world.proxy.orders_left(), 0, "{why}");
            decided_once(&world, &alice, &id, &why).await;
            // WeChat reads while its answer is written down, so that write may be refused, and the refusal lost: then nothing
            // says that the check was taken. And what cannot be noted as read is broken off.
            let asked_again = kind == MEDIA_WRITES[2] || kind.0 == "serve-media";
            let most = if asked_again && lost == ATTEMPTS { 2 } else { 1 };
            let asked = calls(&world, Api::MediaCheckAsync);
            assert!((1..=most).contains(&asked), "{why}: nothing was lost, and it was asked {asked} times");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moderators_decision_is_written_once_though_the_answer_is_lost() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for lost in [1, ATTEMPTS] {
        let id = world.submit_text(&alice, "可疑").await.expect(201).text("id");
        let version = world.stored(&id).await.version;
        for _ in 0..lost {
            world.proxy.lose_answer_of_next(CallMatch::any().action("TransactWriteItems"));
        }
        let answer = world.decide_on(&id, "approve", version).await;
        assert_eq!(unavailable(&answer), lost == ATTEMPTS, "{answer}");
        assert_eq!(world.proxy.orders_left(), 0);
        // Who was not answered learns by repeating that it has moved: it was written.
        let again = world.decide_on(&id, "approve", version).await;
        assert_eq!(again.expect(409).text("code"), "version_conflict");
        let stored = world.stored(&id).await;
        assert_eq!((stored.state.as_str(), stored.version), ("approved", version + 1));
        assert_eq!(decisions(&world, &id).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_and_a_ban_hold_though_the_answer_is_lost() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for lost in [1, ATTEMPTS] {
        for after in [0, 1] {
            let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
            world.simulator.idle().await;
            for _ in 0..lost {
                world.proxy.lose_answer_of_next(matching(("submit-content", "PutItem", "S#", after)));
            }
            let path = format!("/v1/submissions/{id}");
            let answer = world.delete(&path, &alice).await;
            assert!(unavailable(&answer) || answer.status == 204, "{answer}");
            world.get(&path, &alice).await.expect(404);
            world.delete(&path, &alice).await.expect(204);
            assert_eq!((world.proxy.orders_left(), world.state(&id).await), (0, "withdrawn"));
            world.get(&format!("/media/{id}/0.png"), "").await.expect(404);
            minutes(&world, 12).await;
            assert_eq!(world.stored(&id).await.erase_due, None, "its bytes are gone for good");
        }
        let until = world.now().plus(std::time::Duration::from_secs(600)).to_string();
        let openid = World::openid(0, "alice");
        let ban = json!({"openid": openid, "until": until, "reason": "spam", "moderator": "li"});
        for _ in 0..lost {
            world.proxy.lose_answer_of_next(matching(("submit-content", "PutItem", "A#", 0)));
        }
        let answer = world.post("/v1/bans", &server_key(0), &ban).await;
        assert_eq!(unavailable(&answer), lost == ATTEMPTS, "{answer}");
        assert_eq!(world.submit_text(&alice, "你好").await.expect(403).text("code"), "author_banned");
        world.pass(601);
    }
}

/// What kinds of calls these are, each once.
fn kinds(calls: &[Call]) -> Vec<CallMatch> {
    let mut seen = Vec::new();
    for call in calls {
        let kind = (call.function.clone(), call.action.clone(), call.key_prefix().to_owned());
        if !seen.contains(&kind) {
            seen.push(kind);
        }
    }
    seen.iter().map(|(function, action, key)| CallMatch::any().function(function).action(action).key(key)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_is_throttled_at_any_call_is_503_or_pending_and_fine_later() {
    let mut turn = 0;
    for comes in [None, Some(PushComes::AfterTheSubmit), Some(PushComes::BeforeTheAnswer)] {
        let world = World::start().await;
        // Each turn needs a new token.
        world.behave(json!({"token_lifetime_s": 30}));
        let mut kinds_left: Option<Vec<CallMatch>> = None;
        loop {
            turn += 1;
            let alice = world.log_in(&format!("alice{turn}")).await;
            let mut body = json!({"scene": 2, "text": "你好", "idempotency_key": "once-and-only"});
            if comes.is_some() {
                // Each turn has a picture that nothing is known of.
                body["media"] = json!([{"upload_id": world.uploaded(&alice, &picture(GREEN, turn)).await}]);
            }
            // So that what is known of the app is read again.
            world.pass(31);
            world.proxy.forget_calls();
            let throttled = match &mut kinds_left {
                // The first turn goes well, and tells which calls there are.
                None => None,
                Some(left) => match left.pop() {
                    Some(kind) => Some(kind),
                    None => break,
                },
            };
            if let Some(kind) = &throttled {
                world.proxy.throttle_next(kind.clone(), ATTEMPTS);
            }
            let id = match comes {
                None => submitted(&world, &alice, &body).await,
                Some(comes) => comes.about(&world, &alice, &body).await,
            };
            assert_eq!(world.proxy.orders_left(), 0, "{comes:?} {throttled:?}");
            kinds_left.get_or_insert_with(|| kinds(&world.proxy.calls()));
            minutes(&world, 5).await;
            assert_eq!(world.state(&id).await, "approved", "{comes:?} {throttled:?}");
            assert_eq!(world.listed("/v1/submissions", &alice).await, [id], "{comes:?} {throttled:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_or_a_decision_that_is_throttled_is_503_and_fine_later() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let owner = server_key(0);
    let doubtful = json!({"scene": 2, "text": "可疑", "channel": "square"});
    let id = world.submit(&alice, &doubtful).await.expect(201).text("id");
    let one = format!("/v1/submissions/{id}");
    let gets = [
        (one.as_str(), alice.as_str()),
        ("/v1/submissions", &alice),
        ("/v1/channels/square/submissions", &alice),
        ("/v1/reviews", &owner),
    ];
    for (path, key) in gets {
        world.proxy.forget_calls();
        let whole = world.get(path, key).await.expect(200);
        for kind in kinds(&world.proxy.calls()) {
            world.proxy.throttle_next(kind.clone(), ATTEMPTS);
            assert!(unavailable(&world.get(path, key).await), "{path} {kind:?}");
            assert_eq!(world.proxy.orders_left(), 0, "{path} {kind:?}");
            assert_eq!(world.get(path, key).await.expect(200).bytes, whole.bytes, "{path}");
            // One that the SDK's own attempts outlast is not even noticed.
            world.proxy.throttle_next(kind, ATTEMPTS - 1);
            world.get(path, key).await.expect(200);
        }
    }
    let version = world.stored(&id).await.version;
    for action in ["GetItem", "TransactWriteItems"] {
        world.proxy.throttle_next(CallMatch::any().action(action).key("S#"), ATTEMPTS);
        assert!(unavailable(&world.decide_on(&id, "reject", version).await));
    }
    world.decide_on(&id, "reject", version).await.expect(200);
    for action in ["GetItem", "PutItem"] {
        world.proxy.throttle_next(CallMatch::any().action(action).key("S#"), ATTEMPTS);
        assert!(unavailable(&world.delete(&one, &alice).await));
        assert_eq!(world.state(&id).await, "rejected");
    }
    world.delete(&one, &alice).await.expect(204);
    // The shards are read together, and the first that fails ends the run: the orders are for one of them, or some might
    // be left for the next run.
    for shard in 0..DUE_SHARDS {
        let queue = format!("due#{shard}");
        world.proxy.throttle_next(CallMatch::any().function("sweep-overdue").action("Query").key(&queue), ATTEMPTS);
        assert!(world.functions.sweep_overdue.run().await.is_err(), "a sweep that misses a shard is a failed one");
        assert_eq!(world.proxy.orders_left(), 0, "{queue}");
        world.sweep().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_behind_hides_nothing_of_an_authors_own() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let square = |text: &str| json!({"scene": 2, "text": text, "channel": "square"});
    let old = world.submit(&alice, &square("旧的")).await.expect(201).text("id");
    world.pass(1);
    world.proxy.answer_index_queries_from_the_past(true).await;
    let new = world.submit(&alice, &square("新的")).await.expect(201).text("id");
    world.pass(1);
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": -1}}]}));
    let pending = world.submit(&alice, &square("等着")).await.expect(201).text("id");
    recover(&world);
    let own = world.listed("/v1/submissions", &alice).await;
    assert_eq!(own, [pending.as_str(), &new, &old], "newest first, at once");
    assert_eq!(world.feed(&alice).await, [pending.as_str(), &new, &old], "as if it were public");
    assert_eq!(world.feed(&bob).await, [old.as_str()], "others see what the index shows");

    world.delete(&format!("/v1/submissions/{new}"), &alice).await.expect(204);
    let own = world.listed("/v1/submissions", &alice).await;
    assert_eq!(own, [pending.as_str(), &old]);
    world.proxy.answer_index_queries_from_the_past(false).await;
    assert_eq!(world.feed(&bob).await, [old.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_behind_shows_nothing_that_was_taken_back_taken_down_or_decided() {
    let world = World::start().await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in("bob").await);
    let owner = server_key(0);
    let square = |text: &str| json!({"scene": 2, "text": text, "channel": "square"});
    let mut shown = Vec::new();
    for text in ["一", "二", "三"] {
        shown.push(world.submit(&alice, &square(text)).await.expect(201).text("id"));
        world.pass(1);
    }
    let doubtful = world.submit(&alice, &square("可疑")).await.expect(201).text("id");
    let also = world.submit_media(&alice, &[picture(YELLOW, 1)]).await;
    world.simulator.idle().await;
    world.proxy.answer_index_queries_from_the_past(true).await;

    world.delete(&format!("/v1/submissions/{}", shown[0]), &alice).await.expect(204);
    world.decide(&shown[1], "reject").await.expect(200);
    world.decide(&doubtful, "approve").await.expect(200);
    assert_eq!(world.feed(&bob).await, [shown[2].as_str()]);
    assert_eq!(world.feed("").await, [shown[2].as_str()]);
    assert_eq!(world.listed("/v1/reviews", &owner).await, [also.as_str()]);
    world.proxy.catch_up().await;
    assert_eq!(world.feed(&bob).await, [doubtful.as_str(), &shown[2]]);
    assert_eq!(world.listed("/v1/reviews", &owner).await, [also.as_str()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_by_an_index_that_is_behind_does_only_what_is_really_due() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let (settled, withdrawn) = (
        world.submit_media(&alice, &[picture(GREEN, 1)]).await,
        world.submit_media(&alice, &[picture(GREEN, 2)]).await,
    );
    world.simulator.idle().await;
    world.proxy.answer_index_queries_from_the_past(true).await;
    world.simulator.release_pushes(&wx(), Default::default()).await;
    world.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]}));
    let unseen = world.submit_text(&alice, "你好").await.expect(201).text("id");
    let versions = async || (world.stored(&settled).await.version, world.stored(&unseen).await.version);
    let before = versions().await;
    for _ in 0..5 {
        world.pass(60);
        let swept = world.sweep().await;
        assert_eq!((swept.worked, swept.failed), (0, 0));
    }
    assert_eq!(versions().await, before);
    assert_eq!((world.state(&settled).await, calls(&world, Api::MediaCheckAsync)), ("approved", 2));
    world.proxy.catch_up().await;
    world.sweep().await;
    assert_eq!(world.state(&unseen).await, "approved");
    // Now the index says that it is still due, and it is not.
    let asked = calls(&world, Api::MsgSecCheck);
    world.sweep().await;
    assert_eq!(calls(&world, Api::MsgSecCheck), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_pushes_that_disagree_before_their_trace_is_linked_the_worse_holds() {
    let world = World::start().await;
    let (table, now) = (world.table(), world.now());
    let (pass, review) = (Verdict::from_result(Some("pass"), None), Verdict::from_result(Some("review"), None));
    let link = TraceLink { submission: SubmissionId::random(), part: PartName::Medium(0), attempt: 0, bytes: None };
    for (trace_id, pushed) in [("one-trace", [pass, review]), ("another", [review, pass])] {
        let trace_id = TraceId::parse(trace_id).unwrap();
        let app = wx();
        for verdict in pushed {
            let known = table.record_outcome(&app, &trace_id, &Outcome::Verdict(verdict).into(), now).await.unwrap();
            assert_eq!(known.link, None);
        }
        let failed = Outcome::Failed { errcode: Some(-1008) };
        table.record_outcome(&app, &trace_id, &failed.into(), now).await.unwrap();
        let met = table.link_trace(&app, &trace_id, &link, now).await.unwrap();
        assert_eq!(met, Trace { link: Some(link.clone()), said: Some(Outcome::Verdict(review).into()) });
        let again = table.record_outcome(&app, &trace_id, &failed.into(), now).await.unwrap();
        assert_eq!(again.link, Some(link.clone()));
    }
}

#[tokio::test]
async fn a_write_that_meets_a_transaction_is_made_once_more() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for action in ["PutItem", "TransactWriteItems"] {
        let key = CallMatch::any().action(action).key("S#");
        world.proxy.refuse_next(key, Refusal::TransactionConflict, 2);
    }
    let doubtful = world.submit_text(&alice, "可疑").await.expect(201);
    assert_eq!(doubtful.text("state"), "in_review");
    world.decide(&doubtful.text("id"), "approve").await.expect(200);
    assert_eq!(world.proxy.orders_left(), 0);
    assert_eq!(decisions(&world, &doubtful.text("id")).await, 1);
}

#[tokio::test]
async fn a_transaction_that_is_throttled_is_503_and_no_conflict() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_text(&alice, "可疑").await.expect(201).text("id");
    let deciding = CallMatch::any().action("TransactWriteItems").key("S#");
    world.proxy.refuse_next(deciding, Refusal::TransactionConflict, 1_000);
    assert!(unavailable(&world.decide(&id, "approve").await));
    assert_eq!(world.state(&id).await, "in_review");
}
