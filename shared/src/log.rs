//! How a function logs: lines of JSON on standard output, our own targets only.
//!
//! Never in a log: secrets, tokens, keys, openids, text. The libraries below us log whole requests when they are let.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The log targets that are ours: this library's, and one a function. All others only warn, wherever Greenlight runs.
pub const TARGETS: [&str; 7] =
    ["accept_upload", "greenlight", "receive_push", "refresh_token", "serve_media", "submit_content", "sweep_overdue"];

/// Lets our own targets log at `level`, and all others warn at most.
pub fn filter(level: LevelFilter) -> EnvFilter {
    let others = LevelFilter::WARN.min(level).to_string();
    let ours = TARGETS.iter().map(|target| format!("{target}={level}"));
    EnvFilter::builder().parse_lossy(std::iter::once(others).chain(ours).collect::<Vec<_>>().join(","))
}

/// Starts the log at `level`.
pub fn start(level: LevelFilter) {
    // CloudWatch stamps each line, so the time is left out.
    let lines = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_env_filter(filter(level));
    // A second start is none: the first log goes on.
    let _ = lines.try_init();
}
