//! What moderation is about, and its rules: pure values and steps. Imports nothing of its siblings; asks no network, no
//! disk and no clock.

pub mod access_state;
pub mod author;
pub mod base_url;
pub mod clock;
pub mod deed;
pub mod deed_filter;
pub mod desk;
pub mod durations;
pub mod figures;
pub mod finding;
pub mod ids;
pub mod media;
pub mod media_path;
pub mod moderator;
pub mod outcome;
pub mod picture_hash;
pub mod retention;
pub mod sha256;
pub mod submission;
pub mod text;
pub mod verdict;
