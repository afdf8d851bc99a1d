//! Starts each function as Lambda does and measures it, beside the floor of what it has to ask for, beside a function that
//! does nothing, and beside the same in Node.

#![expect(clippy::print_stdout, reason = "the report")]
#![expect(clippy::indexing_slicing, reason = "JSON: what is not there is null")]

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Parser;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use greenlight_bench::case::Case;
use greenlight_bench::figures::{median, milliseconds, quantile};
use greenlight_bench::recorder::Recorder;
use greenlight_bench::sandbox::{Program, Sandbox};
use greenlight_bench::tls::{self, Handshakes};
use greenlight_bench::world::World;
use greenlight_floor::Script;
use serde_json::Value;

/// The cases that are measured over TLS as well.
const OVER_TLS: [Case; 2] = [Case::SubmitText, Case::ReceivePush];

/// Measures the functions of the bundle as Lambda runs them.
#[derive(Parser)]
struct Options {
    /// Where the functions and their floor are, built with --release.
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
    /// Where the versions in Node are, installed; without them there is nothing beside.
    #[arg(long, default_value = "tests/bench/node")]
    node: PathBuf,
    /// How often each is started.
    #[arg(long, default_value_t = 15)]
    starts: usize,
    /// Measures the case of this name alone.
    #[arg(long)]
    only: Option<String>,
}

/// Who is measured in a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ours,
    OverTls,
    Floor,
    Node,
}

/// What is measured of one, start by start.
#[derive(Default)]
struct Measured {
    init: Vec<f64>,
    first: Vec<f64>,
    warm: Vec<f64>,
    processor: Vec<f64>,
    peak: Vec<f64>,
    /// Handshakes before the first event and with it.
    handshakes: Vec<(usize, usize)>,
}

impl Measured {
    fn both(&self) -> f64 {
        let both: Vec<f64> = self.init.iter().zip(&self.first).map(|(init, first)| init + first).collect();
        median(&both)
    }
}

struct Bench {
    world: World,
    options: Options,
    scripts: tempfile::TempDir,
}

fn environment(settings: HashMap<String, String>) -> Vec<(String, String)> {
    settings.into_iter().collect()
}

/// How many kilobytes the files are when packed as Lambda takes them.
fn zipped(files: &[PathBuf]) -> Result<f64, Box<dyn Error>> {
    let mut bytes = 0;
    for file in files {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        packed.write_all(&std::fs::read(file)?)?;
        bytes += packed.finish()?.len();
    }
    Ok(f64::from(u32::try_from(bytes)?) / 1000.0)
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = entries.flat_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => files_in(&entry.path()),
        Ok(kind) if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    below.collect()
}

impl Bench {
    fn settings(&self, case: Case) -> HashMap<String, String> {
        let mut settings = self.world.settings();
        settings.extend(case.settings().iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        settings
    }

    fn ours(&self, case: Case, settings: HashMap<String, String>) -> Program {
        let file = self.options.binaries.join(case.function());
        Program { file, arguments: Vec::new(), environment: environment(settings) }
    }

    fn script(&self, case: Case) -> PathBuf {
        self.scripts.path().join(format!("{case:?}"))
    }

    fn program(&self, case: Case, who: Who) -> Program {
        match who {
            Who::Ours | Who::OverTls => self.ours(case, self.settings(case)),
            Who::Floor => Program {
                file: self.options.binaries.join("floor"),
                arguments: Vec::new(),
                environment: vec![("FLOOR_SCRIPT".to_owned(), self.script(case).display().to_string())],
            },
            Who::Node => Program {
                file: PathBuf::from("node"),
                arguments: vec![self.options.node.join("bootstrap.mjs").into(), case.function().into()],
                environment: environment(self.settings(case)),
            },
        }
    }

    /// Writes down what a case asks for: the script of its floor.
    async fn record(&self, case: Case) -> Result<(), Box<dyn Error>> {
        let recorder = Recorder::default();
        self.world.tell_at(&recorder.before(&self.world.backend).await?);
        let event = case.event(&self.world).await?;
        let mut sandbox = Sandbox::start(&self.ours(case, recorder.settings(&self.settings(case)).await?)).await?;
        let init = recorder.take();
        let answer = sandbox.invoke(event).await?.body;
        if let Some(fault) = case.fault(&answer) {
            return Err(format!("{}: {fault}", case.name()).into());
        }
        let json: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = json["body"].as_str().map_or_else(String::new, str::to_owned);
        let script = Script {
            init,
            invocation: recorder.take(),
            status: json["statusCode"].as_u64().and_then(|status| status.try_into().ok()).unwrap_or(200),
            content_type: json["headers"]["content-type"].as_str().unwrap_or("text/plain").to_owned(),
            answer: text.into(),
        };
        std::fs::write(self.script(case), script.write())?;
        self.world.tell_at(&self.world.backend);
        Ok(())
    }

    /// Starts one once, and adds what it takes.
    async fn measure(&self, case: Case, who: Who, into: &mut Measured) -> Result<(), Box<dyn Error>> {
        let handshakes = Handshakes::default();
        let mut program = self.program(case, who);
        if who == Who::OverTls {
            for (name, value) in &mut program.environment {
                if name.starts_with("AWS_ENDPOINT_URL") || name == "GREENLIGHT_WECHAT_URL" {
                    *value = handshakes.before(value).await?;
                }
            }
            program.environment.push(("GREENLIGHT_CA_FILE".to_owned(), tls::certificate_file()));
        }
        let event = async || {
            if who == Who::Floor { case.floor_event(&self.world).await } else { case.event(&self.world).await }
        };
        let first = event().await?;
        let mut sandbox = Sandbox::start(&program).await?;
        let in_init = handshakes.count();
        let answer = sandbox.invoke(first).await?;
        into.handshakes.push((in_init, handshakes.count() - in_init));
        into.init.push(milliseconds(sandbox.init));
        into.first.push(milliseconds(answer.took));
        if let Some(fault) = case.fault(&answer.body).filter(|_| who != Who::Floor) {
            return Err(format!("{}, {who:?}: {fault}", case.name()).into());
        }
        for _ in 0..case.warm() {
            let event = event().await?;
            let before = sandbox.processor_time();
            let answer = sandbox.invoke(event).await?;
            into.warm.push(milliseconds(answer.took));
            into.processor.push(milliseconds(sandbox.processor_time() - before));
            if let Some(fault) = case.fault(&answer.body).filter(|_| who != Who::Floor) {
                return Err(format!("{}, {who:?}, warm: {fault}", case.name()).into());
            }
        }
        into.peak.push(f64::from(u32::try_from(sandbox.peak_memory())?) / 1000.0);
        Ok(())
    }

    /// The same for what needs nothing.
    async fn measure_empty(&self, nothing: &Program, into: &mut Measured) -> Result<(), Box<dyn Error>> {
        let event = async || Case::Sweep.floor_event(&self.world).await;
        let first = event().await?;
        let mut sandbox = Sandbox::start(nothing).await?;
        let answer = sandbox.invoke(first).await?;
        into.init.push(milliseconds(sandbox.init));
        into.first.push(milliseconds(answer.took));
        for _ in 0..20 {
            let (event, before) = (event().await?, sandbox.processor_time());
            into.warm.push(milliseconds(sandbox.invoke(event).await?.took));
            into.processor.push(milliseconds(sandbox.processor_time() - before));
        }
        into.peak.push(f64::from(u32::try_from(sandbox.peak_memory())?) / 1000.0);
        Ok(())
    }

    fn size(&self, case: Case, who: Who) -> Result<f64, Box<dyn Error>> {
        match who {
            Who::Ours | Who::OverTls => zipped(&[self.options.binaries.join(case.function())]),
            Who::Floor => zipped(&[self.options.binaries.join("floor")]),
            Who::Node => zipped(&files_in(&self.options.node)),
        }
    }
}

fn line(name: &str, measured: &Measured, size: f64, beside: &str) {
    let Measured { init, first, warm, processor, peak, .. } = measured;
    println!(
        "{name:<26} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>7.2} {:>6.1} {size:>7.0}  {beside}",
        median(init),
        median(first),
        measured.both(),
        median(warm),
        quantile(warm, 0.99),
        median(processor),
        quantile(peak, 1.0),
    );
}

/// One of the promises, and whether it was kept in this run.
fn promise(kept: bool, text: &str) {
    println!("{} {text}", if kept { "kept  " } else { "MISSED" });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let with_node = options.node.join("node_modules").is_dir();
    let (starts, only) = (options.starts, options.only.clone());
    let bench = Bench { world: World::start().await?, options, scripts: tempfile::tempdir()? };
    let cases: Vec<Case> =
        Case::ALL.into_iter().filter(|case| only.as_ref().is_none_or(|only| case.name().contains(only))).collect();
    for case in &cases {
        bench.record(*case).await?;
    }
    let mut all: Vec<(Case, Who, Measured)> = Vec::new();
    for case in &cases {
        // What streams ten megabytes is there for its memory.
        let floor = (*case != Case::StreamMedia).then_some(Who::Floor);
        let tls = OVER_TLS.contains(case).then_some(Who::OverTls);
        let node = case.node().filter(|_| with_node).map(|_| Who::Node);
        let who = [Some(Who::Ours), tls, floor, node].into_iter().flatten();
        all.extend(who.map(|who| (*case, who, Measured::default())));
    }
    let mut empty = Measured::default();
    let nothing =
        Program { file: bench.options.binaries.join("empty"), arguments: Vec::new(), environment: Vec::new() };
    for start in 1..=starts {
        eprint_progress(start, starts);
        for (case, who, measured) in &mut all {
            bench.measure(*case, *who, measured).await?;
        }
        bench.measure_empty(&nothing, &mut empty).await?;
    }

    println!("milliseconds, medians of {starts} starts; memory in MB, at most; size in KB, zipped");
    let columns = ["init", "first", "both", "p50", "p99", "CPU"].map(|name| format!("{name:>7}")).join(" ");
    println!("{:<26} {columns} {:>6} {:>7}", "", "memory", "size");
    line("a function that is empty", &empty, zipped(&[bench.options.binaries.join("empty")])?, "");
    let find = |case: Case, who: Who| all.iter().find(|(own, own_who, _)| (*own, *own_who) == (case, who));
    for (case, who, measured) in &all {
        let ours = find(*case, Who::Ours).map_or(0.0, |(_, _, ours)| ours.both());
        let size = bench.size(*case, *who)?;
        match who {
            Who::Ours => line(case.name(), measured, size, ""),
            Who::Floor => {
                line("  its floor", measured, size, &format!("ours: {:.2} times", ours / measured.both()));
            }
            Who::Node => {
                line("  in Node", measured, size, &format!("ours: {:.1} times faster", measured.both() / ours))
            }
            Who::OverTls => {
                let (init, first) = measured.handshakes.iter().copied().max().unwrap_or_default();
                let told = format!("handshakes: {init} in init, {first} in the first invocation");
                line("  over TLS", measured, size, &told);
            }
        }
    }

    println!();
    for case in [Case::SubmitText, Case::ReceivePush] {
        let (Some((_, _, ours)), Some((_, _, floor))) = (find(case, Who::Ours), find(case, Who::Floor)) else {
            continue;
        };
        let name = case.function();
        let times = ours.both() / floor.both();
        promise(
            times <= 1.8,
            &format!("{name}: {times:.2} times its floor's time to the end of the first invocation; at most 1.8"),
        );
        let Some((_, _, node)) = find(case, Who::Node) else { continue };
        let faster = node.both() / ours.both();
        promise(faster >= 40.0, &format!("{name}: {faster:.1} times faster than Node until then; at least 40"));
        let share = median(&node.processor) / median(&ours.processor);
        promise(share >= 8.0, &format!("{name}: 1/{share:.1} of Node's CPU a warm invocation; at most 1/8"));
    }
    if let (Some((_, _, console)), Some((_, _, text))) =
        (find(Case::Console, Who::Ours), find(Case::SubmitText, Who::Ours))
    {
        let times = console.both() / text.both();
        promise(times <= 1.5, &format!("serve-console: {times:.2} times submit-content's start; at most 1.5"));
        let processor = median(&console.processor);
        promise(processor <= 5.0, &format!("serve-console: {processor:.2} ms of CPU for a page of 20; at most 5"));
    }
    for (case, who, measured) in all.iter().filter(|(_, who, _)| *who == Who::Ours) {
        let (memory, size) = (quantile(&measured.peak, 1.0), bench.size(*case, *who)? / 1000.0);
        let most = if *case == Case::StreamMedia { 20.0 } else { 9.0 };
        if *case != Case::AcceptUpload {
            promise(memory <= most, &format!("{}: {memory:.1} MB of memory; at most {most}", case.name()));
        }
        // Pictures are decoded in the one, and in the other stand the pages and all that may be done from them.
        let most = match case {
            Case::AcceptUpload => 4.5,
            Case::Console => 4.2,
            _ => 3.5,
        };
        promise(size <= most, &format!("{}: {size:.2} MB zipped; at most {most}", case.name()));
    }
    for (case, _, measured) in all.iter().filter(|(_, who, _)| *who == Who::OverTls) {
        let late = measured.handshakes.iter().map(|(_, first)| *first).max().unwrap_or_default();
        promise(late == 0, &format!("{}: {late} handshakes in the first invocation; at most 0", case.name()));
    }
    Ok(())
}

/// Says on the terminal how far it is.
#[expect(clippy::print_stderr, reason = "it takes minutes")]
fn eprint_progress(start: usize, starts: usize) {
    eprint!("\rstart {start} of {starts} ");
    if start == starts {
        eprintln!();
    }
}
