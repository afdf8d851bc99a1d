//! Time: moments in milliseconds, and the clock that tells them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A moment: milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Milliseconds by which Beijing is ahead of UTC; China has no summer time.
const BEIJING_OFFSET_MS: i64 = 8 * 3600 * 1000;
const DAY_MS: i64 = 24 * 3600 * 1000;
const HOUR_MS: i64 = 3600 * 1000;
const MINUTE_MS: i64 = 60 * 1000;

impl Timestamp {
    /// The moment `duration` later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The moment `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long it is from `earlier` until here; nothing if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whether it is less than `duration` after `begin`. What begins later than now was written while the clock was ahead,
    /// and is over.
    pub fn is_within(self, duration: Duration, begin: Self) -> bool {
        begin <= self && self < begin.plus(duration)
    }

    /// The next full minute.
    #[must_use]
    pub fn next_minute(self) -> Self {
        Self(self.0.div_euclid(MINUTE_MS).saturating_add(1).saturating_mul(MINUTE_MS))
    }

    /// The next midnight in Beijing, when WeChat's daily quotas start anew.
    #[must_use]
    pub fn next_beijing_midnight(self) -> Self {
        let local = self.0.saturating_add(BEIJING_OFFSET_MS);
        Self(local.div_euclid(DAY_MS).saturating_add(1).saturating_mul(DAY_MS).saturating_sub(BEIJING_OFFSET_MS))
    }

    /// The moment as people in China read it: date and time in Beijing, to the minute.
    pub fn in_beijing(self) -> String {
        let local = self.0.saturating_add(BEIJING_OFFSET_MS);
        let minute = Self(local.div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS)).to_string();
        minute.get(..16).map_or(minute.clone(), |minute| minute.replace('T', " "))
    }

    /// The day that it is in Beijing, such as `2026-11-29`.
    pub fn beijing_day(self) -> String {
        self.in_beijing().chars().take(10).collect()
    }

    /// The hour that it is in Beijing, 0 to 23.
    pub fn beijing_hour(self) -> u8 {
        let hour = self.0.saturating_add(BEIJING_OFFSET_MS).rem_euclid(DAY_MS) / HOUR_MS;
        u8::try_from(hour).unwrap_or_default()
    }

    /// Whole seconds since the Unix epoch, as DynamoDB's TTL and JWTs want them.
    pub fn unix_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whether it is in the years 0 to 9999, in UTC and in Beijing, so that it can be written.
    pub fn can_be_written(self) -> bool {
        let moment = |ms: i64| OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok();
        let is_written = |ms| moment(ms).is_some_and(|moment| moment.format(&Rfc3339).is_ok());
        is_written(self.0) && is_written(self.0.saturating_add(BEIJING_OFFSET_MS))
    }

    /// Reads RFC 3339, any offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, time::error::Parse> {
        let moment = OffsetDateTime::parse(text, &Rfc3339)?;
        Ok(Self(i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, to the millisecond where there are any.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|moment| moment.format(&Rfc3339).ok());
        match text {
            Some(text) => formatter.write_str(&text),
            None => write!(formatter, "{} ms", self.0),
        }
    }
}

/// Tells the time: the machine's, or one that is moved by hand.
///
/// Everything that asks for the time is given a clock, so that a test can let 35 minutes pass at once.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    by_hand: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The machine's own clock.
    pub fn system() -> Self {
        Self { by_hand: None }
    }

    /// A clock that stands at `start` until it is moved; its clones move with it.
    pub fn by_hand(start: Timestamp) -> Self {
        Self { by_hand: Some(Arc::new(AtomicI64::new(start.0))) }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the Clock")]
    pub fn now(&self) -> Timestamp {
        match &self.by_hand {
            Some(moment) => Timestamp(moment.load(Ordering::SeqCst)),
            None => {
                let since_epoch =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
                Timestamp(0).plus(since_epoch)
            }
        }
    }

    /// Moves a clock that is moved by hand; the machine's own clock stays as it is.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now().plus(duration));
    }

    /// Sets a clock that is moved by hand, also back, as a machine's is when it was wrong.
    pub fn set(&self, now: Timestamp) {
        if let Some(moment) = &self.by_hand {
            moment.store(now.0, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_is_beijings() {
        let evening = Timestamp::parse_rfc3339("2026-11-22T15:59:59Z").unwrap();
        assert_eq!(evening.next_beijing_midnight().to_string(), "2026-11-22T16:00:00Z");
        assert_eq!(evening.next_beijing_midnight().next_beijing_midnight().to_string(), "2026-11-23T16:00:00Z");
    }

    #[test]
    fn people_in_china_read_beijing_time() {
        assert_eq!(Timestamp::parse_rfc3339("2026-12-31T16:05:59Z").unwrap().in_beijing(), "2027-01-01 00:05");
        for (utc, hour) in [("2026-12-31T15:59:59Z", 23), ("2026-12-31T16:00:00Z", 0), ("1969-12-31T23:00:00Z", 7)] {
            assert_eq!(Timestamp::parse_rfc3339(utc).unwrap().beijing_hour(), hour, "{utc}");
        }
    }

    #[test]
    fn a_full_minute_is_followed_by_the_next() {
        assert_eq!(Timestamp(60_000).next_minute(), Timestamp(120_000));
        assert_eq!(Timestamp(59_999).next_minute(), Timestamp(60_000));
    }

    #[test]
    fn a_clock_by_hand_moves_with_its_clones() {
        let clock = Clock::by_hand(Timestamp(5));
        clock.clone().advance(Duration::from_secs(1));
        assert_eq!(clock.now(), Timestamp(1005));
    }
}
