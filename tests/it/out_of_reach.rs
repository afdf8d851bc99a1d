//! Secrets Manager, S3 and WeChat out of reach: they hang, they refuse, no connection comes about.

use std::time::{Duration, Instant};

use greenlight_local::functions::Functions;
use greenlight_local::simulator::Api;
use greenlight_tests::awaits::request;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::relay::{Mood, Relay};
use greenlight_tests::table_proxy::CallMatch;
use greenlight_tests::world::{Answer, World, server_key};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::logged::Logged;
use crate::trouble::{attempts, calls, wx};

/// How long the secret is kept, and a moment.
const KEPT: u64 = 301;
const DENIED: Mood =
    Mood::Refuses(StatusCode::FORBIDDEN, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>");

async fn submit(functions: &Functions, key: &str, body: &Value) -> Answer {
    World::ask(functions, request(Method::POST, "/v1/submissions", key, Some(body))).await
}

fn a_text() -> Value {
    json!({"scene": "comment", "text": "今天天气真好", "openid": World::openid(0, "alice")})
}

/// An address at which nobody listens, and nobody else can.
fn refusing() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    (socket, url)
}

/// An address at which every further connection hangs: its backlog is full.
async fn hanging() -> (TcpListener, Vec<TcpStream>, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
        assert!(waiting.len() < 100, "this backlog has no end");
    }
    (listener, waiting, format!("http://{address}"))
}

#[tokio::test]
async fn a_secrets_manager_that_hangs_holds_up_no_push_and_nobody_else() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let relay = Relay::before(&world.stack.secrets_manager.url).await;
    let functions = world.restarted_with(&[("AWS_ENDPOINT_URL_SECRETS_MANAGER", &relay.url)]).await;
    let router = functions.router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    world.simulator.set_push_url(&wx(), &format!("{url}/push/{}", wx()));
    world.behave(json!({"hold_pushes": true, "push_retries": 0}));
    let ids = [
        world.submit_media(&alice, &[picture(GREEN, 1)]).await,
        world.submit_media(&alice, &[picture(GREEN, 2)]).await,
    ];
    world.simulator.idle().await;
    relay.is(Mood::Hangs);
    world.pass(KEPT);
    let begun = Instant::now();
    world.simulator.release_pushes(&wx(), Default::default()).await;
    // WeChat waits five seconds. The first push waits a second for the secret, the others not at all.
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(world.simulator.pushes().iter().all(|push| push.accepted), "{:?}", world.simulator.pushes());
    for id in ids {
        assert_eq!(world.state(&id).await, "approved");
    }
    // Once it answers again, what was changed meanwhile is known.
    relay.is(Mood::Passes);
    let mut document = world.document.clone();
    document["apps"]["wx0"]["server_keys"] = json!(["sk-another-0123456789"]);
    world.stack.secrets.set(greenlight_local::stack::SECRET, &document.to_string());
    world.pass(10);
    let reviews = request(Method::GET, "/v1/reviews", "sk-another-0123456789", None);
    World::ask(&functions, reviews).await.expect(200);
    server.abort();
}

#[tokio::test]
async fn a_wechat_that_cannot_be_reached_is_not_asked_and_costs_no_attempt() {
    let logged = Logged::start();
    let world = World::start().await;
    world.log_in("alice").await;
    let (_socket, url) = refusing();
    let functions = world.restarted_with(&[("GREENLIGHT_WECHAT_URL", &url)]).await;
    // There is a token: what cannot be reached is the check itself.
    world.functions.refresh_token.run().await;
    let submitted = submit(&functions, &server_key(0), &a_text()).await.expect(201);
    assert_eq!(submitted.text("state"), "pending");
    let id = submitted.text("id");
    for minute in 1..=30 {
        world.pass(60);
        functions.sweep_overdue.run().await.unwrap();
        assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("pending", vec![0]), "minute {minute}");
        let alarms = logged.lines_with("wechat_unreachable").len();
        assert_eq!(alarms > 0, minute >= 15, "minute {minute}: {alarms} alarms");
    }
    world.pass(32 * 60);
    world.sweep().await;
    assert_eq!((world.state(&id).await, attempts(&world, &id).await), ("approved", vec![1]));
}

#[tokio::test]
async fn a_connection_that_hangs_keeps_no_author_waiting_and_costs_no_attempt() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.functions.refresh_token.run().await;
    let (_listener, _waiting, url) = hanging().await;
    let functions = world.restarted_with(&[("GREENLIGHT_WECHAT_URL", &url)]).await;
    let begun = Instant::now();
    let submitted = submit(&functions, &server_key(0), &a_text()).await.expect(201);
    assert!(begun.elapsed() < Duration::from_millis(3_500), "{:?}", begun.elapsed());
    let id = submitted.text("id");
    assert_eq!((submitted.text("state").as_str(), attempts(&world, &id).await), ("pending", vec![0]));
    world.pass(61);
    world.sweep().await;
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test]
async fn a_check_that_was_sent_and_not_answered_in_time_is_an_attempt() {
    let world = World::start().await;
    world.log_in("alice").await;
    let mut functions = world.restarted().await;
    functions.submit_content.author_waits = Duration::from_millis(300);
    world.behave(json!({"fail": [{"api": "msg_sec_check", "how": "hang"}]}));
    let id = submit(&functions, &server_key(0), &a_text()).await.expect(201).text("id");
    assert_eq!(attempts(&world, &id).await, [1]);
    // A token that does not come is none: nothing was asked about the text.
    world.simulator.release_hangs();
    let mut functions = world.restarted().await;
    functions.submit_content.author_waits = Duration::from_millis(300);
    world.pass(7_200);
    world.log_in("alice").await;
    world.behave(json!({"fail": [{"api": "stable_token", "how": "hang"}]}));
    let id = submit(&functions, &server_key(0), &a_text()).await.expect(201).text("id");
    assert_eq!(attempts(&world, &id).await, [0]);
}

#[tokio::test]
async fn a_bucket_that_refuses_is_a_failure_that_alarms_and_not_a_missing_medium() {
    let logged = Logged::start();
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let upload = world.uploaded(&alice, &picture(GREEN, 2)).await;
    let relay = Relay::before(&world.stack.s3.url).await;
    let functions = world.restarted_with(&[("AWS_ENDPOINT_URL_S3", &relay.url)]).await;
    let medium = || request(Method::GET, &format!("/media/{id}/0.png"), "", None);
    World::ask(&functions, medium()).await.expect(200);
    relay.is(DENIED);
    let refused = World::ask(&functions, medium()).await.expect(500);
    assert_eq!((refused.text("code").as_str(), refused.headers.get("retry-after")), ("internal_error", None));
    let body = json!({"scene": 1, "media": [{"upload_id": upload}]});
    let before = calls(&world, Api::MediaCheckAsync);
    submit(&functions, &alice, &body).await.expect(500);
    assert_eq!(logged.lines_with("\"alarm\":\"bucket\"").len(), 2);
    // Nothing was stored, and nothing asked; the client's repeat goes well.
    assert_eq!(calls(&world, Api::MediaCheckAsync), before);
    assert_eq!(world.listed("/v1/submissions", &alice).await, std::slice::from_ref(&id));
    relay.is(Mood::Passes);
    submit(&functions, &alice, &body).await.expect(201);
}

#[tokio::test]
async fn a_bucket_that_hangs_is_unavailable_in_time() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let upload = world.uploaded(&alice, &picture(GREEN, 2)).await;
    let relay = Relay::before(&world.stack.s3.url).await;
    let functions = world.restarted_with(&[("AWS_ENDPOINT_URL_S3", &relay.url)]).await;
    relay.is(Mood::Hangs);
    let begun = Instant::now();
    let body = json!({"scene": 1, "media": [{"upload_id": upload}]});
    let medium = request(Method::GET, &format!("/media/{id}/0.png"), "", None);
    let withdrawal = request(Method::DELETE, &format!("/v1/submissions/{id}"), &alice, None);
    let (medium, submitted) = tokio::join!(World::ask(&functions, medium), submit(&functions, &alice, &body));
    assert_eq!((medium.status.as_u16(), submitted.status.as_u16()), (503, 503), "{medium} {submitted}");
    // What is withdrawn is invisible at once; the bytes are left to the sweep.
    World::ask(&functions, withdrawal).await.expect(204);
    world.get(&format!("/media/{id}/0.png"), "").await.expect(404);
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    world.sweep().await;
    assert!(world.objects_of(&id).is_empty());
}

#[tokio::test]
async fn a_permanent_failure_of_the_table_is_500_and_alarms() {
    let logged = Logged::start();
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let mut functions = world.restarted().await;
    let missing = greenlight::table::Table::new(world.dynamodb(), "no-such-table");
    functions.submit_content.checker.table = missing;
    let answer = submit(&functions, &alice, &json!({"scene": 1, "text": "你好"})).await.expect(500);
    assert_eq!(answer.text("code"), "internal_error");
    assert!(!answer.to_string().contains("no-such-table"));
    assert_eq!(logged.lines_with("\"alarm\":\"table\"").len(), 1);
}

#[tokio::test]
async fn a_pause_that_the_table_does_not_take_holds_in_the_process_and_costs_no_attempt() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.functions.refresh_token.run().await;
    let quota = json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": 45009}}]});
    world.behave(quota);
    world.proxy.throttle_next(CallMatch::any().action("PutItem").key("K#"), 1_000);
    let id = world.submit(&server_key(0), &a_text()).await.expect(201).text("id");
    assert_eq!(attempts(&world, &id).await, [0]);
    let asked = calls(&world, Api::MsgSecCheck);
    let id = world.submit(&server_key(0), &a_text()).await.expect(201).text("id");
    assert_eq!((attempts(&world, &id).await, calls(&world, Api::MsgSecCheck)), (vec![0], asked), "not even asked");
}

#[tokio::test]
async fn calls_that_are_refused_together_write_one_pause() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.functions.refresh_token.run().await;
    world.submit(&server_key(0), &a_text()).await.expect(201);
    world.behave(json!({"fail": [{"api": "msg_sec_check", "calls": null, "how": {"errcode": 45009}}]}));
    world.proxy.forget_calls();
    let (key, text) = (server_key(0), a_text());
    let refused = futures_util::future::join_all((0..8).map(|_| world.submit(&key, &text))).await;
    refused.into_iter().for_each(|answer| drop(answer.expect(201)));
    let writes = world.proxy.calls().into_iter().filter(|call| call.key.starts_with("K#") && call.action == "PutItem");
    assert_eq!(writes.filter(|call| !call.conditional_failure).count(), 1);
}

#[tokio::test]
async fn a_lease_that_cannot_be_written_leaves_a_token_that_lives() {
    let world = World::start().await;
    world.log_in("alice").await;
    world.functions.refresh_token.run().await;
    // In the second half of the time in which it is renewed, whoever needs it renews it.
    world.pass(7_200 - 100);
    world.log_in("alice").await;
    world.proxy.throttle_next(CallMatch::any().action("PutItem").key("K#"), 1_000);
    assert_eq!(world.submit(&server_key(0), &a_text()).await.expect(201).text("state"), "approved");
}
