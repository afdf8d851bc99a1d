//! Handlers that die, or stand still, at one await point: futures that are polled by hand.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use axum::body::Body;
use axum::extract::Request;
use futures_util::{StreamExt, stream};
use http::Method;
use serde_json::Value;

/// No handler waits so often. (The longest, a submission of a text and two pictures, waits about fifty times.)
const MOST_WAITS: usize = 600;
/// How many situations stand side by side.
const AT_ONCE: usize = 4;

/// A future that runs as far as it is told. Dropped, it is a process that died there; left alone, one that stands still.
pub struct Stepped<F> {
    future: Pin<Box<F>>,
}

impl<F: Future> Stepped<F> {
    /// Nothing of `future` has run yet.
    pub fn new(future: F) -> Self {
        Self { future: Box::pin(future) }
    }

    /// Lets it wait `waits` times, and stops it when it has to wait once more. What it came to, if it ended before.
    pub async fn run(&mut self, waits: usize) -> Option<F::Output> {
        let mut left = waits;
        poll_fn(|context| match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => {
                left -= 1;
                Poll::Pending
            }
        })
        .await
    }

    /// Lets it run to its end.
    pub async fn finish(self) -> F::Output {
        self.future.await
    }
}

/// Polls `future` `polls` times at most, if a number is given, then drops it: a function that is killed at an await point.
pub async fn mortal<F: Future>(polls: Option<usize>, future: F) -> Option<F::Output> {
    match polls {
        None => Some(future.await),
        Some(0) => None,
        Some(polls) => Stepped::new(future).run(polls - 1).await,
    }
}

/// Makes a situation for each await point of a handler in turn. `situation` is told how often the handler may wait, and
/// says whether it ended by itself; when all of several in a row did, every point has been met.
///
/// How often a future waits depends on how the sockets fare, so the number is found out by trying.
pub async fn at_every_await<S: Future<Output = bool>>(situation: impl Fn(usize) -> S) {
    for first in (0..MOST_WAITS).step_by(AT_ONCE) {
        // Each has a waker of its own, so that none is polled, and its waits counted, for what another waits for.
        let ended = stream::iter(first..first + AT_ONCE).map(&situation).buffer_unordered(AT_ONCE);
        if ended.collect::<Vec<bool>>().await.into_iter().all(|ended| ended) {
            return;
        }
    }
    panic!("it still waits after {MOST_WAITS} times");
}

/// A request as a router takes it, with a session token or a server key.
pub fn request(method: Method, path: &str, key: &str, body: Option<&Value>) -> Request {
    let request = http::Request::builder().method(method).uri(path);
    let request = request.header("authorization", format!("Bearer {key}")).header("content-type", "application/json");
    request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).expect("a request")
}
