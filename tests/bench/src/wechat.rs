//! A WeChat that answers at once and finds nothing wrong: what is measured is ours.

use std::collections::HashMap;
use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// The server; its clones are one.
#[derive(Clone, Debug)]
pub struct WeChat {
    /// Where it is.
    pub url: String,
    state: Arc<Answering>,
}

#[derive(Debug, Default)]
struct Answering {
    busy: AtomicBool,
    checks: AtomicUsize,
    /// Where each medium is to be downloaded, by the trace_id of its check.
    media: Mutex<HashMap<String, String>>,
}

impl Answering {
    fn media(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.media.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all checks of a busy WeChat come to, or the name of the next.
    fn trace_id(&self) -> Result<String, Value> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(json!({"errcode": -1, "errmsg": "system error"}));
        }
        // As long as WeChat's own.
        Ok(format!("5f6d0000-{:08}-0a1b2c3d", self.checks.fetch_add(1, Ordering::SeqCst)))
    }
}

fn answer(answer: Value) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], answer.to_string())
}

async fn text(State(state): State<Arc<Answering>>) -> impl IntoResponse {
    let detail = json!([{"strategy": "content_model", "errcode": 0, "suggest": "pass", "label": 100, "prob": 90}]);
    answer(state.trace_id().map_or_else(
        |busy| busy,
        |trace_id| {
            json!({
                "errcode": 0, "errmsg": "ok", "result": {"suggest": "pass", "label": 100}, "detail": detail,
                "trace_id": trace_id,
            })
        },
    ))
}

async fn medium(State(state): State<Arc<Answering>>, body: String) -> impl IntoResponse {
    answer(state.trace_id().map_or_else(
        |busy| busy,
        |trace_id| {
            let asked: Value = serde_json::from_str(&body).unwrap_or_default();
            let url = asked.get("media_url").and_then(Value::as_str).unwrap_or_default();
            state.media().insert(trace_id.clone(), url.to_owned());
            json!({"errcode": 0, "errmsg": "ok", "trace_id": trace_id})
        },
    ))
}

async fn token() -> impl IntoResponse {
    // As long as WeChat's own.
    answer(json!({"access_token": "7".repeat(136), "expires_in": 7200}))
}

impl WeChat {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no port.
    pub async fn start() -> Result<Self, Box<dyn Error>> {
        let state = Arc::<Answering>::default();
        let router = Router::new()
            .route("/wxa/msg_sec_check", post(text))
            .route("/wxa/media_check_async", post(medium))
            .route("/cgi-bin/stable_token", post(token))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, state })
    }

    /// Is too busy to check anything from now on, or is not any more.
    pub fn be_busy(&self, busy: bool) {
        self.state.busy.store(busy, Ordering::SeqCst);
    }

    /// The check that was asked for about the medium of a submission, and where it is to be downloaded.
    pub fn check_of(&self, submission: &str) -> Option<(String, String)> {
        let part = format!("/media/{submission}/");
        let mut media = self.state.media();
        let trace_id = media.iter().find(|(_, url)| url.contains(&part))?.0.clone();
        media.remove_entry(&trace_id)
    }
}
