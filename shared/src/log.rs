//! How a function logs: lines of JSON on standard output, our own targets only.
//!
//! Never in a log: secrets, tokens, keys, openids, text. The libraries below us log whole requests when they are let.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// Starts the log at `level`; other targets than ours only warn.
pub fn start(level: LevelFilter) {
    const OURS: [&str; 7] = [
        "accept_upload",
        "greenlight",
        "receive_push",
        "refresh_token",
        "serve_media",
        "submit_content",
        "sweep_overdue",
    ];
    let mut directives = vec![LevelFilter::WARN.min(level).to_string()];
    directives.extend(OURS.iter().map(|target| format!("{target}={level}")));
    let filter = EnvFilter::builder().parse_lossy(directives.join(","));
    // CloudWatch stamps each line, so the time is left out.
    let lines = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_env_filter(filter);
    // A second start is none: the first log goes on.
    let _ = lines.try_init();
}
