//! Greenlight on one machine: embedded engines, a WeChat simulator, and the functions' own routers.

pub mod engines;
pub mod simulator;
