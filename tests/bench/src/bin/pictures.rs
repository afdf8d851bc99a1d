//! Measures what a picture costs on its way in: time of one core, and memory at its peak, each in a process of its own.
//!
//! `tests/bench/run pictures`, or `tests/bench/run pictures FILE` for one of yours.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a measurement: it reports, and a panic is a report too")]

use std::time::Instant;

use accept_upload::picture::{Source, encode_anew, memory};
use clap::Parser;
use greenlight_bench::world::photo;

/// What to measure.
#[derive(Debug, Parser)]
#[command(about)]
struct Arguments {
    /// One picture alone: a file, or a name in the table.
    one: Option<String>,
}

/// Name, width, height, and whether it is progressive.
const PICTURES: [(&str, u16, u16, bool); 4] = [
    ("12 megapixels, baseline", 4_000, 3_000, false),
    ("12 megapixels, progressive", 4_000, 3_000, true),
    ("32 megapixels, baseline", 6_528, 4_896, false),
    ("1,440 pixels wide, baseline", 1_440, 1_080, false),
];

fn main() {
    match Arguments::parse().one {
        Some(name) => measure(&name),
        None => all(),
    }
}

fn all() {
    println!("{:<30} {:>8} {:>9} {:>9} {:>12} {:>11}", "picture", "in, KB", "out, KB", "ms", "peak, MB", "estimate");
    for (name, ..) in PICTURES {
        let own = std::env::current_exe().expect("this program");
        let output = std::process::Command::new(own).arg(name).output().expect("this program again");
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// What the process holds at its peak, in KB, since `reset`.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn measure(name: &str) {
    let bytes = match PICTURES.into_iter().find(|(own, ..)| *own == name) {
        Some((_, width, height, is_progressive)) => photo(width, height, is_progressive),
        None => std::fs::read(name).expect("a file, or a name in the table"),
    };
    let source = Source::of(&bytes).expect("a picture");
    // Making it took memory as well: the peak begins anew from what is held now.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = peak();
    let mut best = f64::MAX;
    let mut out = 0;
    for _ in 0..5 {
        let begun = Instant::now();
        let picture = encode_anew(source, &bytes).expect("a picture");
        best = best.min(begun.elapsed().as_secs_f64() * 1000.0);
        out = picture.bytes.len();
    }
    let estimate = memory(source, &bytes).expect("a header") / 1_000_000;
    let peak = peak().saturating_sub(before) / 1_000;
    println!("{name:<30} {:>8} {:>9} {best:>9.0} {peak:>12} {estimate:>11}", bytes.len() / 1_000, out / 1_000);
}
