//! What is written for Node, run by it against the functions. `tests/run` starts this, with `GREENLIGHT_NODE`, a Node of 20 or
//! later.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]

mod client;
mod decided;
mod forward;
mod script;
