//! Greenlight on one machine: embedded engines, a WeChat simulator, and the functions' own routers.

pub mod banner;
pub mod cuttable_listener;
pub mod engines;
pub mod flags;
pub mod functions;
pub mod schedule;
pub mod simulator;
pub mod stack;
