//! How long what is kept beside the content stays: each period is the owner's to set.

use std::time::Duration;

/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// No period is longer: ten years.
pub const MOST_DAYS: u32 = 3_650;

/// The periods. What stands in the table keeps the period that held when it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The record of what was done.
    pub record: Duration,
    /// That a person has rejected a content.
    pub rejected: Duration,
    /// From which address something was submitted; nothing is kept of it where this is zero.
    pub evidence: Duration,
    /// What was withdrawn before it was public, under seal; it is erased at once where this is zero.
    pub sealed: Duration,
}

impl Default for Retention {
    /// Longer than the six months for which China's rules ask for logs.
    fn default() -> Self {
        Self { record: DAY * 400, rejected: DAY * 400, evidence: DAY * 200, sealed: DAY * 200 }
    }
}
