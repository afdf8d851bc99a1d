//! Measurements of Greenlight that anybody can repeat. They report, and never fail: machines differ, and are noisy.
//!
//! - `functions`: each function as Lambda starts it, beside its floor and beside Node.
//! - `pushes`: many pushes a second.
//! - `one-machine`: what a run with `--data` costs while it fills, and how much it takes at once.
//! - `pictures`: what pictures cost on their way in.

#![expect(clippy::indexing_slicing, reason = "JSON of our own: what is not there is null, and told as a wrong answer")]

pub mod case;
pub mod figures;
pub mod local_process;
pub mod node;
pub mod recorder;
pub mod sandbox;
pub mod tls;
pub mod wechat;
pub mod world;
