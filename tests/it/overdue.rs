//! The due queue: what was lost is asked again, what was begun is finished, and no quota is overrun on the way.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::StreamSpecification;
use futures_util::{StreamExt, stream};
use greenlight::bucket::media_key;
use greenlight::domain::ids::{OpenId, SubmissionId};
use greenlight::domain::submission::{GivenUp, Medium, NewSubmission, PartState, Retain, Scene, Submission};
use greenlight::domain::text::Content;
use greenlight::table::Saved;
use greenlight_local::simulator::{Api, ForcedVerdict, ReleaseOrder, Verdict};
use greenlight_local::stack::TABLE;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{Plan, World, app_id};
use serde_json::json;
use sweep_overdue::{Share, Sweep, SweepOverdue};

use crate::trouble::{attempts, calls, first_part, id_of, media_checks, minutes, recover, submit_text_for, wx};

/// Longer than WeChat's two hours, where a test is not about those.
const LONG: u64 = 1_000_000;

/// A sweep in a process of its own, that talks to the table without the proxy: what is measured here is the sweep.
async fn own_sweep(world: &World) -> SweepOverdue {
    let mut settings: HashMap<&str, String> = world.stack.settings();
    settings.insert("GREENLIGHT_WECHAT_URL", world.simulator.url());
    settings.insert("GREENLIGHT_PUBLIC_URL", world.url.clone());
    let lookup = |name: &str| settings.get(name).cloned();
    SweepOverdue::start(&lookup, world.clock.clone()).await.unwrap()
}

/// A submission of alice's as it is before anything was asked about it: due now.
fn waiting(world: &World, text: Option<&str>, media: Vec<Medium>) -> Submission {
    let new = NewSubmission {
        id: SubmissionId::random(),
        app: wx(),
        openid: OpenId::parse(&World::openid(0, "alice")).unwrap(),
        scene: Scene::Comment,
        content: Content { text: text.map(str::to_owned), ..Content::default() },
        media,
        channel: None,
        metadata: None,
        external_id: None,
        tells: false,
        replaces: None,
        reply_to: None,
        context: None,
        retain: Retain::Always,
        vouched: false,
        request_hash: None,
    };
    Submission::new(new, world.now())
}

/// Puts submissions into the table; the bytes of their media are copies of what `example` has.
async fn store(sweep: &SweepOverdue, submissions: Vec<Submission>, example: Option<&Submission>) -> Vec<SubmissionId> {
    stream::iter(submissions)
        .map(|mut submission| async move {
            for (index, medium) in submission.media.iter().enumerate() {
                let Some(example) = example else { continue };
                let bytes = media_key(&example.id, 0, medium);
                sweep.bucket.copy(&bytes, &media_key(&submission.id, index, medium)).await.unwrap();
            }
            let saved = sweep.checker.table.commit(None, &mut submission, &[]).await.unwrap();
            assert!(matches!(saved, Saved::Done));
            submission.id
        })
        .buffer_unordered(32)
        .collect()
        .await
}

/// How many of them are in each state.
async fn states(sweep: &SweepOverdue, ids: &[SubmissionId]) -> HashMap<&'static str, usize> {
    let mut states = HashMap::new();
    for submission in sweep.checker.table.submissions(ids).await.unwrap() {
        *states.entry(submission.state.as_str()).or_default() += 1;
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_lost_is_asked_for_again_four_times_and_then_a_moderator_looks() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"drop_pushes": "all"}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    for attempt in 1..=3 {
        minutes(&world, 34).await;
        assert_eq!(attempts(&world, &id).await, [attempt]);
        minutes(&world, 1).await;
        assert_eq!(attempts(&world, &id).await, [attempt + 1]);
    }
    minutes(&world, 34).await;
    assert_eq!(world.state(&id).await, "pending");
    minutes(&world, 1).await;
    assert_eq!(world.state(&id).await, "in_review");
    assert_eq!(first_part(&world, &id).await, PartState::GivenUp { why: GivenUp::Attempts });
    assert_eq!(calls(&world, Api::MediaCheckAsync), 4);

    // Hours later one of the pushes turns up.
    world.pass(3 * 3600);
    let trace_id = media_checks(&world)[1].trace_id.clone().unwrap();
    assert_eq!(world.simulator.push_again(&wx(), &trace_id).await, Some(true));
    assert_eq!(world.state(&id).await, "approved");
    // And another one says otherwise about the same bytes.
    let trace_id = media_checks(&world)[0].trace_id.clone().unwrap();
    let risky = ForcedVerdict::Verdict(Verdict::new("risky", 20001));
    assert_eq!(world.simulator.push_verdict(&wx(), &trace_id, &risky).await, Some(true));
    assert_eq!(world.state(&id).await, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_push_about_an_earlier_attempt_counts_while_a_later_one_is_under_way() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"drop_pushes": {"next": 1}}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    world.behave(json!({"hold_pushes": true}));
    minutes(&world, 35).await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("pending", vec![2]));
    let first = media_checks(&world)[0].trace_id.clone().unwrap();
    assert_eq!(world.simulator.push_again(&wx(), &first).await, Some(true));
    assert_eq!(world.state(&id).await, "approved");
    let version = world.stored(&id).await.version;
    assert_eq!(world.simulator.release_pushes(&wx(), Default::default()).await.accepted, 1);
    assert_eq!(world.stored(&id).await.version, version, "the later push changes nothing any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_crashed_after_its_first_write_is_finished_after_its_claim() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for _ in 0..3 {
        world.proxy.cut_before_next(CallMatch::any().function("submit-content").action("PutItem").key("S#").after(1));
    }
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.proxy.orders_left(), 0);
    assert_eq!((world.state(&id).await, calls(&world, Api::MediaCheckAsync)), ("pending", 1));
    minutes(&world, 1).await;
    assert_eq!(calls(&world, Api::MediaCheckAsync), 1, "whoever submits still has its claim");
    minutes(&world, 1).await;
    assert_eq!((world.state(&id).await, calls(&world, Api::MediaCheckAsync)), ("approved", 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_that_crashed_before_its_trace_was_linked_is_joined_with_its_push() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for _ in 0..3 {
        world.proxy.cut_before_next(CallMatch::any().function("submit-content").action("UpdateItem").key("T#"));
    }
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!((world.proxy.orders_left(), world.state(&id).await), (0, "pending"));
    minutes(&world, 2).await;
    assert_eq!((world.state(&id).await, calls(&world, Api::MediaCheckAsync)), ("approved", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_crashed_at_any_of_its_writes_is_finished_by_a_later_one() {
    for (action, key, after) in [("PutItem", "S#", 0), ("PutItem", "S#", 1), ("UpdateItem", "T#", 0)] {
        let world = World::start().await;
        let alice = world.log_in("alice").await;
        world.behave(json!({"fail": [{"api": "media_check_async", "how": {"errcode": -1}}]}));
        let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
        recover(&world);
        for _ in 0..3 {
            let write = CallMatch::any().function("sweep-overdue").action(action).key(key).after(after);
            world.proxy.cut_before_next(write);
        }
        world.pass(60);
        assert_eq!(world.sweep().await.failed, 1);
        assert_eq!((world.proxy.orders_left(), world.state(&id).await), (0, "pending"));
        minutes(&world, 3).await;
        assert_eq!(world.state(&id).await, "approved", "{action} {key}");
    }
}

/// So many texts, and submissions of two pictures each, are overdue at once; WeChat allows just one run's share a minute.
async fn worked_off_within_the_quotas(texts: usize, pictures: usize, share: Share) {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let quotas = json!({
        "msg_sec_check": {"per_minute": share.text},
        "media_check_async": {"per_minute": share.media},
    });
    // The pictures are not there to be read, so WeChat doubts them.
    let doubts = vec![json!({"verdict": {"suggest": "review", "label": 20001}}); 2 * pictures + 1];
    let reading = json!({"media_reading": "skip", "media_verdicts": doubts});
    let mut behaviour = json!({"quotas": quotas, "hold_pushes": true, "visit_window_s": LONG});
    behaviour.as_object_mut().unwrap().extend(reading.as_object().unwrap().clone());
    world.behave(behaviour);
    let example = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let example = world.stored(&example).await;
    let medium = example.media[0].clone();
    // The embedded DynamoDB looks at all records of a stream at each write, and nobody reads the stream here.
    let no_stream = StreamSpecification::builder().stream_enabled(false).build().unwrap();
    world.dynamodb().update_table().table_name(TABLE).stream_specification(no_stream).send().await.unwrap();
    let mut sweep = own_sweep(&world).await;
    sweep.share = share;
    let mut submissions: Vec<Submission> = (0..texts).map(|_| waiting(&world, Some("你好"), vec![])).collect();
    submissions.extend((0..pictures).map(|_| waiting(&world, None, vec![medium.clone(); 2])));
    let parts: usize = submissions.iter().map(|submission| submission.parts.len()).sum();
    let ids = store(&sweep, submissions, None).await;

    let asked = || calls(&world, Api::MsgSecCheck) + calls(&world, Api::MediaCheckAsync);
    let (before, mut runs) = (asked(), 0);
    loop {
        // Each run has a minute of its own, as on its schedule.
        world.pass(60);
        let swept = sweep.run().await.unwrap();
        assert_eq!(swept.failed, 0);
        runs += 1;
        if swept.held_back == 0 {
            break;
        }
    }
    assert_eq!(runs, texts.div_ceil(share.text).max((2 * pictures).div_ceil(share.media)));
    // One that was refused would have been asked again.
    assert_eq!(asked() - before, u64::try_from(parts).unwrap(), "each part was asked once");
    assert_eq!(states(&sweep, &ids).await, HashMap::from([("approved", texts), ("pending", pictures)]));
    world.simulator.idle().await;
    let pushed = world.simulator.release_pushes(&wx(), ReleaseOrder::Shuffled(7)).await;
    assert_eq!((pushed.pushes, pushed.accepted), (2 * pictures + 1, 2 * pictures + 1));
    assert_eq!(states(&sweep, &ids).await, HashMap::from([("approved", texts), ("in_review", pictures)]));
    world.pass(60);
    assert_eq!(sweep.run().await.unwrap(), Sweep::default(), "nothing is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_is_worked_off_within_the_quotas_in_as_many_runs_as_they_need() {
    worked_off_within_the_quotas(900, 50, Share { text: 200, media: 40 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_overdue_parts_are_worked_off_within_wechats_own_quotas() {
    worked_off_within_the_quotas(8_800, 600, Share::default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_long_texts_count_against_the_share() {
    let world = World::start().await;
    world.log_in("alice").await;
    let mut sweep = own_sweep(&world).await;
    sweep.share = Share { text: 20, media: 1 };
    world.behave(json!({"quotas": {"msg_sec_check": {"per_minute": 20}}}));
    // Each is nine windows: two fit into a share of twenty, with two more that a short one may have.
    let long = "字".repeat(20_000);
    let long = (0..6).map(|_| waiting(&world, Some(&long), vec![]));
    let ids = store(&sweep, long.collect(), None).await;
    for done in [2, 4, 6] {
        world.pass(60);
        sweep.run().await.unwrap();
        assert_eq!(states(&sweep, &ids).await.get("approved"), Some(&done));
    }
    assert!(world.simulator.checks().iter().all(|check| check.errcode == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sweeps_at_once_ask_about_each_part_once() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    // All have the same bytes, of which nothing is known until all are asked about.
    world.behave(json!({"hold_pushes": true}));
    let example = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let example = world.stored(&example).await;
    let medium = example.media[0].clone();
    let (one, two) = (own_sweep(&world).await, own_sweep(&world).await);
    let mut submissions: Vec<_> = (0..150).map(|_| waiting(&world, Some("你好"), vec![])).collect();
    submissions.extend((0..50).map(|_| waiting(&world, Some("你好"), vec![medium.clone()])));
    let ids = store(&one, submissions, Some(&example)).await;
    let before = world.simulator.checks().len();
    let (first, second) = tokio::join!(one.run(), two.run());
    assert_eq!((first.unwrap().failed, second.unwrap().failed), (0, 0));
    world.simulator.idle().await;
    assert_eq!(world.simulator.checks().len() - before, 250);
    world.simulator.release_pushes(&wx(), ReleaseOrder::OldestFirst).await;
    assert_eq!(states(&one, &ids).await, HashMap::from([("approved", 200)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_of_an_app_that_was_taken_out_waits_until_it_is_back() {
    let mut world = World::start_with(greenlight_tests::world::Plan { apps: 2, ..Default::default() }).await;
    world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]}));
    let id = id_of(&submit_text_for(&world, "alice", "你好").await);
    let whole = world.document.clone();
    let mut without = whole.clone();
    without["apps"].as_object_mut().unwrap().remove("wx0");
    world.set_secret(without);
    world.pass(301);
    assert_eq!(world.sweep().await, Sweep::default());
    world.set_secret(whole);
    world.pass(301);
    world.sweep().await;
    assert_eq!(world.state(&id).await, "approved");
}

/// Lets it be one in the morning in Beijing, so that midnight is far.
async fn morning(world: &World) {
    let midnight = world.now().next_beijing_midnight();
    world.clock.advance(midnight.since(world.now()) + Duration::from_secs(3600));
    world.log_in("alice").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_quota_is_tried_once_after_one_two_four_minutes_and_so_on_up_to_an_hour() {
    let world = World::start().await;
    morning(&world).await;
    for api in [Api::MsgSecCheck, Api::MediaCheckAsync] {
        world.behave(json!({"visit_window_s": LONG, "fail": [{"api": api, "calls": null, "how": {"errcode": 45009}}]}));
        let alice = world.log_in("alice").await;
        let sweep = own_sweep(&world).await;
        let example = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
        let example = world.stored(&example).await;
        let medium = example.media[0].clone();
        let waiting = (0..30).map(|_| match api {
            Api::MsgSecCheck => waiting(&world, Some("你好"), vec![]),
            _ => waiting(&world, None, vec![medium.clone()]),
        });
        let mut ids = store(&sweep, waiting.collect(), Some(&example)).await;
        ids.push(example.id.clone());
        // Those that were all under way when the quota ran out do not count as tries.
        sweep.run().await.unwrap();
        let mut tries = Vec::new();
        for minute in 1..=250 {
            world.pass(60);
            let before = calls(&world, api);
            sweep.run().await.unwrap();
            let asked = calls(&world, api) - before;
            assert!(asked <= 1, "one probe at a time, not {asked}");
            if asked == 1 {
                tries.push(minute);
            }
        }
        let first = tries[0];
        let since_first: Vec<i32> = tries.iter().map(|minute| minute - first).collect();
        assert_eq!(first, 1);
        assert_eq!(since_first, [0, 2, 6, 14, 30, 62, 122, 182, 242], "{api:?}");
        world.behave(json!({"visit_window_s": LONG}));
        for _ in 0..62 {
            world.pass(60);
            sweep.run().await.unwrap();
        }
        world.simulator.idle().await;
        assert_eq!(states(&sweep, &ids).await, HashMap::from([("approved", 31)]), "{api:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_quota_is_there_again_after_midnight_in_beijing() {
    let world = World::start().await;
    morning(&world).await;
    world.behave(json!({"visit_window_s": LONG, "quotas": {"msg_sec_check": {"per_day": 10}}}));
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(id_of(&submit_text_for(&world, "alice", "你好").await));
    }
    let midnight = world.now().next_beijing_midnight();
    let used = calls(&world, Api::MsgSecCheck);
    assert_eq!(used, 11, "one call found out that the quota is used up");
    while world.now() < midnight.minus(Duration::from_secs(60)) {
        minutes(&world, 1).await;
    }
    assert_eq!(world.state(ids.last().unwrap()).await, "pending");
    assert!(calls(&world, Api::MsgSecCheck) - used <= 6 + 23);
    minutes(&world, 3).await;
    for id in ids {
        assert_eq!(world.state(&id).await, "approved");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minutes_quota_is_waited_out_to_the_minute() {
    let world = World::start().await;
    world.log_in("alice").await;
    for errcode in [44991, 45009] {
        // In the field 45009 stands for the minute too.
        world.behave(
            json!({"quotas": {"msg_sec_check": {"per_minute": 5, "minute_errcode": errcode}}, "visit_window_s": LONG}),
        );
        world.clock.advance(world.now().next_minute().since(world.now()));
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(id_of(&submit_text_for(&world, "alice", "你好").await));
        }
        let pending: Vec<_> = ids.split_off(5);
        for id in &ids {
            assert_eq!(world.state(id).await, "approved");
        }
        for id in &pending {
            assert_eq!((world.state(id).await, attempts(&world, id).await), ("pending", vec![0]));
        }
        minutes(&world, 3).await;
        for id in &pending {
            assert_eq!(world.state(id).await, "approved", "{errcode}");
        }
    }
}

#[test]
fn the_default_share_is_half_of_what_wechat_allows() {
    // (WeChat: 4,000 text checks and 2,000 media checks a minute.)
    assert_eq!(Share::default(), Share { text: 2_000, media: 1_000 });
}

#[tokio::test]
async fn entries_that_this_code_does_not_know_are_left_alone() {
    let world = World::start().await;
    world.log_in("alice").await;
    let sweep = own_sweep(&world).await;
    let text = |value: &str| aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned());
    let unknown = [
        ("S#a", "0000000000001#wx0#z"),
        ("S#aaaaaaaaaaaaaaaaaaaaaaaaaa", "0000000000001#wx0#telling"),
        ("T#wx0#t", "0000000000001#wx0#t"),
        ("X", "0000000000001"),
        ("X#y", ""),
        ("S#aaaaaaaaaaaaaaaaaaaaaaaaab", "not-a-time#wx0#t"),
    ];
    for (partition, place) in unknown.into_iter().filter(|(_, place)| !place.is_empty()) {
        let put = world.dynamodb().put_item().table_name(greenlight_local::stack::TABLE);
        let put = put.item("pk", text(partition)).item("sk", text("O#1"));
        put.item("queue_pk", text("due#0")).item("queue_sk", text(place)).send().await.unwrap();
    }
    let ids = store(&sweep, vec![waiting(&world, Some("你好"), vec![])], None).await;
    world.pass(1);
    assert_eq!(sweep.run().await.unwrap(), Sweep { worked: 1, ..Sweep::default() });
    assert_eq!(states(&sweep, &ids).await, HashMap::from([("approved", 1)]));
}

#[tokio::test]
async fn one_apps_backlog_and_hanging_wechat_hold_back_no_other_app_and_no_erasure() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (alice, bob) = (world.log_in("alice").await, world.log_in_to(1, "bob").await);
    let withdrawn = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    world.delete(&format!("/v1/submissions/{withdrawn}"), &alice).await.expect(204);
    world.pass(11 * 60);
    world.simulator.behave(
        &app_id(1),
        serde_json::from_value(json!({"fail": [{"api": "msg_sec_check", "how": {"errcode": -1}}]})).unwrap(),
    );
    let pending = world.submit_text(&bob, "你好").await.expect(201).text("id");
    world.pass(120);
    let mut sweep = own_sweep(&world).await;
    sweep.share.text = 40;
    store(&sweep, (0..60).map(|_| waiting(&world, Some("你好"), vec![])).collect(), None).await;
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": "hang"}]}));
    // Sixteen of the backlog hang, and what is the other app's is done, and so is the erasure.
    let meanwhile = async {
        world.simulator.until_hanging(16).await;
        world.settled().await;
        assert_eq!(world.state(&pending).await, "approved");
        assert_eq!(world.stored(&withdrawn).await.erase_due, None);
    };
    tokio::select! {
        swept = sweep.run() => panic!("WeChat hangs: {swept:?}"),
        () = meanwhile => {}
    }
}
