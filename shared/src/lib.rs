//! Greenlight's library: moderation of user content for WeChat mini programs.

pub mod app_record;
pub mod apps;
pub mod author;
pub mod aws;
pub mod bucket;
pub mod caller;
pub mod checks;
pub mod clock;
pub mod exchange;
pub mod fields;
pub mod ids;
pub mod log;
pub mod media;
pub mod media_url;
pub mod outbound;
pub mod problem;
pub mod secrets;
pub mod settings;
pub mod signed;
pub mod start;
pub mod submission;
pub mod table;
pub mod text;
pub mod wechat;
