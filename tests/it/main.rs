//! Everything that spans functions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]

mod budget;
mod settings;
mod the_loop;
