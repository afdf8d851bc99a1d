//! The end of a run: at once, and tidy, whatever is under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::run::{PATIENCE, Run};

/// Connections that would keep a patient server alive: one that is silent, one in the middle of its request.
fn hangers_on(run: &Run) -> [TcpStream; 2] {
    let address = run.url.strip_prefix("http://").unwrap();
    let silent = TcpStream::connect(address).unwrap();
    let mut hanging = TcpStream::connect(address).unwrap();
    hanging.set_read_timeout(Some(PATIENCE)).unwrap();
    hanging
        .write_all(b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    // This is said when a handler waits for the body: it is under way.
    let mut told = [0; 12];
    hanging.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100");
    [silent, hanging]
}

fn it_ends_on(signal: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let run = Run::start_in(&[], Some(temporary.path()));
    let made = || std::fs::read_dir(temporary.path()).unwrap().count();
    assert_eq!(made(), 1, "the bucket of a run without --data");
    let connections = hangers_on(&run);
    run.process.signal(signal);
    let ended = run.process.ended();
    assert_eq!(ended.status.code(), Some(0), "{}", ended.errors);
    // The two connections are still open. Whoever waited for them would wait for ever, or for as long as it gives them.
    assert!(ended.after < Duration::from_secs(10), "{:?}", ended.after);
    assert_eq!((ended.output.as_str(), ended.errors.as_str()), ("", ""));
    assert_eq!(made(), 0, "nothing is left behind");
    drop(connections);
}

#[test]
fn ctrl_c_ends_it_at_once() {
    it_ends_on("INT");
}

#[test]
fn so_does_a_supervisor() {
    it_ends_on("TERM");
}

#[test]
fn so_does_a_terminal_that_closes() {
    it_ends_on("HUP");
}
