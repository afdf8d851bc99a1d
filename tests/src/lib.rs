//! What tests that span functions stand on: a whole world in one process, on real engines.
//!
//! Where each kind of test lives:
//! - what one file does alone: beside it, in its own tests;
//! - the rules of a submission's life, and every order of what happens to it: with the core, in its `submission/tests`;
//! - what functions do together: here, in the one binary `it`. Requests (`requests`, `lists`, `uploads`, `served_media`,
//!   `pushes`, `rates`), deaths at every await (`crashes`), who comes first (`orders`), trouble with the table, with WeChat and
//!   with time (`table_trouble`, `wechat_trouble`, `overdue`, `quotas`, `author_away`, `media_urls`, `tokens`), what makes a pass
//!   count and for whom (`fetch_proof`, `known_verdicts`), media that are fetched (`media_by_url`), secrets and settings,
//!   what the deployment template says (`template`; its roles are held against every call of every test, see [`grants`]),
//!   `hostile_input`, what the API's document says (`contract`; each answer is held against it, see [`contract`]), what it costs (`budget`), and histories at random (`simulation`);
//! - the binary as its user meets it, from its banner to its end: `infra/local/tests/local_run`.
//!
//! No test leaves to chance who comes first: WeChat's pushes are held and released, what is under way is waited for, time
//! is moved by hand. What must hold whoever comes first is let happen at once, and then only that is asked for.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test support: a panic is the report of a failure"
)]

pub mod awaits;
pub mod console;
pub mod contract;
pub mod end_state;
pub mod files_over_tls;
pub mod grants;
pub mod pictures;
pub mod push_gate;
pub mod relay;
pub mod simulation;
pub mod table_proxy;
pub mod template;
pub mod watched;
pub mod world;
