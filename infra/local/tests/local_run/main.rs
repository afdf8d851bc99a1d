//! The local run as its users have it: the real binary, its banner, its signals, its restarts, and WeChats of others.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]
// Signals by name, and tools by links in a folder.
#![cfg(unix)]

mod backups;
mod bad_starts;
mod banner;
#[cfg(target_os = "linux")]
mod disks;
mod ending;
mod environment;
mod foreign_wechat;
mod forms;
mod hosting;
mod older_data;
mod page;
#[cfg(target_os = "linux")]
mod power_cut;
mod readme;
mod restart;

mod fake_wechat;
mod run;
