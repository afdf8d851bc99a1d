//! What can go wrong with the machine below a run: its clock and its disk.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use greenlight::domain::clock::{Clock, Timestamp};

/// A clock that is set right by less than this is no news.
const A_JUMP: Duration = Duration::from_secs(30);
/// So long after a jump nothing is deleted because of its age.
const SETTLES_WITHIN: Duration = Duration::from_secs(2 * 3600);
/// Below this much free space somebody has to act: an hour of many pictures, or a day of texts.
const NEARLY_FULL: u64 = 512 * 1024 * 1024;

/// Compares the time of day with time that only passes.
#[derive(Debug)]
pub struct ClockWatch {
    clock: Clock,
    seen: Mutex<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Timestamp,
    passing: Instant,
    jumped: Option<Instant>,
}

impl ClockWatch {
    /// Watches `clock`, the machine's, from now on.
    pub fn start(clock: Clock) -> Self {
        let seen = Seen { at: clock.now(), passing: Instant::now(), jumped: None };
        Self { clock, seen: Mutex::new(seen) }
    }

    /// Whether the time of day can be trusted with what is deleted by it: it was not set within the last two hours, in
    /// which it may be set right again. Says so in the log when it is set.
    pub fn is_settled(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, passing) = (self.clock.now(), Instant::now());
        let expected = seen.at.plus(passing.duration_since(seen.passing));
        let (ahead, back) = (now.since(expected), expected.since(now));
        (seen.at, seen.passing) = (now, passing);
        if ahead.max(back) > A_JUMP {
            seen.jumped = Some(passing);
            let (by, where_to) = if ahead > back { (ahead, "ahead") } else { (back, "back") };
            tracing::warn!(
                alarm = "clock",
                "the clock went {} s {where_to}: check its synchronisation (timedatectl). What is due by it comes earlier \
                 or later by so much; nothing is lost",
                by.as_secs()
            );
        }
        seen.jumped.is_none_or(|jumped| passing.duration_since(jumped) > SETTLES_WITHIN)
    }
}

/// Says so if the disk that holds `folder` has hardly any room.
pub fn warn_if_nearly_full(folder: &Path) {
    if let Some(free) = free_bytes(folder)
        && free < NEARLY_FULL
    {
        tracing::error!(
            alarm = "disk",
            "{} MB are left on the disk of {}: free some space, or submissions will be refused (503)",
            free / 1_000_000,
            folder.display()
        );
    }
}

#[cfg(unix)]
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_expires_by_a_clock_that_has_just_been_set() {
        for set_to in [Timestamp(0), Timestamp(2_000_000_000_000)] {
            let clock = Clock::by_hand(Timestamp(1_800_000_000_000));
            let watch = ClockWatch::start(clock.clone());
            clock.advance(A_JUMP / 2);
            assert!(watch.is_settled(), "a clock is corrected by seconds all the time");
            clock.set(set_to);
            assert!(!watch.is_settled());
            assert!(!watch.is_settled(), "it may be set right again");
        }
    }
}
