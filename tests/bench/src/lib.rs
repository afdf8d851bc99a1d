//! Measurements of Greenlight that anybody can repeat. They report, and never fail: machines differ, and are noisy.
//!
//! - `one-machine`: what a run with `--data` costs while it fills: time, processor, memory and disk.

pub mod local_process;
