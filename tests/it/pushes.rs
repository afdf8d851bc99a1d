//! Pushes over HTTP: what WeChat sends is known to be WeChat's, applied once, and answered `success` when that is safe.

use greenlight::domain::ids::AppId;
use greenlight::domain::outcome::Outcome;
use greenlight::wechat::envelope::{AesKey, seal, signature};
use greenlight_local::simulator::{ForcedVerdict, ReleaseOrder, Verdict};
use greenlight_tests::awaits::request;
use greenlight_tests::pictures::{GREEN, RED, picture};
use greenlight_tests::table_proxy::{CallMatch, Refusal};
use greenlight_tests::world::{Answer, Plan, World, app_id, form, push_aes_key, push_token};
use http::Method;
use serde_json::{Value, json};

use crate::logged::Logged;
use crate::requests::problem;
use crate::trouble::wx;

const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/..", "/shared/src/wechat/vectors/push.json"));
const TIMESTAMP: &str = "1714112445";
const NONCE: &str = "415670741";

async fn push(world: &World, app: &str, query: &str, body: impl Into<String>) -> Answer {
    let request = world.http.post(format!("{}/push/{app}?{query}", world.url)).header("accept-language", "en");
    world.send(request.body(body.into())).await
}

fn taken(answer: Answer) {
    let answer = answer.expect(200);
    assert_eq!(&answer.bytes[..], b"success");
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
}

/// A message sealed for `app` and signed, with these keys: the query and the encrypted text.
fn sealed(token: &str, aes_key: &str, app: &AppId, message: &str) -> (String, String) {
    let encrypted = seal(&AesKey::parse(aes_key).unwrap(), b"0123456789abcdef", message.as_bytes(), app);
    let query = format!(
        "signature={}&timestamp={TIMESTAMP}&nonce={NONCE}&openid=o&encrypt_type=aes&msg_signature={}",
        signature(&[token, TIMESTAMP, NONCE]),
        signature(&[token, TIMESTAMP, NONCE, &encrypted])
    );
    (query, encrypted)
}

async fn push_sealed(world: &World, app: usize, message: &str) -> Answer {
    let (query, encrypted) = sealed(&push_token(app), &push_aes_key(app), &app_id(app), message);
    push(world, app_id(app).as_str(), &query, json!({"ToUserName": "gh_1", "Encrypt": encrypted}).to_string()).await
}

/// A submission of one picture whose verdict WeChat has ready and has not pushed: its id and trace id.
async fn waiting(world: &World) -> (String, String) {
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let trace_id = world.simulator.checks().last().unwrap().trace_id.clone().unwrap();
    (id, trace_id)
}

fn verdict(trace_id: &str, suggest: &str, label: i64) -> Value {
    json!({
        "ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1, "MsgType": "event", "Event": "wxa_media_check",
        "appid": "wx0", "trace_id": trace_id, "version": 2, "detail": [], "errcode": 0, "errmsg": "ok",
        "result": {"suggest": suggest, "label": label},
    })
}

/// The world's secret with an app that has other keys.
fn with_app(world: &World, app: &str, token: &str, aes_key: &str, plaintext: bool) -> Value {
    let mut document = world.document.clone();
    document["apps"][app] = json!({
        "platform": "wechat", "app_secret": "hush", "push_token": token, "push_aes_key": aes_key,
        "allow_plaintext_push": plaintext,
    });
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_vectors_are_taken_over_http() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let of = |id: &str| vectors.as_array().unwrap().iter().find(|vector| vector["id"] == id).unwrap().clone();
    let text = |vector: &Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let official = of("official-secure-mode-json-decrypt");
    let (app, token, aes_key) =
        (text(&official, "appid"), text(&official, "token"), text(&official, "encoding_aes_key"));
    let mut world = World::start().await;
    world.set_secret(with_app(&world, &app, &token, &aes_key, false));
    world.pass(11);

    let verify = of("official-url-verify-get");
    let query = format!(
        "signature={}&timestamp={}&nonce={}&echostr={}",
        text(&verify, "signature"),
        text(&verify, "timestamp"),
        text(&verify, "nonce"),
        text(&verify, "echostr")
    );
    let echo = world.get(&format!("/push/{app}?{query}"), "").await.expect(200);
    assert_eq!(echo.bytes, text(&verify, "expected_response_body").into_bytes());
    assert_eq!(echo.headers["content-type"], "text/plain; charset=utf-8");
    for odd in ["echostr=%0d%0a", "echostr=%e4%bd%a0", "echostr=1&echostr=", "nothing="] {
        let odd = query.replace("echostr=", odd);
        problem(world.get(&format!("/push/{app}?{odd}"), "").await, 400, "malformed");
    }
    problem(world.get(&format!("/push/{app}?{}", query.replace("nonce=1", "nonce=2")), "").await, 401, "not_authentic");
    problem(world.get(&format!("/push/wx0?{query}"), "").await, 401, "not_authentic");
    problem(world.get(&format!("/push/{app}"), "").await, 401, "not_authentic");

    let query = text(&official, "url_query");
    taken(push(&world, &app, &query, text(&official, "body_json")).await);
    taken(push(&world, &app, &query, text(&official, "body_xml")).await);
    let other = query.replace("msg_signature=0", "msg_signature=1");
    problem(push(&world, &app, &other, text(&official, "body_json")).await, 401, "not_authentic");

    let plain = of("official-plaintext-post-json");
    let query = format!(
        "signature={}&timestamp={}&nonce={}&openid=o",
        text(&plain, "signature"),
        text(&plain, "timestamp"),
        text(&plain, "nonce")
    );
    problem(push(&world, &app, &query, text(&plain, "body")).await, 403, "plaintext_refused");
    world.set_secret(with_app(&world, &app, &token, &aes_key, true));
    world.pass(300);
    taken(push(&world, &app, &query, text(&plain, "body")).await);

    let wechat = of("easywechat-encryptor-decrypt");
    let (app, token, aes_key) = (text(&wechat, "appid"), text(&wechat, "token"), text(&wechat, "encoding_aes_key"));
    world.set_secret(with_app(&world, &app, &token, &aes_key, false));
    world.pass(11);
    let query = format!(
        "timestamp={}&nonce={}&encrypt_type=aes&msg_signature={}",
        text(&wechat, "timestamp"),
        text(&wechat, "nonce"),
        text(&wechat, "msg_signature")
    );
    taken(push(&world, &app, &query, text(&wechat, "body_xml")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_that_wechat_sends_a_verdict_in_is_understood() {
    let world = World::start_with(Plan { apps: 1, ..Plan::default() }).await;
    let alice = world.log_in("alice").await;
    let mut seed = 0;
    for format in ["json", "xml"] {
        for shape in ["v1", "v2"] {
            for mode in ["safe", "compatible"] {
                for strings in [false, true] {
                    for (colour, state) in [(GREEN, "approved"), ([230, 30, 30], "rejected")] {
                        world.behave(json!({
                                "push_format": format, "push_shape": shape, "push_mode": mode, "numbers_as_strings": strings,
                            }),
                        );
                        seed += 1;
                        let id = world.submit_media(&alice, &[picture(colour, seed)]).await;
                        world.simulator.idle().await;
                        let form = format!("{format} {shape} {mode} {strings}");
                        assert_eq!(world.state(&id).await, state, "{form}");
                        assert!(world.simulator.pushes().last().unwrap().accepted, "{form}");
                    }
                }
            }
        }
        // An author may submit 30 in a window.
        world.pass(600);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_says_no_verdict_is_no_pass_and_the_check_is_made_again() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let forms = [
        ("v2", json!({"errcode": -1008})),
        ("v1", json!({"errcode": -1008})),
        ("v2", json!({"errcode": 43104})),
        ("v2", json!("no_result")),
        ("v2", json!({"verdict": {"suggest": "Pass", "label": 100}})),
        ("v2", json!({"verdict": {"suggest": "pass", "label": 20001}})),
    ];
    for (seed, (form, forced)) in std::iter::zip(0.., forms) {
        world.behave(json!({"push_shape": form, "media_verdicts": [forced]}));
        let id = world.submit_media(&alice, &[picture(GREEN, seed)]).await;
        world.simulator.idle().await;
        assert!(world.simulator.pushes().last().unwrap().accepted, "there is nothing more to say about it: {forced}");
        let state = world.state(&id).await;
        let failed = forced["verdict"].is_null();
        assert_eq!(state, if failed { "pending" } else { "in_review" }, "{forced}");
        if failed {
            world.pass(60);
            world.sweep().await;
            assert_eq!(world.state(&id).await, "approved", "{forced}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_is_refused_or_where_allowed_never_a_pass() {
    for (allowed, statuses) in [(false, [403, 403]), (true, [200, 200])] {
        let world = World::start_with(Plan { allow_plaintext_push: allowed, ..Plan::default() }).await;
        let (green, trace_of_green) = waiting(&world).await;
        let (red, trace_of_red) = waiting(&world).await;
        let query =
            format!("signature={}&timestamp={TIMESTAMP}&nonce={NONCE}", signature(&[&push_token(0), TIMESTAMP, NONCE]));
        let pass = push(&world, "wx0", &query, verdict(&trace_of_green, "pass", 100).to_string()).await;
        let risky = push(&world, "wx0", &query, verdict(&trace_of_red, "risky", 20001).to_string()).await;
        assert_eq!([pass.status.as_u16(), risky.status.as_u16()], statuses);
        let states = [world.state(&green).await, world.state(&red).await];
        assert_eq!(states, if allowed { ["in_review", "rejected"] } else { ["pending", "pending"] });
        // Whoever says that it is encrypted has to encrypt it.
        let says =
            format!("{query}&encrypt_type=aes&msg_signature={}", signature(&[&push_token(0), TIMESTAMP, NONCE, ""]));
        let lying = push(&world, "wx0", &says, verdict(&trace_of_green, "pass", 100).to_string()).await;
        problem(lying, 401, "not_authentic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_compatible_mode_only_what_is_encrypted_counts() {
    let world = World::start_with(Plan { allow_plaintext_push: true, ..Plan::default() }).await;
    let (id, trace_id) = waiting(&world).await;
    let risky = verdict(&trace_id, "risky", 20001).to_string();
    let (query, encrypted) = sealed(&push_token(0), &push_aes_key(0), &app_id(0), &risky);
    let mut beside = verdict(&trace_id, "pass", 100);
    beside["Encrypt"] = json!(encrypted);
    taken(push(&world, "wx0", &query, beside.to_string()).await);
    assert_eq!(world.state(&id).await, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_with_our_keys_for_our_app_changes_nothing() {
    let world = World::start_with(Plan { apps: 2, ..Plan::default() }).await;
    let (id, trace_id) = waiting(&world).await;
    let pass = verdict(&trace_id, "pass", 100).to_string();
    let (query, encrypted) = sealed(&push_token(0), &push_aes_key(0), &app_id(0), &pass);
    let body = json!({"ToUserName": "gh_1", "Encrypt": encrypted}).to_string();
    for (app, query, status, code) in [
        ("wx1", query.clone(), 401, "not_authentic"),
        ("wx9", query.clone(), 404, "not_found"),
        ("..%2fwx0", query.clone(), 404, "not_found"),
        ("wx0", String::new(), 401, "not_authentic"),
        ("wx0", query.replace(TIMESTAMP, "1714112446"), 401, "not_authentic"),
        ("wx0", query.replace(NONCE, ""), 401, "not_authentic"),
        ("wx0", query.replace("msg_signature", "msg_signatur"), 401, "not_authentic"),
        ("wx0", format!("{query}&timestamp={TIMESTAMP}"), 401, "not_authentic"),
        ("wx0", query.to_uppercase(), 401, "not_authentic"),
    ] {
        problem(push(&world, app, &query, body.clone()).await, status, code);
    }
    // Signed with our token, sealed with another key; sealed for another app; about another app.
    let (query, encrypted) = sealed(&push_token(0), &push_aes_key(1), &app_id(0), &pass);
    problem(push(&world, "wx0", &query, json!({"Encrypt": encrypted}).to_string()).await, 401, "not_authentic");
    let (query, encrypted) = sealed(&push_token(0), &push_aes_key(0), &app_id(1), &pass);
    problem(push(&world, "wx0", &query, json!({"Encrypt": encrypted}).to_string()).await, 403, "wrong_app");
    problem(push_sealed(&world, 0, &pass.replace("wx0", "wx1")).await, 403, "wrong_app");
    // Another app of ours cannot speak about it either.
    taken(push_sealed(&world, 1, &pass.replace("wx0", "wx1")).await);
    assert_eq!(world.state(&id).await, "pending");
    taken(push_sealed(&world, 0, &pass).await);
    assert_eq!(world.state(&id).await, "approved");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_malformed_is_told_so() {
    let world = World::start().await;
    let large = "x".repeat((1 << 20) + 1);
    let refused = problem(push(&world, "wx0", "", large).await, 413, "too_large");
    assert_eq!(refused.headers["connection"], "close", "or the next request would go into a connection that ends");
    for body in ["", "x", "[]", "{", "<xml>", "{\"Encrypt\":1}", "<!DOCTYPE xml><xml></xml>", "\0"] {
        problem(push(&world, "wx0", "", body).await, 400, "malformed");
    }
    for message in
        ["", "x", "{\"MsgType\":\"event\",\"Event\":\"wxa_media_check\"}", "{\"MsgType\":\"event\",\"MsgType\":\"x\"}"]
    {
        problem(push_sealed(&world, 0, message).await, 400, "malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_not_ours_are_taken_and_change_nothing() {
    let world = World::start().await;
    world.proxy.forget_calls();
    for message in [
        json!({"MsgType": "event", "Event": "wxa_punish_event", "detail": "{}"}),
        json!({"MsgType": "text", "Content": "hello"}),
        json!({"MsgType": "event"}),
        json!({}),
    ] {
        taken(push_sealed(&world, 0, &message.to_string()).await);
    }
    taken(push_sealed(&world, 0, "<xml><MsgType><![CDATA[event]]></MsgType><Event>debug_demo</Event></xml>").await);
    assert_eq!(world.proxy.calls(), [], "the table has nothing to do with it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_comes_twice_or_ten_times_at_once_is_applied_once() {
    let world = World::start().await;
    let (id, trace_id) = waiting(&world).await;
    let pass = verdict(&trace_id, "pass", 100).to_string();
    let before = world.stored(&id).await.version;
    let pushes = futures_util::future::join_all((0..10).map(|_| push_sealed(&world, 0, &pass))).await;
    pushes.into_iter().for_each(taken);
    let stored = world.stored(&id).await;
    assert_eq!((stored.state.as_str(), stored.version), ("approved", before + 1), "decided once");
    world.pass(1);
    taken(push_sealed(&world, 0, &pass).await);
    assert_eq!(world.stored(&id).await, stored, "not even its version moves");
    // A risky word about the same bytes still counts, and the pass is not repeated against it.
    taken(push_sealed(&world, 0, &verdict(&trace_id, "risky", 20001).to_string()).await);
    taken(push_sealed(&world, 0, &pass).await);
    assert_eq!(world.state(&id).await, "rejected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_before_its_trace_is_known_is_kept_and_applied_later() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"push_before_answer": true, "push_copies": 2}));
    let id = world.submit_media(&alice, &[picture(GREEN, 1), picture(GREEN, 2)]).await;
    assert_eq!(world.state(&id).await, "approved", "at once, without a sweep");
    assert_eq!(world.simulator.pushes().iter().filter(|push| push.accepted).count(), 4);
    assert_eq!(world.due_ever().await, []);
    // One that nothing will ever link to is taken too: WeChat would only send it again.
    taken(push_sealed(&world, 0, &verdict("60f96f1d-3845297a-1976a3ae", "pass", 100).to_string()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_table_is_down_wechat_is_told_to_come_again() {
    for key in ["T#", "S#"] {
        let world = World::start().await;
        let (id, _) = waiting(&world).await;
        // As often as the SDK tries within one request: WeChat's first push fails, and its second does not.
        world.proxy.throttle_next(CallMatch::any().function("receive-push").key(key), 3);
        world.behave(json!({"push_retry_delay_ms": 1}));
        world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
        let sent: Vec<_> = world.simulator.pushes().iter().map(|push| (push.status, push.accepted)).collect();
        assert_eq!(sent, [(Some(503), false), (Some(200), true)], "{key}");
        assert_eq!((world.state(&id).await, world.proxy.orders_left()), ("approved", 0), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_table_that_is_lost_loses_no_verdict() {
    for key in ["T#", "S#"] {
        let world = World::start().await;
        let (id, _) = waiting(&world).await;
        world.proxy.lose_answer_of_next(CallMatch::any().function("receive-push").key(key));
        world.simulator.release_pushes(&app_id(0), ReleaseOrder::OldestFirst).await;
        assert_eq!((world.state(&id).await, world.proxy.orders_left()), ("approved", 0), "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_keys_are_changed_the_old_and_the_new_are_good() {
    let mut world = World::start().await;
    let message = json!({"MsgType": "text"}).to_string();
    let send = async |world: &World, token: &str, aes_key: &str| {
        let (query, encrypted) = sealed(token, aes_key, &app_id(0), &message);
        push(world, "wx0", &query, json!({"Encrypt": encrypted}).to_string()).await
    };
    let (old, old_key, new, new_key) = (push_token(0), push_aes_key(0), "a-new-token", "A".repeat(43));
    taken(send(&world, &old, &old_key).await);
    problem(send(&world, new, &new_key).await, 401, "not_authentic");

    let mut document = world.document.clone();
    let app = &mut document["apps"]["wx0"];
    app["push_token"] = json!(new);
    app["push_aes_key"] = json!(new_key);
    app["previous_push_token"] = json!(old);
    app["previous_push_aes_key"] = json!(old_key);
    world.set_secret(document.clone());
    // What does not fit makes us look at the secret, ten seconds after the last look at the earliest.
    world.pass(10);
    for (token, aes_key) in [(new, &new_key), (&old, &old_key), (new, &old_key), (old.as_str(), &new_key)] {
        taken(send(&world, token, aes_key).await);
    }
    let app = document["apps"]["wx0"].as_object_mut().unwrap();
    app.remove("previous_push_token");
    app.remove("previous_push_aes_key");
    world.set_secret(document);
    world.pass(300);
    taken(send(&world, new, &new_key).await);
    problem(send(&world, &old, &old_key).await, 401, "not_authentic");
}

/// The trace of the first medium's first check.
async fn trace_of(world: &World, id: &str) -> String {
    world.stored(id).await.parts[0].attempts[0].trace_id.clone().unwrap().to_string()
}

#[tokio::test]
async fn a_late_risky_that_no_delivery_could_apply_is_applied_by_the_sweep() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "approved");
    assert_eq!(world.due_ever().await, []);
    world.pass(3 * 24 * 3600);
    // Each of WeChat's four deliveries is noted, and none is applied.
    for operation in ["PutItem", "TransactWriteItems"] {
        let applying = CallMatch::any().function("receive-push").action(operation).key("S#");
        world.proxy.refuse_next(applying, Refusal::ServerError, 1_000);
    }
    let risky = ForcedVerdict::Verdict(Verdict::new("risky", 20001));
    let taken = world.simulator.push_verdict(&wx(), &trace_of(&world, &id).await, &risky).await;
    assert_eq!((taken, world.state(&id).await), (Some(false), "approved"));
    world.sweep().await;
    assert_eq!(world.state(&id).await, "approved", "a minute is the push's own");
    world.pass(60);
    world.sweep().await;
    assert_eq!(world.state(&id).await, "rejected");
    assert_eq!(world.due_ever().await, [], "it is looked for no more");
}

#[tokio::test]
async fn a_risky_that_changes_nothing_or_belongs_to_nothing_is_not_looked_for_for_ever() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(RED, 1)]).await;
    world.simulator.idle().await;
    assert_eq!((world.state(&id).await, world.due_ever().await), ("rejected", vec![]));
    let risky = ForcedVerdict::Verdict(Verdict::new("risky", 20001));
    let trace = trace_of(&world, &id).await;
    assert_eq!(world.simulator.push_verdict(&wx(), &trace, &risky).await, Some(true));
    assert_eq!(world.due_ever().await, [], "it was known");
    let nobodys = greenlight::domain::ids::TraceId::parse("nobodys-trace").unwrap();
    let outcome = Outcome::Verdict(greenlight::domain::verdict::Verdict::from_result(Some("risky"), None));
    world.table().record_outcome(&wx(), &nobodys, &outcome.into(), world.now()).await.unwrap();
    for _ in 0..7 {
        world.pass(60);
        assert_eq!(world.sweep().await.failed, 0);
    }
    assert_eq!(world.due_ever().await, []);
}

#[tokio::test]
async fn a_trace_id_that_wechat_gives_twice_lets_no_medium_have_the_others_pass() {
    let logged = Logged::start();
    let world = World::start().await;
    world.functions.refresh_token.run().await;
    let alice = world.log_in("alice").await;
    world.behave(json!({"hold_pushes": true}));
    let green = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    let trace = trace_of(&world, &green).await;
    // A WeChat that answers every media check with the trace_id of the green one.
    let again = json!({"errcode": 0, "errmsg": "ok", "trace_id": trace});
    let wechat = axum::Router::new().fallback(async move || again.to_string());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, wechat).await.unwrap() });
    let functions = world.restarted_with(&[("GREENLIGHT_WECHAT_URL", &url)]).await;
    let upload = world.uploaded(&alice, &picture(RED, 2)).await;
    let body = json!({"scene": 1, "media": [{"upload_id": upload}]});
    let red = World::ask(&functions, request(Method::POST, "/v1/submissions", &alice, Some(&body))).await;
    let red = red.expect(201).text("id");
    assert_eq!(logged.lines_with("gave a trace_id twice").len(), 1);
    world.simulator.release_pushes(&wx(), ReleaseOrder::OldestFirst).await;
    assert_eq!((world.state(&green).await, world.state(&red).await), ("approved", "pending"));
    server.abort();
}

#[tokio::test]
async fn behind_any_prefix_all_is_as_without() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for prefix in ["/green/light", "/v1", "/media", "/push"] {
        world.simulator.set_push_url(&wx(), &format!("{}{prefix}/push/{}", world.url, wx()));
        let (content_type, body) = form(&[("file", Some("light.png"), &picture(GREEN, 1))]);
        let upload = world.request(Method::POST, &format!("{prefix}/v1/uploads"), &alice);
        let upload = world.send(upload.header("content-type", content_type).body(body)).await.expect(201);
        let body = json!({"scene": 1, "channel": "v1", "media": [{"upload_id": upload.text("upload_id")}]});
        let id = world.post(&format!("{prefix}/v1/submissions"), &alice, &body).await.expect(201).text("id");
        world.simulator.idle().await;
        assert_eq!(world.state(&id).await, "approved", "{prefix}");
        assert_eq!(world.listed(&format!("{prefix}/v1/channels/v1/submissions"), "").await[0], id, "{prefix}");
        world.get(&format!("{prefix}/media/{id}/0.png"), "").await.expect(200);
        world.pass(1);
    }
}
