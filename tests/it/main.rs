//! Everything that spans functions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]

mod budget;
mod hostile_input;
mod lists;
mod pushes;
mod rates;
mod requests;
mod served_media;
mod settings;
mod simulation;
mod the_loop;
mod uploads;
