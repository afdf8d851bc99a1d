//! One execution environment of a function: its process, behind a Lambda Runtime API on loopback.
//!
//! (AWS Lambda developer guide, "Using the Lambda runtime API".)

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// What is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// The file.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Its environment; it has no other.
    pub environment: Vec<(String, String)>,
}

/// What a function answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// From handing over the event until the answer was there.
    pub took: Duration,
    /// The answer: JSON, or what a streamed one is framed in.
    pub body: Bytes,
}

/// A running function; killed when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    child: Child,
    /// From starting the process until it asked for its first event.
    pub init: Duration,
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Result<(Instant, Bytes), String>>,
    asks: mpsc::Receiver<Instant>,
    asks_already: bool,
    serving: JoinHandle<()>,
}

struct Api {
    asks: mpsc::Sender<Instant>,
    events: Mutex<mpsc::Receiver<String>>,
    answers: mpsc::Sender<Result<(Instant, Bytes), String>>,
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    // Whoever measures may have enough.
    let _ = api.asks.send(Instant::now()).await;
    let Some(event) = api.events.lock().await.recv().await else { return StatusCode::GONE.into_response() };
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:bench"),
        ("content-type", "application/json"),
    ];
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<Api>>, body: Body) -> Response {
    let mut chunks = body.into_data_stream();
    let mut whole = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        whole.extend_from_slice(&chunk);
    }
    let _ = api.answers.send(Ok((Instant::now(), whole.into()))).await;
    StatusCode::ACCEPTED.into_response()
}

async fn failure(State(api): State<Arc<Api>>, body: String) -> Response {
    let _ = api.answers.send(Err(body)).await;
    StatusCode::ACCEPTED.into_response()
}

fn router(api: Api) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
        .route("/2018-06-01/runtime/init/error", post(failure))
        .with_state(Arc::new(api))
}

impl Sandbox {
    /// Starts a function, and waits until it asks for an event.
    ///
    /// # Errors
    /// When there is no such file, or it ends.
    pub async fn start(program: &Program) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (asks, mut asked) = mpsc::channel(1);
        let (events, to_come) = mpsc::channel(1);
        let (answers, answered) = mpsc::channel(1);
        let api = Api { asks, events: Mutex::new(to_come), answers };
        let serving = tokio::spawn(async move {
            let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
            let _ = axum::serve(listener, router(api)).await;
        });
        let mut command = Command::new(&program.file);
        command
            .args(&program.arguments)
            .env_clear()
            .envs(program.environment.iter().map(|(name, value)| (name, value)))
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let begun = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", program.file.display()))?;
        let at = tokio::select! {
            at = asked.recv() => at.ok_or("no runtime API")?,
            ended = child.wait() => return Err(format!("{} ended: {}", program.file.display(), ended?).into()),
        };
        let init = at.duration_since(begun);
        Ok(Self { child, init, events, answers: answered, asks: asked, asks_already: true, serving })
    }

    /// Hands an event over, and waits for its answer.
    ///
    /// # Errors
    /// When the function fails or ends.
    pub async fn invoke(&mut self, event: String) -> Result<Answer, Box<dyn Error>> {
        if !self.asks_already {
            tokio::select! {
                asked = self.asks.recv() => drop(asked.ok_or("no runtime API")?),
                ended = self.child.wait() => return Err(format!("the function ended: {}", ended?).into()),
            }
        }
        self.asks_already = false;
        let begun = Instant::now();
        self.events.send(event).await?;
        let (ended, body) = tokio::select! {
            answer = self.answers.recv() => answer.ok_or("no runtime API")??,
            ended = self.child.wait() => return Err(format!("the function ended: {}", ended?).into()),
        };
        Ok(Answer { took: ended.duration_since(begun), body })
    }

    fn process(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.child.id().unwrap_or_default()))
    }

    /// How long processors have worked for its threads so far. (Linux, `Documentation/scheduler/sched-stats.rst`:
    /// `schedstat`, in nanoseconds.)
    pub fn processor_time(&self) -> Duration {
        let threads = std::fs::read_dir(self.process().join("task")).into_iter().flatten().flatten();
        let nanoseconds = threads.filter_map(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
            stat.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// How many kilobytes of memory it has had at most. (proc(5): `VmHWM`.)
    pub fn peak_memory(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// How many kilobytes of memory it has. (proc(5): `VmRSS`.)
    pub fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(self.process().join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse().ok()).unwrap_or_default()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
