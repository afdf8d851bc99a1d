//! What memory serve-media takes while it streams ten megabytes to WeChat: the bootstrap itself, behind a Lambda Runtime API
//! on loopback, before the embedded engines.

#![expect(clippy::print_stdout, reason = "the report")]

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use clap::Parser;
use futures_util::StreamExt;
use greenlight::aws::AwsSettings;
use greenlight::bucket::{Bucket, media_key};
use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::{AppId, OpenId, SubmissionId, UrlSecret};
use greenlight::domain::media::{MAX_MEDIUM_BYTES, MediaType};
use greenlight::domain::media_path::with_secret;
use greenlight::domain::sha256::Sha256;
use greenlight::domain::submission::{Medium, NewSubmission, Paused, Retain, Scene, Submission};
use greenlight::domain::text::Content;
use greenlight::outbound::Outbound;
use greenlight::table::{Consistency, Table};
use greenlight_local::stack::{BUCKET, Stack, TABLE};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{Sender, channel};

/// Streams ten megabytes of sound through a serve-media bootstrap, and reports its peak of memory.
#[derive(Parser)]
struct Options {
    /// The bootstrap to measure: target/release/serve-media, or what cargo built beside this program without it.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// The Runtime API of one function that is invoked once. (AWS Lambda: "Using the Lambda runtime API".)
#[derive(Clone)]
struct RuntimeApi {
    event: String,
    invoked: Arc<AtomicBool>,
    /// How many bytes came back.
    answered: Sender<usize>,
}

async fn next(State(api): State<RuntimeApi>) -> Response {
    if api.invoked.swap(true, Ordering::SeqCst) {
        // There is no other event.
        return std::future::pending().await;
    }
    let headers = [
        ("lambda-runtime-aws-request-id", "1"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:serve-media"),
    ];
    (headers, api.event).into_response()
}

async fn answer(State(api): State<RuntimeApi>, body: Body) -> Response {
    let mut chunks = body.into_data_stream();
    let mut length = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        length += chunk.len();
    }
    // Whoever waits for it may have given up.
    let _ = api.answered.send(length).await;
    "{}".into_response()
}

/// A submission of ten megabytes whose check has begun, and the path that WeChat was given.
async fn submitted(table: &Table, bucket: &Bucket) -> Result<(Submission, String), Box<dyn Error>> {
    let bytes = Bytes::from(vec![0x55; usize::try_from(MAX_MEDIUM_BYTES)?]);
    let medium = Medium {
        media_type: MediaType::Mp3,
        sha256: Sha256::of(&bytes),
        size: MAX_MEDIUM_BYTES,
        author_secret: UrlSecret::random(),
        dimensions: None,
        ai_label: None,
    };
    let now = greenlight::domain::clock::Clock::system().now();
    let mut submission = Submission::new(new(medium.clone())?, now);
    let checks = submission.begin_checks(Paused::default(), Timestamp(now.0), |_| true);
    let secret = checks.first().and_then(|check| check.secret.clone()).ok_or("no check was begun")?;
    bucket.put(&media_key(&submission.id, 0, &medium), bytes, medium.sha256, medium.media_type).await?;
    table.commit(None, &mut submission, &[]).await?;
    let path = with_secret(&submission.id, 0, &secret, medium.media_type);
    Ok((submission, path))
}

fn new(medium: Medium) -> Result<NewSubmission, Box<dyn Error>> {
    Ok(NewSubmission {
        id: SubmissionId::random(),
        app: AppId::parse("wx0")?,
        openid: OpenId::parse("o0")?,
        scene: Scene::Forum,
        content: Content::default(),
        media: vec![medium],
        channel: None,
        metadata: None,
        external_id: None,
        tells: false,
        replaces: None,
        retain: Retain::Always,
        vouched: false,
        request_hash: None,
    })
}

/// What a function URL hands to a function. (AWS Lambda: "Invoking Lambda function URLs", payload format 2.0.)
fn event(path: &str) -> String {
    let context = json!({
        "accountId": "anonymous", "apiId": "id", "domainName": "id.lambda-url.us-east-1.on.aws", "domainPrefix": "id",
        "http": {"method": "GET", "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
        "requestId": "1", "routeKey": "$default", "stage": "$default", "time": "01/Jan/2026:00:00:00 +0000",
        "timeEpoch": 1_767_225_600_000_u64,
    });
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"host": "id.lambda-url.us-east-1.on.aws"}, "requestContext": context, "isBase64Encoded": false,
    });
    event.to_string()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let own = std::env::current_exe()?;
    let binary = options.binary.unwrap_or_else(|| own.with_file_name("serve-media"));
    let stack = Stack::start_in_memory().await?;
    let settings: HashMap<&str, String> = stack.settings();
    let aws = AwsSettings::from_lookup(&|name| settings.get(name).cloned())?;
    let http = Outbound::new(None)?.aws_client()?;
    let (table, bucket) = (Table::new(aws.dynamodb(&http), TABLE), Bucket::new(&aws, &http, BUCKET));
    let (submission, path) = submitted(&table, &bucket).await?;

    let (answered, mut answers) = channel(1);
    let api = RuntimeApi { event: event(&format!("/{path}")), invoked: Arc::default(), answered };
    let routes = Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(answer))
        .with_state(api);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes).await });

    let mut function = Command::new(&binary)
        .env_clear()
        .envs(&settings)
        .env("GREENLIGHT_INVOKE_MODE", "response_stream")
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "serve-media")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{}: {error}", binary.display()))?;
    let came = tokio::select! {
        came = answers.recv() => came.ok_or("no answer")?,
        ended = function.wait() => return Err(format!("{} ended: {}", binary.display(), ended?).into()),
    };
    let process = function.id().ok_or("the function is gone")?;
    // proc(5): VmHWM is the peak of resident memory.
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?.trim();
    let stored = table.submission(&submission.id, Consistency::Strong).await?.ok_or("no submission")?;
    let noted = stored.parts.iter().flat_map(|part| &part.attempts).any(|one| one.fetched.covers(MAX_MEDIUM_BYTES));
    println!("{came} bytes came, with what Lambda puts before them; noted as read: {noted}");
    println!("peak of resident memory: {peak}");
    Ok(())
}
