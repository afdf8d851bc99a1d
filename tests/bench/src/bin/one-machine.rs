//! What a run with `--data` costs while it fills: time, processor, memory and disk.

#![expect(clippy::print_stdout, reason = "the report")]
#![expect(clippy::indexing_slicing, reason = "a measurement: a panic says that there is none")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use futures_util::future::join_all;
use greenlight::outbound::Outbound;
use greenlight_bench::local_process::{LocalProcess, folder_size};
use reqwest::Client;
use serde_json::{Value, json};

const SERVER_KEY: &str = "sk-bench-0123456789abcdef";
/// How often the costs are looked at.
const LOOKS: u64 = 10;
/// How many submissions, one after another, each look times.
const TIMED: u64 = 300;
/// How many clients fill it up between two looks, at once.
const AT_ONCE: u64 = 8;
/// Fewer than the 30 that an author may submit in ten minutes.
const OF_AN_AUTHOR: u64 = 25;

/// Fills a greenlight-local with text submissions, and reports after each tenth what one costs.
#[derive(Parser)]
struct Options {
    /// How many submissions.
    #[arg(long, default_value_t = 100_000)]
    submissions: u64,
    /// The greenlight-local to measure; the one that cargo built beside this program without it.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Where its data is kept meanwhile: a folder on the disk that is to be measured.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// Submits as many authors would.
struct Authors {
    http: Client,
    url: String,
    made: AtomicU64,
}

impl Authors {
    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value, Box<dyn Error>> {
        let mut request = self.http.post(format!("{}{path}", self.url)).body(body.to_string());
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status != 201 {
            return Err(format!("{path}: {status} {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// A new author's session.
    async fn log_in(&self) -> Result<String, Box<dyn Error>> {
        let code = format!("author{}-1", self.made.fetch_add(1, Ordering::Relaxed));
        let session = self.post("/v1/sessions", None, &json!({"code": code})).await?;
        Ok(session["token"].as_str().unwrap_or_default().to_owned())
    }

    /// Makes `count` submissions one after another; how long each took.
    async fn submit(&self, count: u64) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut took = Vec::new();
        let mut token = String::new();
        for number in 0..count {
            if number % OF_AN_AUTHOR == 0 {
                token = self.log_in().await?;
            }
            let text = format!("今天天气真好，我们去公园吧。{number} 号长椅旁边的玉兰花开了，路过的人都停下来看。");
            let body = json!({"scene": "forum", "channel": "square", "nickname": "小明", "text": text});
            let begun = Instant::now();
            let submission = self.post("/v1/submissions", Some(&token), &body).await?;
            took.push(begun.elapsed());
            if submission["state"] != "approved" {
                return Err(format!("a clean text is not approved: {submission}").into());
            }
        }
        Ok(took)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn megabytes(bytes: u64) -> u64 {
    bytes / 1_000_000
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let beside = std::env::current_exe()?.with_file_name("greenlight-local");
    let binary = options.binary.unwrap_or(beside);
    let folder = options.folder.unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(folder)?;
    let data = folder.path().join("data");
    let process = LocalProcess::start(&binary, &data, SERVER_KEY).await?;
    println!("{}, started in {:.0} ms, data in {}", binary.display(), milliseconds(process.started_in), data.display());

    let http = Outbound::new(None)?.aws_client()?;
    // WeChat would let 4,000 a minute pass.
    let behaviour = format!("{}/simulator/apps/wx0000000000000000/behaviour", process.simulator);
    let unlimited = json!({"quotas": {"msg_sec_check": {"per_minute": null, "per_day": null}}});
    http.put(behaviour).body(unlimited.to_string()).send().await?.error_for_status()?;
    let authors = &Authors { http, url: process.url.clone(), made: AtomicU64::new(0) };

    println!("     stored    one: p50      p99    processor   {AT_ONCE} at once      memory        disk");
    let mut medians = Vec::new();
    let mut stored = 0;
    for look in 0..=LOOKS {
        let fill = (options.submissions * look / LOOKS).saturating_sub(stored);
        let begun = Instant::now();
        let clients = (0..AT_ONCE).map(|client| authors.submit((fill + client) / AT_ONCE));
        for client in join_all(clients).await {
            client?;
        }
        let a_second = (fill > 0).then(|| format!("{:.0}/s", fill as f64 / begun.elapsed().as_secs_f64()));
        stored += fill;

        let worked = process.processor_time();
        let mut took = authors.submit(TIMED).await?;
        let worked = (process.processor_time() - worked) / u32::try_from(TIMED)?;
        stored += TIMED;
        took.sort_unstable();
        let (p50, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
        medians.push(p50);
        println!(
            "{stored:>11} {:>9.2} ms {:>6.2} ms {:>9.2} ms {:>11} {:>8} MB {:>8} MB",
            milliseconds(p50),
            milliseconds(p99),
            milliseconds(worked),
            a_second.unwrap_or_default(),
            megabytes(process.memory()),
            megabytes(folder_size(&data)),
        );
    }
    let (first, last) = (medians[0], medians[medians.len() - 1]);
    println!("the last ones took {:.2} times as long as the first", last.as_secs_f64() / first.as_secs_f64());

    process.end().await?;
    println!("ended: {} MB", megabytes(folder_size(&data)));
    let again = LocalProcess::start(&binary, &data, SERVER_KEY).await?;
    println!("started with all of it in {:.0} ms", milliseconds(again.started_in));
    again.end().await
}
