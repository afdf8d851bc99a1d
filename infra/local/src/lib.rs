//! Greenlight on one machine: embedded engines, a WeChat simulator, and the functions' own routers.

pub mod backup;
pub mod banner;
pub mod cuttable_listener;
pub mod data_folder;
pub mod durable;
pub mod engines;
pub mod flags;
pub mod functions;
pub mod machine;
pub mod page;
mod read_to_end;
pub mod schedule;
pub mod simulator;
pub mod stack;
pub mod table_stream;
