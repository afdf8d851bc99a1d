//! The deployment template, deployed: to an emulator of AWS, by the commands of its README, with WeChat's simulator before it.
//!
//! It needs more than Rust: `tests/run` installs that, builds the functions into `infra/packaged`, and starts this with
//! `GREENLIGHT_CLOUD_TOOLS`, the folder that holds `sam`, `aws`, `node` and the emulator's Python, and `GREENLIGHT_RELEASE`,
//! the unpacked archive of a release.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]

mod cloud;
mod console;
mod function_urls;
mod http_api;
mod logs;
mod stack;
mod wrong_parameters;
