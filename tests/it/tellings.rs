//! Decisions told to the owner's backend: signed, at least once, in order, through outages and deaths.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::sha256::Sha256;
use greenlight_local::functions::Functions;
use greenlight_local::simulator::ReleaseOrder;
use greenlight_tests::awaits::{Stepped, at_every_await, request};
use greenlight_tests::pictures::{GREEN, RED, picture};
use greenlight_tests::table_proxy::{CallMatch, Refusal};
use greenlight_tests::world::{Plan, World, app_id, server_key};
use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use publish_decisions::changes::{Change, Changes, Failures};
use serde_json::{Value, json};
use standardwebhooks::{Webhook, WebhookError};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::logged::Logged;
use crate::requests::problem;

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The owner's backend: what it was told, oldest first, and what it answers.
#[derive(Clone)]
pub(crate) struct Backend {
    url: String,
    told: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    answers: Arc<Mutex<StatusCode>>,
}

impl Backend {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/decisions/", listener.local_addr().unwrap());
        let backend = Self { url, told: Arc::default(), answers: Arc::new(Mutex::new(StatusCode::NO_CONTENT)) };
        let take = async |State(backend): State<Self>, request: Request| -> Response {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            assert_eq!((head.method, head.uri.path()), (Method::POST, "/decisions/"));
            // An implementation that is not ours says whether it is genuine. It has no other clock than the machine's, and here
            // time passes by hand: then it signs the same once more.
            let (theirs, text) = (Webhook::new(KEY).unwrap(), |name: &str| head.headers[name].to_str().unwrap());
            let at = text("webhook-timestamp").parse().unwrap();
            assert_eq!(theirs.sign(text("webhook-id"), at, &body).unwrap(), text("webhook-signature"));
            let verified = theirs.verify(&body, &head.headers);
            assert!(matches!(verified, Ok(()) | Err(WebhookError::FutureTimestampError)), "{verified:?}");
            backend.told.lock().unwrap().push((head.headers, serde_json::from_slice(&body).unwrap()));
            let status = *backend.answers.lock().unwrap();
            (status, [(LOCATION, "http://127.0.0.1:1/")], "a page of any length").into_response()
        };
        let router = Router::new().fallback(take).with_state(backend.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        backend
    }

    pub(crate) fn answers(&self, status: StatusCode) {
        *self.answers.lock().unwrap() = status;
    }

    /// What it was told of this type, all of it, whatever it answered.
    pub(crate) fn told(&self, kind: &str) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter().map(|(_, body)| body.clone()).filter(|body| body["type"] == kind).collect()
    }

    /// What it was told since it was last asked: the submission, its state and version.
    pub(crate) fn heard(&self) -> Vec<(String, String, u64)> {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        let heard = told.into_iter().map(|(_, body)| {
            let text = |name: &str| body["data"][name].as_str().unwrap().to_owned();
            (text("id"), text("state"), body["data"]["version"].as_u64().unwrap())
        });
        heard.collect()
    }
}

/// A world whose first app has a backend that wants to be told, and functions that may go there.
pub(crate) async fn telling_world(apps: usize) -> (World, Functions, Backend) {
    let backend = Backend::start().await;
    let mut world = World::start_with(Plan { apps, ..Plan::default() }).await;
    let mut document = world.document.clone();
    for number in 0..apps {
        document["apps"][app_id(number).as_str()]["decision_url"] = json!(backend.url);
        document["apps"][app_id(number).as_str()]["decision_key"] = json!(KEY);
    }
    world.set_secret(document);
    let functions = world.restarted_with(&[("GREENLIGHT_ALLOW_PRIVATE", "true")]).await;
    (world, functions, backend)
}

pub(crate) async fn submit(functions: &Functions, key: &str, body: Value) -> Value {
    let request = request(Method::POST, "/v1/submissions", key, Some(&body));
    World::ask(functions, request).await.expect(201).json()
}

fn text(text: &str) -> Value {
    json!({"scene": "forum", "text": text, "external_id": "theirs-1"})
}

/// The sweep, once what the stream has lost has become due.
async fn sweep(world: &World, functions: &Functions) {
    world.pass(61);
    functions.sweep_overdue.run().await.unwrap();
}

/// What the stream delivers of these changes once more, as Lambda writes it.
fn change(app: &str, id: &str, number: u64) -> Value {
    json!({
        "eventName": "INSERT", "dynamodb": {
            "Keys": {"pk": {"S": format!("S#{id}")}, "sk": {"S": "O#000000001"}},
            "NewImage": {"app": {"S": app}}, "SequenceNumber": number.to_string(),
        },
    })
}

fn batch(records: &[Value]) -> Changes {
    serde_json::from_value(json!({"Records": records})).unwrap()
}

fn failed(failures: &Failures) -> Vec<&str> {
    failures.changes.iter().map(|failure| failure.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_of_state_is_told_with_what_it_stands_on() {
    let (world, functions, backend) = telling_world(1).await;
    let mut stream = world.table_stream();
    let publish = &functions.publish_decisions;
    let alice = world.log_in("alice").await;
    let approved = submit(&functions, &alice, text("今天天气真好")).await;
    stream.turn(publish).await;
    let (headers, told) = backend.told.lock().unwrap().pop().unwrap();
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(headers["webhook-id"], format!("msg_{}_1", approved["id"].as_str().unwrap()).as_str());
    assert_eq!(headers["webhook-timestamp"], world.now().unix_seconds().to_string().as_str());
    let trace = world.stored(approved["id"].as_str().unwrap()).await.parts[0].attempts[0].trace_id.clone().unwrap();
    let data = json!({
        "id": approved["id"], "app_id": app_id(0).as_str(), "external_id": "theirs-1", "vouched": false, "version": 1, "state": "approved",
        "decision": {"by": "wechat", "moderator": null, "reason": null}, "reasons": [],
        "parts": [{
            "part": "text", "sha256": Sha256::of("今天天气真好".as_bytes()).to_string(), "suggest": "pass", "trace_ids": [trace],
        }],
        "replaces": null, "replaced_by": null, "created_at": approved["created_at"],
    });
    assert_eq!(told, json!({"type": "submission.approved", "timestamp": approved["decided_at"], "data": data}));
    assert!(!headers.iter().any(|(_, value)| value.to_str().is_ok_and(|value| value.contains("天气"))));

    // A picture: pending is no decision. What a person decides, and what the author takes back, is told as well.
    let upload = world.uploaded(&alice, &picture(RED, 1)).await;
    world.behave(json!({"hold_pushes": true}));
    let pending = submit(&functions, &alice, json!({"scene": "forum", "media": [{"upload_id": upload}]})).await;
    let id = pending["id"].as_str().unwrap();
    world.simulator.idle().await;
    stream.turn(publish).await;
    assert_eq!((pending["state"].as_str(), backend.heard()), (Some("pending"), vec![]));
    world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
    world.simulator.idle().await;
    stream.turn(publish).await;
    let told = backend.told.lock().unwrap().last().unwrap().1.clone();
    assert_eq!(told["data"]["reasons"][0], json!({"part": "media/0", "why": "judged", "label": 20002}));
    assert_eq!(told["data"]["parts"][0]["sha256"], world.stored(id).await.media[0].sha256.to_string());
    world.decide(id, "approve").await.expect(200);
    world.delete(&format!("/v1/submissions/{id}"), &alice).await.expect(204);
    stream.turn(publish).await;
    let states: Vec<_> = backend.heard().into_iter().map(|(_, state, _)| state).collect();
    assert_eq!(states, ["rejected", "approved", "withdrawn"]);
    // And an edit tells of both.
    let new = submit(&functions, &alice, json!({"scene": "forum", "text": "改好了", "replaces": approved["id"]})).await;
    stream.turn(publish).await;
    let told: BTreeMap<_, _> = backend.heard().into_iter().map(|(id, state, _)| (id, state)).collect();
    assert_eq!(
        (told[approved["id"].as_str().unwrap()].as_str(), told[new["id"].as_str().unwrap()].as_str()),
        ("withdrawn", "approved")
    );
    world.until_nothing_is_due().await;
}

#[tokio::test]
async fn a_backend_that_is_down_is_told_later_in_order_and_given_up_after_a_day() {
    let (world, functions, backend) = telling_world(1).await;
    let mut stream = world.table_stream();
    let publish = &functions.publish_decisions;
    let logged = Logged::start();
    let alice = world.log_in("alice").await;
    for down in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::FOUND, StatusCode::NOT_FOUND] {
        backend.answers(down);
        // What a person has rejected waits for people when it comes again.
        let words = format!("今天天气真好 {down}");
        let id = submit(&functions, &alice, text(&words)).await["id"].as_str().unwrap().to_owned();
        stream.turn(publish).await;
        world.decide(&id, "reject").await.expect(200);
        stream.turn(publish).await;
        functions.sweep_overdue.run().await.unwrap();
        // The second waits for the first, and both for a minute.
        assert_eq!(backend.heard(), [(id.clone(), "approved".to_owned(), 1)], "{down}");
        backend.answers(StatusCode::OK);
        sweep(&world, &functions).await;
        let both = [(id.clone(), "approved".to_owned(), 1), (id, "rejected".to_owned(), 2)];
        assert_eq!(backend.heard(), both);
        sweep(&world, &functions).await;
        assert_eq!(backend.heard(), []);
    }
    // Down for a day.
    backend.answers(StatusCode::SERVICE_UNAVAILABLE);
    let id = submit(&functions, &alice, text("今天天气真好")).await["id"].as_str().unwrap().to_owned();
    let mut tries = 0;
    for _ in 0..30 * 12 {
        functions.sweep_overdue.run().await.unwrap();
        tries += backend.heard().len();
        world.pass(300);
    }
    assert!((20..=35).contains(&tries), "{tries} tries");
    assert_eq!(logged.lines_with("decision_given_up").len(), 1);
    let due: Vec<_> = world.due_ever().await;
    assert!(due.is_empty(), "{due:?}");
    // A later decision is told; what was given up when somebody asks for it.
    backend.answers(StatusCode::OK);
    world.decide(&id, "reject").await.expect(200);
    sweep(&world, &functions).await;
    assert_eq!(backend.heard(), [(id.clone(), "rejected".to_owned(), 2)]);
    let key = server_key(0);
    let alice = world.log_in("alice").await;
    problem(world.post("/v1/tellings/retries", &alice, &json!({})).await, 403, "server_key_required");
    assert_eq!(world.post("/v1/tellings/retries", &key, &json!({})).await.expect(200).json(), json!({"retried": 1}));
    sweep(&world, &functions).await;
    assert_eq!(backend.heard(), [(id, "approved".to_owned(), 1)]);
    assert_eq!(world.post("/v1/tellings/retries", &key, &json!({})).await.expect(200).json(), json!({"retried": 0}));
    let text = logged.text();
    assert!(!text.contains("天气") && !text.contains("C2FVsBQ") && !text.contains("/decisions/"), "{text}");
    assert!(!text.contains(&World::openid(0, "alice")) && !text.contains(&alice), "{text}");
}

/// A world of two apps; the first one's backend takes connections and never answers.
async fn world_with_a_silent_backend() -> (World, Functions, Backend, TcpListener) {
    let (mut world, _, backend) = telling_world(2).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut document = world.document.clone();
    document["apps"][app_id(0).as_str()]["decision_url"] = json!(format!("http://{}/", silent.local_addr().unwrap()));
    world.set_secret(document);
    let functions = world.restarted_with(&[("GREENLIGHT_ALLOW_PRIVATE", "true")]).await;
    (world, functions, backend, silent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_hangs_holds_up_nobody_elses() {
    let (world, functions, backend, _silent) = world_with_a_silent_backend().await;
    let (alice, bob) = (world.log_in_to(0, "alice").await, world.log_in_to(1, "bob").await);
    for number in 0..20 {
        submit(&functions, &alice, text(&format!("今天天气真好 {number}"))).await;
    }
    submit(&functions, &bob, text("今天天气真好")).await;
    let told = async || {
        while backend.told.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        backend.heard()
    };
    world.pass(61);
    tokio::select! {
        _ = functions.sweep_overdue.run() => panic!("the other is told before this one is given up"),
        heard = told() => assert_eq!(heard.len(), 1),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_waits_for_a_backend_that_hangs_once_and_no_other_waits_with_it() {
    let (world, functions, backend, _silent) = world_with_a_silent_backend().await;
    let (mut stream, publish) = (world.table_stream(), &functions.publish_decisions);
    let (alice, bob) = (world.log_in_to(0, "alice").await, world.log_in_to(1, "bob").await);
    for number in 0..12 {
        submit(&functions, &alice, text(&format!("今天天气真好 {number}"))).await;
    }
    submit(&functions, &bob, text("今天天气真好")).await;
    // As many as are told at once are tried, each for five seconds, and then nobody is.
    stream.turn(publish).await;
    assert_eq!(backend.heard().len(), 1);
    let tried = async |world: &World| {
        let mut tries = 0;
        for id in world.listed("/v1/submissions", &alice).await {
            tries += world.table().tellings(&SubmissionId::parse(&id).unwrap()).await.unwrap()[0].tries;
        }
        tries
    };
    let before = tried(&world).await;
    assert!((1..=8).contains(&before), "{before}");
    submit(&functions, &alice, text("and one more")).await;
    submit(&functions, &bob, text("明天也好")).await;
    stream.turn(publish).await;
    assert_eq!((backend.heard().len(), tried(&world).await), (1, before));
    // A minute later it is tried again.
    world.pass(61);
    submit(&functions, &alice, text("and another")).await;
    stream.turn(publish).await;
    assert_eq!(tried(&world).await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_brings_twice_is_told_once_and_what_it_loses_the_sweep_tells() {
    let (world, functions, backend) = telling_world(1).await;
    let (mut stream, publish) = (world.table_stream(), &functions.publish_decisions);
    let alice = world.log_in("alice").await;
    let id = submit(&functions, &alice, text("今天天气真好")).await["id"].as_str().unwrap().to_owned();
    let changes = stream.next().await.unwrap();
    let kinds = |is: fn(&Change) -> bool| changes.records.iter().filter(|change| is(change)).count();
    assert_eq!((kinds(Change::is_telling), kinds(Change::is_turn), changes.records.len()), (1, 1, 2), "{changes:?}");
    for _ in 0..2 {
        assert_eq!(publish.run(changes.clone()).await, Failures::default());
    }
    assert_eq!(backend.heard(), [(id, "approved".to_owned(), 1)]);
    // Lost: the sweep leaves it to the stream for a minute.
    let lost = submit(&functions, &alice, text("明天也好")).await["id"].as_str().unwrap().to_owned();
    drop(stream.next().await.unwrap());
    functions.sweep_overdue.run().await.unwrap();
    assert_eq!(backend.heard(), []);
    sweep(&world, &functions).await;
    assert_eq!(backend.heard(), [(lost, "approved".to_owned(), 1)]);
    world.until_nothing_is_due().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_holds_up_nothing_else() {
    let (world, functions, backend) = telling_world(1).await;
    let publish = &functions.publish_decisions;
    let logged = Logged::start();
    let alice = world.log_in("alice").await;
    let mut ids = Vec::new();
    for words in ["今天天气真好", "明天也好", "后天也好"] {
        ids.push(submit(&functions, &alice, text(words)).await["id"].as_str().unwrap().to_owned());
    }
    // One that nobody of ours wrote, one of an app that is not in the secret, and a table that does not answer once.
    world.proxy.refuse_next(CallMatch::any().function("publish-decisions").action("Query"), Refusal::ServerError, 3);
    let app = app_id(0);
    let first = publish.run(batch(&[change(app.as_str(), &ids[0], 100)])).await;
    assert_eq!((failed(&first), backend.heard()), (vec!["100"], vec![]));
    assert_eq!(world.proxy.orders_left(), 0);
    let changes = batch(&[
        change(app.as_str(), "no-id", 101),
        change(app.as_str(), &ids[0], 100),
        change("wxabsent", &ids[1], 102),
        change("", &ids[1], 103),
        change(app.as_str(), &ids[2], 104),
    ]);
    let second = publish.run(changes).await;
    assert_eq!(failed(&second), ["101", "103"]);
    let mut heard: Vec<_> = backend.heard().into_iter().map(|(id, ..)| id).collect();
    heard.sort();
    let mut expected = vec![ids[0].clone(), ids[2].clone()];
    expected.sort();
    assert_eq!(heard, expected);
    assert_eq!(logged.lines_with("change_not_understood").len(), 2);
    assert_eq!(logged.lines_with("decision_left").len(), 1);
    sweep(&world, &functions).await;
    assert_eq!(backend.heard(), [(ids[1].clone(), "approved".to_owned(), 1)]);
}

#[tokio::test]
async fn no_decision_is_untold_whoever_dies_where() {
    // The submit dies anywhere, and then the one that tells.
    for dies in ["submit", "sweep", "publish"] {
        at_every_await(|waits| async move {
            let (world, functions, backend) = telling_world(1).await;
            let alice = world.log_in("alice").await;
            let mut body = text("今天天气真好");
            body["idempotency_key"] = json!("one and the same");
            let submit = || request(Method::POST, "/v1/submissions", &alice, Some(&body));
            let router = functions.submit_content.clone().router();
            let lives = if dies == "submit" {
                Stepped::new(router.oneshot(submit())).run(waits).await.is_some()
            } else {
                let mut stream = world.table_stream();
                World::ask(&functions, submit()).await.expect(201);
                if dies == "publish" {
                    let changes = stream.next().await.unwrap();
                    Stepped::new(functions.publish_decisions.run(changes)).run(waits).await.is_some()
                } else {
                    world.pass(61);
                    Stepped::new(functions.sweep_overdue.run()).run(waits).await.is_some()
                }
            };
            world.proxy.quiet().await;
            let answer = World::ask(&functions, submit()).await;
            let id = answer.text("id");
            sweep(&world, &functions).await;
            let mut heard = backend.heard();
            heard.dedup();
            assert_eq!(heard, [(id, "approved".to_owned(), 1)], "{dies} dies after {waits}");
            world.until_nothing_is_due().await;
            lives
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_into_ones_own_network_and_nobody_without_a_url() {
    let (mut world, functions, backend) = telling_world(1).await;
    let alice = world.log_in("alice").await;
    submit(&functions, &alice, text("今天天气真好")).await;
    let strict = world.restarted().await;
    sweep(&world, &strict).await;
    assert_eq!(backend.heard(), []);
    assert_eq!(world.due_ever().await.len(), 1);
    // The owner wants to know no more.
    let mut document = world.document.clone();
    document["apps"][app_id(0).as_str()]["decision_url"] = Value::Null;
    world.set_secret(document);
    let functions = world.restarted().await;
    sweep(&world, &functions).await;
    submit(&functions, &alice, text("今天天气真好")).await;
    sweep(&world, &functions).await;
    assert_eq!((backend.heard(), world.due_ever().await), (vec![], vec![]));
    let stored = world.get("/v1/submissions", &alice).await.expect(200).json();
    assert_eq!(stored["submissions"].as_array().unwrap().len(), 2, "nothing else is lost with the URL");
    let green = world.uploaded(&alice, &picture(GREEN, 1)).await;
    submit(&functions, &alice, json!({"scene": "forum", "media": [{"upload_id": green}]})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_is_told_costs_nine_writes_and_one_each_for_its_external_id_and_the_record() {
    let (world, functions, backend) = telling_world(1).await;
    let alice = world.log_in("alice").await;
    let mut stream = world.table_stream();
    submit(&functions, &alice, text("热身")).await;
    stream.turn(&functions.publish_decisions).await;
    world.proxy.quiet().await;
    world.proxy.forget_calls();
    submit(&functions, &alice, text("今天天气真好")).await;
    stream.turn(&functions.publish_decisions).await;
    world.proxy.quiet().await;
    let calls = world.proxy.calls();
    let writes: f64 = calls.iter().map(|call| call.consumed_write).sum();
    assert!(backend.heard().len() == 2 && writes <= 11.0, "{writes} W: {calls:#?}");
}
