//! What it cannot start with: one clear line each, and no secret in it.

use std::net::TcpListener;

use crate::run::{Ended, Process, Run};

/// One line on stderr that says `says`, nothing on stdout, and a failure.
#[track_caller]
fn is_one_line(ended: &Ended, says: &str) {
    let line = ended.errors.strip_suffix('\n').unwrap_or_default();
    assert!(!ended.status.success(), "{line}");
    assert!(line.starts_with("greenlight-local: ") && line.contains(says), "it does not say {says}: {}", ended.errors);
    assert!(!line.contains('\n') && !line.contains("panicked"), "{line}");
    assert!(!line.contains("hunter2"), "{line}");
    assert_eq!(ended.output, "");
}

#[test]
fn a_bad_flag_is_one_clear_line() {
    let cases: &[(&[&str], &str)] = &[
        (&["--nope"], "unexpected argument '--nope'"),
        (&["--prot", "1"], "a similar argument exists: '--port'"),
        (&["hunter2"], "an argument stands where a flag should"),
        (&["--port"], "a value is required for '--port <PORT>'"),
        (&["--port", "65536"], "invalid value '65536' for '--port <PORT>'"),
        (&["--listen", "nowhere"], "invalid value 'nowhere' for '--listen <ADDRESS>'"),
        (&["--app-id", "w x"], "--app-id is invalid"),
        (&["--public-url", "example.com"], "--public-url is invalid: it must be a URL such as https://"),
        (&["--public-url", "https://example.com/?hunter2"], "--public-url is invalid: it must not have a query"),
        (&["--decision-url", "example.com"], "--decision-url is invalid"),
        (&["--decision-url", "https://example.com"], "--decision-key is invalid: it is missing"),
        (&["--decision-key", "hunter2"], "--decision-key is invalid: it must be whsec_"),
        (&["--relay-url", "example.com"], "--relay-url is invalid"),
        (&["--ca-file", "/nowhere/at/all"], "--ca-file is invalid: it must name a file that can be read"),
        (&["--keep-sealed-days", "200d"], "--keep-sealed-days is invalid: it must be a number of days, 0 to 3650"),
        (&["--keep-record-days", "0"], "--keep-record-days is invalid: it must be a number of days, 1 to 3650"),
        (&["--wechat-url", "http://127.0.0.1:1"], "--app-id is needed when there is no simulator"),
        (&["--wechat-url", "http://127.0.0.1:1", "--app-id", "wx1"], "--app-secret is needed"),
        (&["--app-secret", "hunter2"], "--app-id is needed when there is no simulator"),
        (&["--wechat-url", "nowhere", "--app-id", "wx1", "--app-secret", "hunter2"], "--wechat-url is invalid"),
    ];
    for (arguments, says) in cases {
        is_one_line(&Process::start(arguments).ended(), says);
    }
}

#[test]
fn a_bad_key_is_one_clear_line_that_does_not_repeat_it() {
    let odd_key = format!("hunter2{}", "-".repeat(36));
    let cases: &[(&[&str], &str)] = &[
        (&["--push-aes-key", "hunter2"], "--push-aes-key is invalid: an EncodingAESKey has 43 characters"),
        (&["--push-aes-key", &odd_key], "--push-aes-key is invalid"),
        (&["--push-token", ""], "--push-token is invalid: it is empty"),
        (&["--server-key", "hunter2"], "--server-key is invalid: it must have at least 8 characters"),
        (&["--server-key"], "a value is required for '--server-key <KEY>'"),
    ];
    for (arguments, says) in cases {
        is_one_line(&Process::start(arguments).ended(), says);
    }
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = Process::start(&["--port", &port]).ended();
    is_one_line(&ended, &format!("cannot listen on 127.0.0.1:{port}: "));
    is_one_line(&ended, "(--port names another)");
}

#[test]
fn a_folder_that_cannot_be_used_is_one_clear_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "").unwrap();
    let ended = Process::start(&["--data", &path("file")]).ended();
    is_one_line(&ended, "--data: ");
    is_one_line(&ended, "this is a file, not a folder");
    is_one_line(&Process::start(&["--data", &path("file/below")]).ended(), "--data: ");

    for (name, file) in [("keys", "keys.json"), ("simulator", "simulator.json"), ("table", "table.sqlite")] {
        std::fs::create_dir(path(name)).unwrap();
        std::fs::write(path(&format!("{name}/{file}")), "hunter2, and no more of what it should be").unwrap();
        is_one_line(&Process::start(&["--data", &path(name)]).ended(), "");
    }

    let data = path("data");
    let held = Run::start(&["--data", &data]);
    let says = format!("another run (process {}) is using this folder: end it, or name another", held.process.pid());
    is_one_line(&Process::start(&["--data", &data]).ended(), &says);
    drop(held);
}

#[test]
fn help_and_version_are_what_they_are_everywhere() {
    for (flag, says) in [("--help", "--wechat-url <URL>"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ended = Process::start(&[flag]).ended();
        assert!(ended.status.success() && ended.errors.is_empty(), "{}", ended.errors);
        assert!(ended.output.contains(says), "{}", ended.output);
    }
}
