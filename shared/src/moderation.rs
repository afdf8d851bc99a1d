//! What is done with content and its authors, one file a deed.
//!
//! A handler parses, calls one deed, and answers. Whoever drives a submission (the submit, a push, the sweep) keeps one
//! order of writes: bytes before the submission that names them, the attempt before WeChat is asked, the trace_id before
//! the trace is linked, the verdict before `success`.

pub mod admit;
pub mod ask;
pub mod ban;
pub mod check;
pub mod decide;
pub mod erase;
pub mod escalate;
pub mod export;
pub mod fetch;
pub mod hold;
mod keep_verdict;
pub mod let_in;
pub mod lift;
pub mod look_back;
pub mod note;
pub mod open_seal;
pub mod push;
pub mod reopen;
pub mod session;
pub mod share_desk;
pub mod submit;
pub mod sweep;
pub mod take_cases;
mod take_verdict;
pub mod tell;
pub mod watch_queue;
pub mod wechat_access;
pub mod withdraw;
