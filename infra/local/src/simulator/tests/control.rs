//! The control API.

use super::*;

impl Bench {
    async fn control(&self, method: http::Method, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}/simulator{path}", self.simulator.url());
        let answer = self.client.request(method, url).body(body.to_owned()).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn put(&self, path: &str, body: &str) -> (u16, Value) {
        self.control(http::Method::PUT, path, body).await
    }

    async fn do_post(&self, path: &str, body: &str) -> (u16, Value) {
        self.control(http::Method::POST, path, body).await
    }
}

#[tokio::test]
async fn behaviour_is_put_and_shown() {
    let bench = Bench::start().await;
    let body = json!({
        "push_format": "xml", "push_mode": "compatible", "push_shape": "v1", "drop_pushes": { "next": 3 },
        "fail": [
            { "api": "msg_sec_check", "calls": 2, "how": { "errcode": -1 } },
            { "api": "stable_token", "calls": null, "how": "hang", "after_work": true },
            { "api": "jscode2session", "how": { "slow_ms": 20 } }
        ],
        "text_verdicts": [{ "verdict": { "suggest": "risky", "label": 20001 } }, "no_result"],
        "media_verdicts": [{ "errcode": -1008 }],
        "media_reading": "pass_unreadable",
        "quotas": { "media_check_async": { "per_minute": 5 } },
        "repeat_limit": { "submissions": 3, "window_s": 60, "by": "bytes" }
    });
    let (status, shown) = bench.put("/apps/wx0001/behaviour", &body.to_string()).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!(shown["fail"][2]["calls"], 1);
    assert_eq!(shown["fail"][1]["calls"], Value::Null);
    assert_eq!(shown["push_copies"], 1);
    let (_, state) = bench.control(http::Method::GET, "", "").await;
    assert_eq!(state["apps"]["wx0001"]["behaviour"], shown);
    assert_eq!(state["apps"]["wx0002"]["behaviour"]["push_format"], "json");
    assert_eq!(bench.put("/apps/wx0001/behaviour", "{}").await.1, serde_json::to_value(Behaviour::default()).unwrap());
}

#[tokio::test]
async fn bad_input_is_answered_with_what_is_wrong() {
    let bench = Bench::start().await;
    for (path, body, status, part) in [
        ("/apps/wx0001/behaviour", r#"{"push_fromat":"xml"}"#, 400, "push_fromat"),
        ("/apps/wx0001/behaviour", "{", 400, "EOF"),
        ("/apps/wx0001/behaviour", r#"{"fail":[{"api":"nothing","how":"hang"}]}"#, 400, "nothing"),
        ("/apps/wx9/behaviour", "{}", 404, "wx9"),
        ("/apps/wx0001/push_url", r#"{"url":"here"}"#, 400, "URL"),
        ("/apps/wx0001/pushes", "{}", 405, "methods"),
        ("/unheard-of", "{}", 404, "path"),
    ] {
        let (answered, problem) = bench.put(path, body).await;
        assert_eq!(answered, status, "{path} {body}");
        assert!(problem["message"].as_str().unwrap().contains(part), "{problem}");
    }
    for (path, body, status) in [
        ("/apps/wx0001/pushes", "{}", 400),
        ("/apps/wx0001/pushes", r#"{"trace_id":"unheard-of"}"#, 404),
        ("/apps/wx0001/pushes/release", r#"{"order":"sideways"}"#, 400),
        ("/apps/wx0001/token/melt", "", 404),
        ("/apps/wx0001/users/o123/leave", "", 404),
        ("/apps/wx0001/users/o123/sing", "", 404),
        ("/apps/wx0001/users/%20/visit", "", 400),
    ] {
        assert_eq!(bench.do_post(path, body).await.0, status, "{path} {body}");
    }
}

#[tokio::test]
async fn everything_can_be_told_from_outside() {
    let bench = Bench::start().await;
    bench.put("/apps/wx0001/behaviour", r#"{"hold_pushes":true}"#).await;
    bench.put_picture(GREEN);
    let trace_id = bench.check_media(json!({})).await["trace_id"].as_str().unwrap().to_owned();
    bench.simulator.idle().await;
    let (_, state) = bench.control(http::Method::GET, "", "").await;
    assert_eq!(state["apps"]["wx0001"]["held_pushes"][0]["trace_id"], trace_id);
    assert_eq!(state["apps"]["wx0001"]["calls"]["media_check_async"], 1);
    let released = bench.do_post("/apps/wx0001/pushes/release", r#"{"order":{"shuffled":3}}"#).await;
    assert_eq!(released, (200, json!({ "pushes": 1, "accepted": 1 })));
    assert_eq!(bench.do_post("/apps/wx0001/pushes/release", "").await.1["pushes"], 0);

    let again = json!({ "trace_id": trace_id, "verdict": { "errcode": -1008 } }).to_string();
    assert_eq!(bench.do_post("/apps/wx0001/pushes", &again).await.1, json!({ "accepted": true }));
    assert_eq!(bench.do_post("/apps/wx0001/pushes", r#"{"message":"{}"}"#).await.1, json!({ "accepted": true }));
    assert_eq!(bench.received().len(), 3);

    let openid = bench.alice().await;
    for (path, status) in [
        (format!("/apps/wx0001/users/{openid}/leave"), 204),
        (format!("/apps/wx0001/users/{openid}/visit"), 204),
        (format!("/apps/wx0001/users/{openid}/forget"), 204),
        (format!("/apps/wx0001/users/{openid}/leave"), 404),
        ("/apps/wx0001/users/o-newcomer/visit".to_owned(), 204),
        ("/apps/wx0001/token/expire".to_owned(), 204),
        ("/apps/wx0001/token/overwrite".to_owned(), 204),
        ("/hangs/release".to_owned(), 204),
    ] {
        assert_eq!(bench.do_post(&path, "").await.0, status, "{path}");
    }
    let (_, checks) = bench.control(http::Method::GET, "/checks", "").await;
    assert_eq!(checks[0]["trace_id"], trace_id);
    let (_, pushes) = bench.control(http::Method::GET, "/pushes", "").await;
    assert_eq!(pushes.as_array().unwrap().len(), 3);
    assert_eq!(bench.put("/apps/wx0001/push_url", r#"{"url":""}"#).await.0, 204);
    assert_eq!(bench.check_media(json!({})).await["errcode"], 40048);
}

#[tokio::test]
async fn a_malformed_app_does_not_start() {
    let bench = Bench::start().await;
    for (key, url, part) in [("short", "", "push_aes_key of wx1"), (AES_KEY, "here", "push_url of wx1")] {
        let app = SimulatedApp {
            app_id: AppId::parse("wx1").unwrap(),
            app_secret: SECRET.to_owned(),
            push_token: PUSH_TOKEN.to_owned(),
            push_aes_key: key.to_owned(),
            push_url: url.to_owned(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let started = Simulator::start(listener, vec![app], bench.client.clone(), Clock::system()).await;
        assert!(started.err().unwrap().to_string().contains(part));
    }
}
