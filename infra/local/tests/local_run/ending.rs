//! The end of a run: nothing new is taken, what is under way is answered, and nothing is left behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::fake_wechat::FakeWeChat;
use crate::run::{PATIENCE, Run};

/// So long it gives what is under way.
const ITS_TIME: Duration = Duration::from_secs(10);

fn connected(run: &Run) -> TcpStream {
    TcpStream::connect(run.url.strip_prefix("http://").unwrap()).unwrap()
}

/// A request of which the head is there, and the rest never comes: it is under way for ever.
fn unfinished_request(run: &Run) -> TcpStream {
    let mut hanging = connected(run);
    hanging.set_read_timeout(Some(PATIENCE)).unwrap();
    hanging
        .write_all(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    // This is said when a handler waits for the body.
    let mut told = [0; 12];
    hanging.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    hanging
}

fn it_ends_at_once_on(signal: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let run = Run::start_with(&[], &[("TMPDIR", temporary.path().to_str().unwrap())]);
    let made = || std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(made(), 1, "the bucket of a run without --data");
    let silent = connected(&run);
    run.process.signal(signal);
    let ended = run.process.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.after < ITS_TIME, "{:?}", ended.after);
    assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("", ""));
    assert_eq!(made(), 0, "nothing is left behind");
    drop(silent);
}

#[test]
fn ctrl_c_ends_it_at_once_when_nothing_is_under_way() {
    it_ends_at_once_on("INT");
}

#[test]
fn so_does_a_supervisor() {
    it_ends_at_once_on("TERM");
}

#[test]
fn so_does_a_terminal_that_closes() {
    it_ends_at_once_on("HUP");
}

#[test]
fn what_stays_under_way_is_broken_off_after_ten_seconds() {
    let run = Run::start(&[]);
    let hanging = unfinished_request(&run);
    run.process.signal("TERM");
    let ended = run.process.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.after >= ITS_TIME && ended.after < 2 * ITS_TIME, "{:?}", ended.after);
    assert!(ended.errors.contains("what was still under way after 10 s was broken off"), "{}", ended.errors);
    drop(hanging);
}

#[test]
fn whoever_asks_twice_does_not_wait() {
    let run = Run::start(&[]);
    let hanging = unfinished_request(&run);
    run.process.signal("INT");
    // It has heard the first when nobody can connect any more.
    while TcpStream::connect(run.url.strip_prefix("http://").unwrap()).is_ok() {}
    run.process.signal("INT");
    let ended = run.process.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(ended.after < ITS_TIME, "{:?}", ended.after);
    drop(hanging);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_answered_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    let fake = FakeWeChat::start().await;
    let run = fake.run_with(&data);
    let author = run.log_in("wx-login-code").await;
    let text = json!({"scene": "comment", "text": "好的"});
    fake.hold_texts(true);
    let submitting = run.post("/v1/submissions", &author, &text);
    let told_to_end = async {
        fake.is_asked("/wxa/msg_sec_check").await;
        run.process.signal("TERM");
        while TcpStream::connect(run.url.strip_prefix("http://").unwrap()).is_ok() {}
        fake.hold_texts(false);
    };
    let (answer, ()) = tokio::join!(submitting, told_to_end);
    let id = answer.expect(201).text("id");
    let ended = run.process.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    assert!(!ended.errors.contains("broken off"), "{}", ended.errors);
    let mut files: Vec<_> = std::fs::read_dir(&data).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["format.json", "keys.json", "lock", "objects", "table.sqlite"], "the table is one file again");

    let after = fake.run_with(&data);
    assert_eq!(after.submission(&id, "").await.expect(200).text("state"), "approved");
}
