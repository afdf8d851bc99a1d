//! Greenlight's library: moderation of user content for WeChat mini programs.
//!
//! The rooms, from the top floor down; arrows point down only, and no files import each other in a circle:
//!
//! - [`start`] builds what a function needs.
//! - [`api`]: what functions that speak HTTP have in common, from problems to who calls.
//! - [`moderation`]: what is done with content and its authors, one file a deed. Errors of its own, no HTTP.
//! - [`secrets`], [`apps`]: the secret, read and parsed.
//! - [`table`]: the one table, and the one commit for every change of a submission.
//! - [`bucket`], [`aws`], [`outbound`]: the ways out.
//! - [`wechat`] speaks WeChat. It knows no table, no app's settings and no secret but those it is handed.
//! - [`log`], [`metrics`], [`settings`], [`error`]: what all of them stand on.
//! - [`domain`]: the words and the rules. It imports none of the above.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | app | one mini program, by its app id |
//! | owner | who runs it; the owner's backend calls with a server key |
//! | author | the user who submits |
//! | submission | what an author submits at once; immutable but for its judging |
//! | part | one piece of a submission that gets its own verdict: the text, or one medium |
//! | check | one request to WeChat about one part; an attempt is its record, a media check has a trace_id |
//! | outcome | how a media check ended, as WeChat pushed it: a verdict, or a failure |
//! | verdict | WeChat's answer: suggest (pass, review, risky) and label |
//! | state | of a submission: pending, in_review, approved, rejected, withdrawn |
//! | decision | a change of state: who made it and why |
//! | queue | where a submission waits: the due queue, the review queue, a channel's feed |
//! | pause | an API of WeChat must not be called, for its quota is used up |
//! | token | what is signed and comes back (session, upload, form, cursor); WeChat's is the access token |
//! | secret | of a URL: what makes it known to nobody but whom it was given; the secret: the document in Secrets Manager |

pub mod api;
pub mod apps;
pub mod aws;
pub mod bucket;
pub mod domain;
pub mod error;
pub mod log;
pub mod metrics;
pub mod moderation;
pub mod outbound;
pub mod secrets;
pub mod settings;
pub mod start;
pub mod table;
pub mod wechat;
