//! What stands before an engine and passes everything on, until it is told to hang or to refuse.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use greenlight::outbound::Outbound;
use greenlight_local::engines::undelayed;
use http::StatusCode;
use http::request::Parts;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// It reaches the engine.
    Passes,
    /// It is read and never answered.
    Hangs,
    /// It is answered so, with a body of this text.
    Refuses(StatusCode, &'static str),
}

/// A relay; it serves until it is dropped.
pub struct Relay {
    /// Where it stands.
    pub url: String,
    passing: Arc<Passing>,
    server: JoinHandle<()>,
}

/// An answer that the engine does not give.
type Watch = dyn Fn(&Parts, &Bytes) -> Option<Response> + Send + Sync;

struct Passing {
    watch: Box<Watch>,
    upstream: String,
    client: reqwest::Client,
    mood: Mutex<Mood>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Relay {
    /// Stands before `upstream` and passes everything on.
    pub async fn before(upstream: &str) -> Self {
        Self::watching(upstream, |_, _| None).await
    }

    /// Stands before `upstream` and passes on what `watch` has no answer for.
    pub async fn watching(
        upstream: &str,
        watch: impl Fn(&Parts, &Bytes) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = Outbound::new(None).and_then(|outbound| outbound.aws_client()).expect("a client");
        let passing = Arc::new(Passing {
            watch: Box::new(watch),
            upstream: upstream.to_owned(),
            client,
            mood: Mutex::new(Mood::Passes),
        });
        let router = Router::new().fallback(pass).with_state(Arc::clone(&passing));
        let server = tokio::spawn(async move { axum::serve(undelayed(listener), router).await.expect("it serves") });
        Self { url, passing, server }
    }

    /// What becomes of calls from now on.
    pub fn is(&self, mood: Mood) {
        *self.passing.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }
}

async fn pass(State(passing): State<Arc<Passing>>, request: Request) -> Response {
    let mood = *passing.mood.lock().unwrap_or_else(PoisonError::into_inner);
    match mood {
        Mood::Passes => {}
        Mood::Hangs => pending().await,
        Mood::Refuses(status, text) => return (status, text).into_response(),
    }
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    if let Some(answer) = (passing.watch)(&head, &body) {
        return answer;
    }
    let url = format!("{}{}", passing.upstream, head.uri);
    // The signature covers the host that the caller knows, so that header goes on as well.
    let answer = passing.client.request(head.method, url).headers(head.headers).body(body).send().await;
    let answer: http::Response<reqwest::Body> = answer.expect("the engine answers").into();
    answer.map(Body::new)
}
