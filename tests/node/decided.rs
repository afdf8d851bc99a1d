//! The owner's server is told of decisions, as the READMEs show it.

use std::io::Write;
use std::net::TcpStream;

use greenlight::domain::ids::SubmissionId;
use greenlight_tests::awaits::request;
use greenlight_tests::world::{Answer, World, app_id, server_key};
use http::Method;
use serde_json::json;
use standardwebhooks::Webhook;
use tempfile::TempDir;

use crate::script::Script;

const ENGLISH: &str = include_str!("../../README.md");
const CHINESE: &str = include_str!("../../README.zh-CN.md");
const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The block in JavaScript that takes decisions.
fn shown(readme: &'static str) -> &'static str {
    let blocks = readme.split("\n```js\n").skip(1);
    let mut blocks = blocks.map(|block| block.split("\n```").next().expect("a closed block"));
    blocks.find(|block| block.contains("DECISION_KEY")).expect("a server that is told")
}

async fn post(world: &World, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = world.http.post(url).body(body.to_owned());
    world.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[test]
fn being_told_takes_ten_lines_without_packages_and_is_the_same_in_both_languages() {
    let server = shown(ENGLISH);
    assert_eq!(server, shown(CHINESE));
    assert!(server.lines().count() <= 10);
    for line in server.lines().filter(|line| line.contains("import") || line.contains("require")) {
        assert!(line.ends_with("from 'node:crypto'") || line.ends_with("from 'node:http'"), "{line}");
    }
    // Where it listens is where the run that stands beside it tells.
    assert!(server.contains("9000"));
    for readme in [ENGLISH, CHINESE] {
        assert!(readme.contains(" --decision-url http://127.0.0.1:9000/ --decision-key $DECISION_KEY\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_printed_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let mut server = Script::start(folder.path(), shown(ENGLISH), &[("DECISION_KEY", KEY), ("PORT", "0")]);
    let url = server.url();
    let mut world = World::start().await;
    let mut document = world.document.clone();
    document["apps"][app_id(0).as_str()]["decision_url"] = json!(format!("{url}/"));
    document["apps"][app_id(0).as_str()]["decision_key"] = json!(KEY);
    world.set_secret(document);
    let functions = world.restarted_with(&[("GREENLIGHT_ALLOW_PRIVATE", "true")]).await;
    let mut stream = world.table_stream();

    // The READMEs' two posts, and what they say is printed.
    world.log_in("alice").await;
    for (external_id, text, printed) in [
        ("post-42", "今天天气真好", "submission.approved post-42 approved"),
        ("post-43", "出售违禁品", "submission.rejected post-43 rejected"),
    ] {
        let body = json!({
            "openid": World::openid(0, "alice"), "external_id": external_id, "retain": "until_decided",
            "scene": "forum", "text": text,
        });
        let asked = request(Method::POST, "/v1/submissions", &server_key(0), Some(&body));
        let id = World::ask(&functions, asked).await.expect(201).text("id");
        stream.turn(&functions.publish_decisions).await;
        assert_eq!(server.line(), printed);
        assert!(ENGLISH.contains(printed) && CHINESE.contains(printed));
        let left = world.table().tellings(&SubmissionId::parse(&id).unwrap()).await.unwrap();
        assert!(left.is_empty(), "it was told, and answered 2xx");
    }

    // What nobody signed, not like this, or not now.
    let body = r#"{"type":"submission.approved","data":{"external_id":"by-hand","state":"approved"}}"#;
    let signed = |key: &str, at: i64| Webhook::new(key).unwrap().sign("msg_1", at, body.as_bytes()).unwrap();
    let at = world.now().unix_seconds();
    let (now, old, early) = (at.to_string(), (at - 301).to_string(), (at + 600).to_string());
    let (right, others) = (signed(KEY, at), signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", at));
    let whole = [("webhook-id", "msg_1"), ("webhook-timestamp", now.as_str()), ("webhook-signature", right.as_str())];
    for (time, signature) in [
        (now.as_str(), others.clone()),
        (now.as_str(), right.replace("v1,", "")),
        (now.as_str(), format!("{right}AAAA")),
        (now.as_str(), right[..right.len() - 1].to_owned()),
        (now.as_str(), "v1,".to_owned()),
        (now.as_str(), String::new()),
        (old.as_str(), right.clone()),
        (old.as_str(), signed(KEY, at - 301)),
        (early.as_str(), signed(KEY, at + 600)),
    ] {
        let headers = [whole[0], ("webhook-timestamp", time), ("webhook-signature", signature.as_str())];
        post(&world, &url, &headers, body).await.expect(401);
    }
    post(&world, &url, &whole, &body.replace("approved", "rejected")).await.expect(401);
    post(&world, &url, &whole, "").await.expect(401);
    post(&world, &url, &[("webhook-id", "msg_2"), whole[1], whole[2]], body).await.expect(401);
    post(&world, &url, &[whole[0], whole[1]], body).await.expect(401);
    post(&world, &url, &[whole[0], whole[2]], body).await.expect(401);
    post(&world, &url, &[whole[1], whole[2]], body).await.expect(401);
    post(&world, &url, &[], body).await.expect(401);
    let no_text = world.http.post(url.as_str()).header("webhook-signature", &b"v1,\xff\xe4"[..]).body(body);
    world.send(no_text).await.expect(401);
    // Somebody hangs up in the middle.
    let mut half = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    half.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{").unwrap();
    drop(half);

    // None of that was printed or ended it; and one right signature among others is enough, as while a key is changed.
    let several = format!("{others} v1a,c2lnbmF0dXJl {right}");
    post(&world, &url, &[whole[0], whole[1], ("webhook-signature", several.as_str())], body).await.expect(204);
    assert_eq!(server.line(), "submission.approved by-hand approved");
}
