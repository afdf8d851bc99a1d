//! Metrics: each is emitted by what it is named after, in the form that CloudWatch reads, whatever the log's level.

use std::collections::BTreeMap;

use greenlight::domain::clock::Clock;
use greenlight::metrics::{Embedded, Metric};
use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::pictures::{GREEN, RED, YELLOW, picture};
use greenlight_tests::world::{World, app_id, server_key};
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt};

use crate::logged::{Written, set_default};

/// What is measured on this thread, as long as this lives.
struct Measured {
    written: Written,
    _guard: DefaultGuard,
}

impl Measured {
    /// With a log that is off, as `GREENLIGHT_LOG=off` has it.
    fn start() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let embedded = Embedded::new("light".to_owned(), Clock::system(), move || writer.clone());
        let off = greenlight::log::filter(tracing::level_filters::LevelFilter::OFF);
        let all = tracing_subscriber::registry().with(fmt::layer().json().with_filter(off)).with(embedded);
        Self { written, _guard: set_default(all) }
    }

    fn lines(&self) -> Vec<Value> {
        self.written.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The sum of each metric so far, which are then forgotten.
    fn taken(&self) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for line in self.lines() {
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
                let name = metric["Name"].as_str().unwrap();
                *sums.entry(name.to_owned()).or_insert(0.0) += line[name].as_f64().unwrap();
            }
        }
        self.written.clear();
        sums
    }
}

/// Exactly these metrics, with these sums.
#[track_caller]
fn are(taken: &BTreeMap<String, f64>, expected: &[(Metric, f64)]) {
    let expected: BTreeMap<String, f64> =
        expected.iter().map(|(metric, value)| (metric.name().to_owned(), *value)).collect();
    assert_eq!(taken, &expected);
}

#[tokio::test]
async fn each_thing_that_happens_is_measured_once() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let measured = Measured::start();

    world.submit_text(&alice, "今天天气真好").await.expect(201);
    are(&measured.taken(), &[(Metric::Submissions, 1.0), (Metric::VerdictsPass, 1.0), (Metric::DecidedByWeChat, 1.0)]);
    world.submit_text(&alice, "forbidden").await.expect(201);
    are(&measured.taken(), &[(Metric::Submissions, 1.0), (Metric::VerdictsRisky, 1.0), (Metric::DecidedByWeChat, 1.0)]);

    // A doubtful picture, its push twice, a moderator, and its author's change of mind.
    world.behave(json!({"hold_pushes": true, "push_copies": 1}));
    let id = world.submit_media(&alice, &[picture(YELLOW, 1)]).await;
    world.simulator.idle().await;
    are(&measured.taken(), &[(Metric::Submissions, 1.0), (Metric::MediaChecks, 1.0)]);
    let trace_id = world.simulator.checks().last().unwrap().trace_id.clone().unwrap();
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::default()).await;
    world.simulator.push_again(&app_id(0), &trace_id).await;
    let mut pushed = measured.taken();
    assert!(pushed.remove(Metric::PushLatency.name()).is_some());
    let twice = (Metric::PushesTwice, 1.0);
    are(&pushed, &[twice, (Metric::VerdictsReview, 1.0), (Metric::LeftToPeople, 1.0)]);
    world.decide(&id, "approve").await.expect(200);
    are(&measured.taken(), &[(Metric::DecidedByModerator, 1.0)]);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    are(&measured.taken(), &[(Metric::Withdrawn, 1.0)]);

    // A push about what nobody asked, and one that is none.
    let verdict = json!({"Event": "wxa_media_check", "MsgType": "event", "appid": "wx0", "trace_id": "unknown", "version": 2,
        "errcode": 0, "result": {"suggest": "pass", "label": 100}});
    assert!(world.simulator.push_now(&app_id(0), &verdict.to_string()).await);
    are(&measured.taken(), &[(Metric::PushesOrphaned, 1.0)]);
    world.post("/push/wx0?signature=x&timestamp=1&nonce=1&msg_signature=x", "", &json!({"Encrypt": "x"})).await;
    are(&measured.taken(), &[(Metric::PushesRefused, 1.0)]);

    // A push that is lost: the sweep asks again, and says how late it is.
    world.behave(json!({"hold_pushes": true}));
    world.submit_media(&alice, &[picture(RED, 2)]).await;
    world.simulator.idle().await;
    measured.taken();
    world.pass(36 * 60);
    world.sweep().await;
    let mut swept = measured.taken();
    let late = swept.remove(Metric::OverdueAge.name()).unwrap();
    assert!(late >= 55.0, "{late}");
    let again = (Metric::AskedAgain, 1.0);
    are(&swept, &[(Metric::PushesLost, 1.0), (Metric::MediaChecks, 1.0), again]);

    // Passes of pictures that WeChat has read, and has not.
    world.behave(json!({}));
    world.submit_media(&alice, &[picture(GREEN, 3)]).await;
    world.simulator.idle().await;
    assert_eq!(measured.taken()[Metric::PassesUnproven.name()], 0.0);
    world.behave(json!({"media_reading": "skip"}));
    world.submit_media(&alice, &[picture(GREEN, 4)]).await;
    world.simulator.idle().await;
    let taken = measured.taken();
    assert_eq!((taken[Metric::PassesUnproven.name()], taken.get(Metric::VerdictsPass.name())), (1.0, None));

    // WeChat's refusals, each by what has to be done about it.
    for (errcode, metric) in
        [(-1, Metric::WeChatBusy), (40003, Metric::WeChatPermanent), (48001, Metric::WeChatConfiguration)]
    {
        world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": errcode}}]}));
        let body = json!({"scene": "comment", "content": "hello"});
        world.post("/v1/checks/text", &alice, &body).await.expect(503);
        are(&measured.taken(), &[(metric, 1.0)]);
    }
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": 44991}}]}));
    world.post("/v1/checks/text", &alice, &json!({"scene": "comment", "content": "hello"})).await.expect(503);
    are(&measured.taken(), &[(Metric::WeChatQuota, 1.0), (Metric::Pauses, 1.0)]);

    world.behave(json!({}));
    world.functions.refresh_token.run().await;
    let taken = measured.taken();
    let lives = taken[Metric::TokenLifetime.name()];
    assert!((60.0..=7_200.0).contains(&lives), "{lives}");
    assert_eq!(world.get("/v1/reviews", &server_key(0)).await.status, 200);
}

#[tokio::test]
async fn a_line_is_what_cloudwatch_reads() {
    let measured = Measured::start();
    greenlight::metrics::record(&[(Metric::PushesTwice, 1.0), (Metric::PushLatency, 250.0)]);
    // (AWS: "Specification: CloudWatch embedded metric format".)
    let [line] = measured.lines().try_into().unwrap();
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(directive["Namespace"], "Greenlight");
    assert_eq!(directive["Dimensions"], json!([["Stack"]]));
    let metrics = json!([{"Name": "PushLatency", "Unit": "Milliseconds"}, {"Name": "PushesTwice", "Unit": "Count"}]);
    assert_eq!(directive["Metrics"], metrics);
    assert_eq!(
        (&line["Stack"], &line["PushesTwice"], &line["PushLatency"]),
        (&json!("light"), &json!(1.0), &json!(250.0))
    );
    let now = Clock::system().now().0;
    assert!((now - 60_000..=now).contains(&line["_aws"]["Timestamp"].as_i64().unwrap()));
    // A level would let Lambda drop it.
    assert!(line.get("level").is_none() && line.get("timestamp").is_none());
}
