//! Handlers that die, or stand still, at one await point: a future that is polled by hand, and a gate for pushes whose
//! handlers meet that.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::IntoResponse;
use futures_util::{StreamExt, stream};
use http::{Method, StatusCode};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::ServiceExt;

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

/// A gate for WeChat's pushes, behind which the handler of the first push dies.
pub struct PushGate {
    /// Where pushes go.
    pub url: String,
    ended: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl Drop for PushGate {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl PushGate {
    /// A gate before `router`: the first push may wait `waits` times there, the others as often as they like.
    pub async fn before(router: Router, waits: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let ended = Arc::new(AtomicBool::new(false));
        let (first, first_ended) = (Arc::new(AtomicBool::new(true)), Arc::clone(&ended));
        let gate = Router::new().fallback(move |request: Request| {
            let (router, first, ended) = (router.clone(), Arc::clone(&first), Arc::clone(&first_ended));
            async move {
                let mut handler = Stepped::new(router.oneshot(request));
                if !first.swap(false, Ordering::SeqCst) {
                    return handler.finish().await.expect("a router answers");
                }
                match handler.run(waits).await {
                    Some(answer) => {
                        ended.store(true, Ordering::SeqCst);
                        answer.expect("a router answers")
                    }
                    // What a gateway says for a process that is gone.
                    None => StatusCode::BAD_GATEWAY.into_response(),
                }
            }
        });
        let server = tokio::spawn(async move { axum::serve(listener, gate).await.expect("it serves") });
        Self { url, ended, server }
    }

    /// Whether the first push's handler came to its end by itself.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }
}
