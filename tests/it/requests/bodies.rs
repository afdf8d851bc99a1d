//! Bodies: what they must be, how large they may be, and that nobody reads on when it is clear already.

use std::time::Duration;

use greenlight_tests::world::{World, server_key};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::problem;

/// Sends these bytes and nothing more, and returns the head of the answer: the request has no end.
async fn unfinished(world: &World, head: &str, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    for piece in pieces {
        // The other side may have answered and closed already.
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut piece = [0; 1024];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_object_is_told_so() {
    let world = World::start().await;
    let (alice, owner) = (world.log_in("alice").await, server_key(0));
    let deep = format!(r#"{{"scene":1,"text":"x","metadata":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let bodies: [&[u8]; 15] = [
        b"",
        b" ",
        b"{",
        b"[]",
        b"null",
        b"\"text\"",
        b"1",
        b"{}{}",
        b"{'scene':1}",
        b"{\"scene\":1,}",
        b"scene=1&text=x",
        b"\xef\xbb\xbf{}",
        b"{\"text\":\"\xff\"}",
        b"{\"text\":\"\\ud83d\"}",
        deep.as_bytes(),
    ];
    for body in bodies {
        for (path, key) in [
            ("/v1/sessions", ""),
            ("/v1/submissions", &alice),
            ("/v1/checks/text", &alice),
            ("/v1/bans", &owner),
            ("/v1/submissions/aaaaaaaaaaaaaaaaaaaaaaaaaa/decisions", &owner),
        ] {
            let answer = world.send(world.request(http::Method::POST, path, key).body(body.to_vec())).await;
            problem(answer, 400, "invalid_json");
        }
    }
    // What a browser or a phone calls it does not matter.
    let request = world.request(http::Method::POST, "/v1/submissions", &alice).header("content-type", "text/plain");
    world.send(request.body(r#"{"scene":1,"text":"好"}"#)).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let world = World::start().await;
    let (alice, owner) = (world.log_in("alice").await, server_key(0));
    let json = "application/json";
    for (path, key, kind, limit) in [
        ("/v1/sessions", "none", json, 8 << 10),
        ("/v1/submissions", &alice, json, 448 << 10),
        ("/v1/checks/text", &alice, json, 448 << 10),
        ("/v1/bans", &owner, json, 16 << 10),
        ("/v1/uploads", &alice, json, 8 << 10),
        ("/v1/uploads", &alice, "multipart/form-data; boundary=x", (4 << 20) + (64 << 10)),
        ("/v1/uploads/x", &alice, json, 8 << 10),
        ("/push/wx0", "none", json, 1 << 20),
    ] {
        let authorization = if key == "none" { String::new() } else { format!("authorization: Bearer {key}\r\n") };
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\n{authorization}content-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            limit + 1
        );
        let answer = unfinished(&world, &head, &[]).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_a_length_is_refused_as_soon_as_it_is_too_large() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    for (path, kind, limit) in [
        ("/v1/submissions", "application/json", 448 << 10),
        ("/v1/uploads", "multipart/form-data; boundary=x", (4 << 20) + (64 << 10)),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {alice}\r\ncontent-type: {kind}\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        // One chunk too many, and then nothing: the end of the body never comes.
        let chunks = vec![chunk.as_slice(); (limit >> 16) + 1];
        let answer = unfinished(&world, &head, &chunks).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_signed_in_is_told_so_before_the_body_comes() {
    let world = World::start().await;
    for path in ["/v1/submissions", "/v1/uploads", "/v1/checks/text", "/v1/bans"] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n");
        let answer = unfinished(&world, &head, &[b"{"]).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_have_twenty_thousand_characters_and_no_more() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    // Three bytes each, and all of it in windows that WeChat takes.
    let full = "字".repeat(20_000);
    let stored = world.submit_text(&alice, &full).await.expect(201);
    assert_eq!((stored.text("state"), stored.text("text").chars().count()), ("approved".into(), 20_000));
    problem(world.submit_text(&alice, &(full.clone() + "字")).await, 413, "too_large");
    // All that is public counts together.
    let spread = json!({"scene": 1, "text": full, "nickname": "a"});
    problem(world.submit(&alice, &spread).await, 413, "too_large");
    let check = json!({"scene": 1, "content": "字".repeat(20_001)});
    problem(world.post("/v1/checks/text", &alice, &check).await, 413, "too_large");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_may_have_64_kb_and_no_more() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let full = "🌏".repeat(16 * 1024);
    assert_eq!(full.len(), 64 * 1024);
    world.submit_text(&alice, &full).await.expect(201);
    problem(world.submit_text(&alice, &(full.clone() + "a")).await, 413, "too_large");
    // Written with escapes it is twelve bytes a character on the wire, and still the same text.
    let escaped = format!(r#"{{"scene":1,"text":"{}"}}"#, r"\ud83c\udf0f".repeat(16 * 1024));
    let request = world.request(http::Method::POST, "/v1/submissions", &alice).body(escaped);
    assert_eq!(world.send(request).await.expect(201).text("text"), full);
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_may_have_two_kb_of_json_and_no_more() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let with = |length: usize| json!({"scene": 1, "text": "好", "metadata": "m".repeat(length - 2)});
    let stored = world.submit(&alice, &with(2048)).await.expect(201);
    assert_eq!(stored.text("metadata").len(), 2046);
    problem(world.submit(&alice, &with(2049)).await, 413, "too_large");
    // Any JSON will do, as deep as JSON is read at all.
    let deep = format!(r#"{{"scene":1,"text":"好","metadata":{}{}}}"#, "[".repeat(126), "]".repeat(126));
    let request = world.request(http::Method::POST, "/v1/submissions", &alice).body(deep);
    let id = world.send(request).await.expect(201).text("id");
    world.get(&format!("/v1/submissions/{id}"), &alice).await.expect(200);
    world.get("/v1/submissions", &alice).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_slowly_holds_up_no_push_and_others_for_seconds_at_most() {
    let world = World::start().await;
    let alice = world.log_in("alice").await;
    let head = format!(
        "POST /v1/submissions HTTP/1.1\r\nhost: greenlight\r\nauthorization: Bearer {alice}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    // As many as are worked on at once where all functions share one machine.
    let mut slow = Vec::new();
    for _ in 0..256 {
        let mut stream = TcpStream::connect(world.url.strip_prefix("http://").unwrap()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    let push = unfinished(&world, "GET /push/wx0 HTTP/1.1\r\nhost: greenlight\r\n\r\n", &[]);
    let push = tokio::time::timeout(Duration::from_secs(4), push).await.expect("WeChat waits five seconds");
    assert!(push.starts_with("HTTP/1.1 401 "), "{push}");
    let submitted = tokio::time::timeout(Duration::from_secs(30), world.submit_text(&alice, "今天天气真好")).await;
    submitted.expect("their places are given on").expect(201);
    drop(slow);
}
