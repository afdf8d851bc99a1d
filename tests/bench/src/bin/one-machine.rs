//! What a run with `--data` takes at once, and what it costs while it fills: time, processor, memory and disk.

#![expect(clippy::print_stdout, reason = "the report")]
#![expect(clippy::indexing_slicing, reason = "a measurement: a panic says that there is none")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::AttributeValue;
use clap::Parser;
use futures_util::future::{join_all, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use greenlight::aws::AwsSettings;
use greenlight::outbound::Outbound;
use greenlight_bench::case::COMMENT;
use greenlight_bench::figures::milliseconds;
use greenlight_bench::local_process::{LocalProcess, folder_size};
use greenlight_bench::world::{form, tiny_picture};
use greenlight_local::stack::{Stack, TABLE};
use reqwest::Client;
use serde_json::{Value, json};

const SERVER_KEY: &str = "sk-bench-0123456789abcdef";
/// How often the costs are looked at.
const LOOKS: u64 = 10;
/// How many submissions, one after another, each look times.
const TIMED: u64 = 300;
/// How many clients fill it up between two looks, at once.
const AT_ONCE: u64 = 8;
/// Few, so that all clients end at about the same time.
const PICTURES_OF_AN_AUTHOR: u64 = 4;
/// How many clients ask for as much as it gives, and for how long.
const CROWD: u64 = 64;
const CROWDED_FOR: Duration = Duration::from_secs(10);
/// How many pictures are submitted at one moment.
const IN_FLIGHT: usize = 1_000;
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
        // A thousand connections at one moment are more than wait in line; a phone tries again.
        let mut answer = request.try_clone().ok_or("no body to send twice")?.send().await;
        while matches!(&answer, Err(error) if error.is_connect()) {
            answer = request.try_clone().ok_or("no body to send twice")?.send().await;
        }
        let answer = answer?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status != 201 {
            return Err(format!("{path}: {status} {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    async fn get(&self, url: &str, token: Option<&str>) -> Result<Value, Box<dyn Error>> {
        let mut request = self.http.get(url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        Ok(serde_json::from_str(&request.send().await?.error_for_status()?.text().await?)?)
    }

    /// The upload_id of a green picture whose bytes no other has.
    async fn upload(&self, token: &str) -> Result<String, Box<dyn Error>> {
        let [.., red, blue] = self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let (content_type, form) = form(&tiny_picture([red / 2, 255, blue / 2], self.made.load(Ordering::Relaxed)));
        let request = self.http.post(format!("{}/v1/uploads", self.url)).bearer_auth(token);
        let answer = request.header("content-type", content_type).body(form).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if status != 201 {
            return Err(format!("/v1/uploads: {status} {text}").into());
        }
        Ok(serde_json::from_str::<Value>(&text)?["upload_id"].as_str().unwrap_or_default().to_owned())
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

/// How often a second 64 clients can do something, one thing after another each.
async fn crowd<F>(once: impl Fn(u64) -> F) -> Result<f64, Box<dyn Error>>
where
    F: Future<Output = Result<u64, Box<dyn Error>>>,
{
    let (once, begun) = (&once, Instant::now());
    let clients = (0..CROWD).map(|client| async move {
        let mut done = 0;
        while begun.elapsed() < CROWDED_FOR {
            done += once(client).await?;
        }
        Ok::<_, Box<dyn Error>>(done)
    });
    let done: u64 = try_join_all(clients).await?.into_iter().sum();
    Ok(done as f64 / begun.elapsed().as_secs_f64())
}

/// Bare conditional puts of items as large as a text's, into the embedded table alone, kept in `folder` as well.
async fn puts(folder: &Path) -> Result<f64, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let stack = Stack::start(Some(folder)).await?;
    let settings = stack.settings();
    let client =
        AwsSettings::from_lookup(&|name| settings.get(name).cloned())?.dynamodb(&Outbound::new(None)?.aws_client()?);
    let (client, made) = (&client, &AtomicU64::new(0));
    let document = &COMMENT.repeat(2);
    let rate = crowd(|_| async move {
        let text = |text: String| AttributeValue::S(text);
        let put = client.put_item().table_name(TABLE).condition_expression("attribute_not_exists(pk)");
        let pk = format!("S#{:026}", made.fetch_add(1, Ordering::Relaxed));
        let put = put.item("pk", text(pk)).item("sk", text("S".to_owned())).item("doc", text(document.clone()));
        put.send().await?;
        Ok(1)
    });
    let rate = rate.await?;
    stack.stop().await;
    Ok(rate)
}

/// What 64 clients get: texts a second, and pictures.
async fn throughput(authors: &Authors) -> Result<(f64, f64), Box<dyn Error>> {
    let texts = crowd(|_| async { Ok(authors.submit(OF_AN_AUTHOR).await?.len() as u64) }).await?;
    let pictures = crowd(|_| async {
        let token = authors.log_in().await?;
        for _ in 0..PICTURES_OF_AN_AUTHOR {
            let upload = authors.upload(&token).await?;
            let body = json!({"scene": "forum", "channel": "square", "media": [{"upload_id": upload}]});
            authors.post("/v1/submissions", Some(&token), &body).await?;
        }
        Ok(PICTURES_OF_AN_AUTHOR)
    });
    Ok((texts, pictures.await?))
}

/// Submits many pictures at one moment, and tells how long it took until all were decided, and how many pushes were late.
async fn in_flight(authors: &Authors, simulator: &str) -> Result<(), Box<dyn Error>> {
    let clients = (0..IN_FLIGHT).map(|_| async {
        let token = authors.log_in().await?;
        let upload = authors.upload(&token).await?;
        Ok::<_, Box<dyn Error>>((token, json!({"scene": "forum", "media": [{"upload_id": upload}]})))
    });
    // The pictures are there before: what is in flight are the submissions.
    let ready: Vec<(String, Value)> = stream::iter(clients).buffer_unordered(CROWD as usize).try_collect().await?;
    let begun = Instant::now();
    let submitted = try_join_all(ready.iter().map(|(token, body)| authors.post("/v1/submissions", Some(token), body)));
    let ids: Vec<String> =
        submitted.await?.iter().map(|one| one["id"].as_str().unwrap_or_default().to_owned()).collect();
    let mut open: Vec<(&String, &String)> = ids.iter().zip(ready.iter().map(|(token, _)| token)).collect();
    while !open.is_empty() && begun.elapsed() < Duration::from_secs(120) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let states = stream::iter(open).map(async |(id, token)| {
            let state =
                authors.get(&format!("{}/v1/submissions/{id}", authors.url), Some(token)).await?["state"].take();
            Ok::<_, Box<dyn Error>>((state != "approved").then_some((id, token)))
        });
        let left: Vec<_> = states.buffer_unordered(CROWD as usize).try_collect().await?;
        open = left.into_iter().flatten().collect();
    }
    let took = begun.elapsed();
    let pushes = authors.get(&format!("{simulator}/simulator/pushes"), None).await?;
    let late = pushes.as_array().into_iter().flatten().filter(|push| push["accepted"] != true || push["attempt"] != 1);
    let late = late.count();
    println!(
        "{IN_FLIGHT} pictures submitted at one moment: all but {} decided after {:.1} s",
        open.len(),
        took.as_secs_f64()
    );
    println!("of the pushes about them {late} were not taken at the first time, within five seconds");
    Ok(())
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
    let none = json!({"per_minute": null, "per_day": null});
    let unlimited = json!({"quotas": {"msg_sec_check": none, "media_check_async": none}});
    http.put(behaviour).body(unlimited.to_string()).send().await?.error_for_status()?;
    let authors = &Authors { http, url: process.url.clone(), made: AtomicU64::new(0) };

    let bare = puts(&folder.path().join("bare")).await?;
    let (texts, pictures) = throughput(authors).await?;
    println!("{CROWD} clients: {bare:.0} bare conditional puts a second into the embedded table,");
    println!("{texts:.0} texts a second, {:.2} times as many, and {pictures:.0} pictures", texts / bare);
    println!();
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

    println!();
    let bare_now = puts(&folder.path().join("bare-again")).await?;
    let (texts_now, pictures_now) = throughput(authors).await?;
    println!(
        "{CROWD} clients, with {stored} stored: {bare_now:.0} bare puts a second, {:.2} times as many as at first,",
        bare_now / bare
    );
    println!(
        "{texts_now:.0} texts, {:.2} times, and {pictures_now:.0} pictures, {:.2} times",
        texts_now / texts,
        pictures_now / pictures
    );
    for _ in 0..3 {
        in_flight(authors, &process.simulator).await?;
        println!("memory then: {} MB", megabytes(process.memory()));
    }
    println!();

    process.end().await?;
    println!("ended: {} MB", megabytes(folder_size(&data)));
    let again = LocalProcess::start(&binary, &data, SERVER_KEY).await?;
    println!("started with all of it in {:.0} ms", milliseconds(again.started_in));
    again.end().await
}
