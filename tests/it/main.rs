//! Everything that spans functions.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: a panic is the report of a failure"
)]

mod apps;
mod author_away;
mod budget;
mod clock_jumps;
mod console;
mod contract;
mod crashes;
mod edits;
mod fetch_proof;
mod hostile_input;
mod image_checks;
mod known_verdicts;
mod lists;
mod logged;
mod looks;
mod media_by_url;
mod media_urls;
mod metrics;
mod orders;
mod out_of_reach;
mod overdue;
mod pushes;
mod quotas;
mod rates;
mod relays;
mod releases;
mod requests;
mod retention;
mod secrets;
mod served_media;
mod settings;
mod simulation;
mod table_trouble;
mod tellings;
mod template;
mod the_loop;
mod tokens;
mod trouble;
mod uploads;
mod wechat_trouble;
