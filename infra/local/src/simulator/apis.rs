//! The APIs that the simulator answers, and what judges for them.

mod check_request;
pub(super) mod clear_quota;
pub(super) mod login;
pub(super) mod media;
pub(super) mod media_judge;
pub(super) mod pictures;
pub(super) mod text;
pub(super) mod tokens;
