//! WeChat: one client, every method one API, errors told apart by what the caller does next.

pub mod client;
mod detail;
pub mod envelope;
pub mod error;
pub mod push;
