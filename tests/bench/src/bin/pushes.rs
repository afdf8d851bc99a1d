//! Many pushes a second for receive-push, spread over a few execution environments as Lambda would: whether anything is lost,
//! how long WeChat waits, and whether memory stays flat.

#![expect(clippy::print_stdout, reason = "the report")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use futures_util::future::{join_all, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use greenlight::domain::ids::SubmissionId;
use greenlight::domain::submission::State;
use greenlight::table::Consistency;
use greenlight_bench::case::{Case, push_event};
use greenlight_bench::figures::{milliseconds, quantile};
use greenlight_bench::sandbox::{Program, Sandbox};
use greenlight_bench::world::World;
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;

/// How many submissions are made ready at a time.
const AT_ONCE: usize = 8;

/// Pushes verdicts at a steady rate, each of which settles a submission.
#[derive(Parser)]
struct Options {
    /// Where the functions are, built with --release.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// How many execution environments.
    #[arg(long, default_value_t = 8)]
    sandboxes: usize,
    /// How many pushes a second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let world = World::start().await?;
    let pushes = options.rate * options.seconds;
    println!("making {pushes} submissions that wait for a verdict");
    let ready: Vec<(SubmissionId, String)> = stream::iter(0..pushes)
        .map(async |_| {
            let (id, trace_id) = world.downloaded().await?;
            Ok::<_, Box<dyn Error>>((SubmissionId::parse(&id)?, push_event(&trace_id)?))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;

    let program = Program {
        file: options.binaries.join(Case::ReceivePush.function()),
        arguments: Vec::new(),
        environment: world.settings().into_iter().collect(),
    };
    let sandboxes = try_join_all((0..options.sandboxes).map(|_| Sandbox::start(&program))).await?;
    let (pushed, to_come) = mpsc::unbounded_channel::<(Instant, String)>();
    let to_come = Arc::new(Mutex::new(to_come));
    let workers = sandboxes.into_iter().map(|mut sandbox| {
        let to_come = Arc::clone(&to_come);
        async move {
            let (mut took, mut memory) = (Vec::new(), Vec::new());
            loop {
                let next = to_come.lock().await.recv().await;
                let Some((at, event)) = next else { break };
                let answer = sandbox.invoke(event).await.map_err(|error| error.to_string())?;
                if let Some(fault) = Case::ReceivePush.fault(&answer.body) {
                    return Err(fault);
                }
                took.push(at.elapsed());
                memory.push(sandbox.memory());
            }
            Ok((took, memory))
        }
    });
    let (ids, events): (Vec<_>, Vec<_>) = ready.into_iter().unzip();
    let rate = options.rate;
    let sending = async move {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        for event in events {
            let at = ticks.tick().await;
            // Whoever is done early has failed, and says so.
            let _ = pushed.send((at, event));
        }
    };
    let (worked, ()) = tokio::join!(join_all(workers), sending);
    let (mut took, mut early, mut late) = (Vec::new(), 0, 0);
    for worked in worked {
        let (own, memory) = worked?;
        took.extend(own.into_iter().map(milliseconds));
        let tenth = memory.len() / 10;
        early += quantile(memory.get(tenth..2 * tenth).unwrap_or_default(), 0.5);
        late += quantile(memory.get(memory.len() - tenth..).unwrap_or_default(), 0.5);
    }

    let mut lost = 0;
    for id in &ids {
        let stored = world.table.submission(id, Consistency::Strong).await?;
        lost += usize::from(stored.is_none_or(|stored| stored.state != State::Approved));
    }
    let (p50, p99, most) = (quantile(&took, 0.5), quantile(&took, 0.99), quantile(&took, 1.0));
    println!(
        "{} pushes answered, {rate} a second, by {} sandboxes; {lost} of them lost",
        took.len(),
        options.sandboxes
    );
    println!("from their moment to the answer: p50 {p50:.1} ms, p99 {p99:.1} ms, the longest {most:.1} ms");
    println!("memory of all sandboxes, KB: {early} in the second tenth, {late} in the last");
    Ok(())
}
