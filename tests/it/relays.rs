//! Pushes that are not ours: taken on to the server that the app names, and its answer back to WeChat.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use greenlight::wechat::envelope::{AesKey, seal, signature};
use greenlight_local::functions::Functions;
use greenlight_tests::pictures::{GREEN, picture};
use greenlight_tests::world::{Answer, Plan, World, app_id, push_aes_key, push_token};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::logged::Logged;
use crate::requests::problem;

const CUSTOMER: &str = r#"{"ToUserName":"gh_1","FromUserName":"o1","CreateTime":1,"MsgType":"text","Content":"hello"}"#;

/// What reached the owner's server: path and query, headers, body.
type Reached = Arc<Mutex<Vec<(String, HeaderMap, Vec<u8>)>>>;

/// The owner's server, and what it answers.
#[derive(Clone)]
struct OwnersServer {
    url: String,
    reached: Reached,
    answer: fn() -> Response,
}

impl OwnersServer {
    async fn start(answer: fn() -> Response) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/wechat/", listener.local_addr().unwrap());
        let server = Self { url, reached: Reached::default(), answer };
        let take = async |State(server): State<Self>, request: Request| {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            let path = head.uri.path_and_query().unwrap().to_string();
            server.reached.lock().unwrap().push((format!("{} {path}", head.method), head.headers, body));
            (server.answer)()
        };
        let router = Router::new().fallback(take).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    fn reached(&self) -> Vec<(String, HeaderMap, Vec<u8>)> {
        std::mem::take(&mut self.reached.lock().unwrap())
    }
}

/// The world's functions, with a server of the owner's that pushes are relayed to, on this machine.
async fn relaying(world: &mut World, relay_url: &str) -> Functions {
    let mut document = world.document.clone();
    document["apps"][app_id(0).as_str()]["relay_url"] = json!(relay_url);
    world.set_secret(document);
    world.restarted_with(&[("GREENLIGHT_ALLOW_PRIVATE", "true")]).await
}

/// A push of this message to the first app: the query and the body.
fn sealed(message: &str) -> (String, String) {
    let (timestamp, nonce) = ("1714112445", "415670741");
    let aes_key = AesKey::parse(&push_aes_key(0)).unwrap();
    let encrypted = seal(&aes_key, b"0123456789abcdef", message.as_bytes(), &app_id(0));
    let token = push_token(0);
    let query = format!(
        "signature={}&timestamp={timestamp}&nonce={nonce}&openid=o%2B1&encrypt_type=aes&msg_signature={}",
        signature(&[&token, timestamp, nonce]),
        signature(&[&token, timestamp, nonce, &encrypted])
    );
    (query, json!({"ToUserName": "gh_1", "Encrypt": encrypted}).to_string())
}

async fn push(functions: &Functions, query: &str, content_type: &str, body: &str) -> Answer {
    let request = Request::builder().method(Method::POST).uri(format!("/push/{}?{query}", app_id(0)));
    let request = request.header(CONTENT_TYPE, content_type).header("accept-language", "en");
    World::ask(functions, request.body(body.to_owned().into()).unwrap()).await
}

fn verdict(trace_id: &str) -> String {
    let message = json!({
        "ToUserName": "gh_1", "FromUserName": "o1", "CreateTime": 1, "MsgType": "event", "Event": "wxa_media_check",
        "appid": app_id(0).as_str(), "trace_id": trace_id, "version": 2, "detail": [], "errcode": 0, "errmsg": "ok",
        "result": {"suggest": "pass", "label": 100},
    });
    message.to_string()
}

fn taken(answer: Answer) {
    assert_eq!(&answer.expect(200).bytes[..], b"success");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_goes_on_as_it_came_and_its_answer_comes_back() {
    let mut world = World::start_with(Plan { allow_plaintext_push: true, ..Plan::default() }).await;
    let server =
        OwnersServer::start(|| ([(CONTENT_TYPE, "application/xml")], "<xml>a sealed reply</xml>").into_response())
            .await;
    let functions = relaying(&mut world, &server.url).await;
    let (query, body) = sealed(CUSTOMER);
    let plain = "signature=".to_owned() + &signature(&[&push_token(0), "5", "6"]) + "&timestamp=5&nonce=6&openid=o%2B1";
    let xml = "<xml><ToUserName>gh_1</ToUserName><MsgType>event</MsgType><Event>user_enter_tempsession</Event></xml>";
    for (query, content_type, body) in
        [(&query, "application/json", body.as_str()), (&plain, "application/json", CUSTOMER), (&plain, "text/xml", xml)]
    {
        let answer = push(&functions, query, content_type, body).await.expect(200);
        assert_eq!(&answer.bytes[..], b"<xml>a sealed reply</xml>");
        assert_eq!(answer.headers[CONTENT_TYPE], "application/xml");
        let reached = server.reached();
        let [(asked, headers, came)] = reached.as_slice() else { panic!("{} requests", reached.len()) };
        assert_eq!(*asked, format!("POST /wechat/?{query}"));
        assert_eq!((came.as_slice(), headers[CONTENT_TYPE].to_str().unwrap()), (body.as_bytes(), content_type));
    }
    // A verdict of our own stays here, and so does what nobody signed.
    let alice = world.log_in("alice").await;
    let id = world.submit_media(&alice, &[picture(GREEN, 1)]).await;
    world.simulator.idle().await;
    assert_eq!(world.state(&id).await, "approved");
    let trace_id = world.simulator.checks().last().unwrap().trace_id.clone().unwrap();
    let (query, body) = sealed(&verdict(&trace_id));
    taken(push(&functions, &query, "application/json", &body).await);
    let forged = query.replace("msg_signature=", "msg_signature=0");
    problem(push(&functions, &forged, "application/json", &body).await, 401, "not_authentic");
    assert!(server.reached().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_taken_on_once_by_deployments_that_name_each_other() {
    let mut world = World::start().await;
    let own = format!("{}/push/{}", world.url, app_id(0));
    let server = OwnersServer::start(|| "theirs".into_response()).await;
    let functions = relaying(&mut world, &server.url).await;
    let (query, body) = sealed(CUSTOMER);
    assert_eq!(&push(&functions, &query, "application/json", &body).await.expect(200).bytes[..], b"theirs");
    let (_, headers, _) = server.reached().remove(0);
    // The same once more, as it arrived at the other deployment.
    let mut request = Request::builder().method(Method::POST).uri(format!("/push/{}?{query}", app_id(0)));
    *request.headers_mut().unwrap() = headers;
    taken(World::ask(&functions, request.body(body.clone().into()).unwrap()).await);
    assert!(server.reached().is_empty());
    // A deployment that names itself.
    let functions = relaying(&mut world, &own).await;
    taken(push(&functions, &query, "application/json", &body).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_of_another_deployments_check_reaches_it() {
    // Two deployments of one mini program, with the same keys; WeChat knows the push URL of the first.
    let mut production = World::start().await;
    let development = World::start().await;
    let other = format!("{}/push/{}", development.url, app_id(0));
    let functions = relaying(&mut production, &other).await;
    let alice = development.log_in("alice").await;
    development.behave(json!({"hold_pushes": true}));
    let id = development.submit_media(&alice, &[picture(GREEN, 1)]).await;
    development.simulator.idle().await;
    let trace_id = development.simulator.checks().last().unwrap().trace_id.clone().unwrap();
    assert_eq!(development.state(&id).await, "pending");
    let (query, body) = sealed(&verdict(&trace_id));
    taken(push(&functions, &query, "application/json", &body).await);
    assert_eq!(development.state(&id).await, "approved");
    // It is no answer of WeChat's that comes back about a verdict, whoever is asked.
    let server = OwnersServer::start(|| "anything".into_response()).await;
    let functions = relaying(&mut production, &server.url).await;
    taken(push(&functions, &query, "application/json", &body).await);
    assert_eq!(server.reached().len(), 1);
}

#[tokio::test]
async fn a_push_that_does_not_get_there_comes_again() {
    let mut world = World::start().await;
    let logged = Logged::start();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = format!("http://{}/hook-secret", silent.local_addr().unwrap());
    let broken = OwnersServer::start(|| (StatusCode::BAD_GATEWAY, "a stack trace").into_response()).await;
    let elsewhere =
        OwnersServer::start(|| (StatusCode::FOUND, [(LOCATION, "http://127.0.0.1/")]).into_response()).await;
    let endless = OwnersServer::start(|| vec![b'x'; (1 << 20) + 1].into_response()).await;
    let (query, body) = sealed(CUSTOMER);
    let (verdict_query, verdict_body) = sealed(&verdict("a-trace-of-nobody"));
    for url in [&nobody, &slow, &broken.url, &elsewhere.url, &endless.url] {
        let functions = relaying(&mut world, url).await;
        let before = logged.lines_with("push_not_relayed").len();
        let begun = std::time::Instant::now();
        problem(push(&functions, &query, "application/json", &body).await, 503, "unavailable");
        assert!(begun.elapsed().as_millis() < 4_800, "WeChat has hung up");
        assert_eq!(logged.lines_with("push_not_relayed").len(), before + 1, "{url}");
        if *url != slow {
            // WeChat's own verdict is kept here meanwhile.
            let again = push(&functions, &verdict_query, "application/json", &verdict_body).await;
            problem(again, 503, "unavailable");
        }
        let text = logged.text();
        assert!(!text.contains("hook-secret") && !text.contains("stack trace") && !text.contains("hello"), "{text}");
    }
    // What the server itself refuses is its answer.
    let refusing = OwnersServer::start(|| (StatusCode::FORBIDDEN, "no").into_response()).await;
    let functions = relaying(&mut world, &refusing.url).await;
    assert_eq!(&push(&functions, &query, "application/json", &body).await.expect(403).bytes[..], b"no");
}

#[tokio::test]
async fn without_leave_nothing_is_relayed_into_ones_own_network() {
    let mut world = World::start().await;
    let logged = Logged::start();
    let server = OwnersServer::start(|| "theirs".into_response()).await;
    let (query, body) = sealed(CUSTOMER);
    for (url, why) in [
        (server.url.clone(), "it is not https"),
        (server.url.replace("http://", "https://"), "it names a port of its own"),
        ("https://169.254.169.254/".to_owned(), "it does not lead to a public address"),
    ] {
        relaying(&mut world, &url).await;
        let functions = world.restarted().await;
        problem(push(&functions, &query, "application/json", &body).await, 503, "unavailable");
        let line = logged.lines_with("push_not_relayed").pop().unwrap();
        assert!(line.contains(why) && line.contains("push_relay"), "{line}");
    }
    assert!(server.reached().is_empty());
}
