//! How a function logs: lines of JSON on standard output, our own targets only; and beside them its metrics.
//!
//! Each line has `timestamp`, `level`, `message` and, under a name that stays, `event`; what it is about stands in `app`,
//! `submission`, `part`, `trace_id`, `errcode`, and Lambda's request in `span`. `alarm` marks what an operator must mend.
//!
//! Never in a log: secrets, tokens, keys, openids, text. The libraries below us log whole requests when they are let.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use crate::domain::clock::Clock;
use crate::metrics::{self, Embedded, Metric};
use crate::settings::{Lookup, SettingError, log_level, optional};

/// The log targets that are ours: this library's, and one a function. All others only warn, wherever Greenlight runs.
pub const TARGETS: [&str; 9] = [
    "accept_upload",
    "greenlight",
    "publish_decisions",
    "receive_push",
    "refresh_token",
    "serve_console",
    "serve_media",
    "submit_content",
    "sweep_overdue",
];

/// Where lambda_runtime's span comes from that holds the request's id; it logs nothing there.
const REQUEST_SPAN: &str = "lambda_runtime::layers::trace";

/// Lets our own targets log at `level`, and all others warn at most.
pub fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN.min(level))
        .with_target(REQUEST_SPAN, LevelFilter::INFO)
        .with_targets(TARGETS.map(|target| (target, level)))
}

/// Starts the log at `GREENLIGHT_LOG`'s level, and the metrics of the stack that `GREENLIGHT_STACK` names, if any.
///
/// Lambda itself drops lines of JSON below its `ApplicationLogLevel`, by their `level` and `timestamp`; metrics have
/// neither, so they pass. (AWS Lambda developer guide, "Log-level filtering".)
pub fn start(lookup: &Lookup<'_>) -> Result<(), SettingError> {
    let level = log_level(lookup)?;
    let stack = optional(lookup, "GREENLIGHT_STACK");
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_filter(filter(level));
    let embedded = stack.map(|stack| Embedded::new(stack, Clock::system(), std::io::stdout));
    // A second start is none: the first log goes on.
    let _ = registry().with(lines).with(embedded).try_init();
    metrics::count(Metric::ColdStarts);
    Ok(())
}
