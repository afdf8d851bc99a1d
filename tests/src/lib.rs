//! What tests that span functions stand on: a whole world in one process, on real engines.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test support: a panic is the report of a failure"
)]

pub mod awaits;
pub mod end_state;
pub mod pictures;
pub mod simulation;
pub mod table_proxy;
pub mod world;
