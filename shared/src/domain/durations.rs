//! How long things took, counted so that percentiles can be told without keeping each of them.

use std::collections::BTreeMap;
use std::time::Duration;

/// By how much a bucket's end is greater than its beginning. Its middle is then at most 5 % from all in it.
const RATIO: f64 = 1.1;

/// Counted durations: bucket 0 holds what took no millisecond, and each other what is up to a tenth longer than its beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    buckets: BTreeMap<u16, u64>,
}

fn bucket_of(ms: u64) -> u16 {
    if ms == 0 {
        return 0;
    }
    // At most 466, for the longest that there is.
    1 + (ms as f64).log(RATIO) as u16
}

fn middle_of(bucket: u16) -> Duration {
    if bucket == 0 {
        return Duration::ZERO;
    }
    let ms = RATIO.powf(f64::from(bucket) - 0.5).round();
    Duration::from_millis(ms as u64)
}

impl Durations {
    /// Counts one more.
    pub fn add(&mut self, ms: u64) {
        *self.buckets.entry(bucket_of(ms)).or_default() += 1;
    }

    /// Counts those of another as well.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, number) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += number;
        }
    }

    /// What so many in a hundred did not exceed, within 5 %; none where nothing was counted.
    pub fn percentile(&self, percent: u64) -> Option<Duration> {
        let counted: u64 = self.buckets.values().sum();
        let rank = (counted * percent).div_ceil(100).max(1);
        let mut passed = 0;
        let found = self.buckets.iter().find(|(_, number)| {
            passed += **number;
            passed >= rank
        });
        found.map(|(bucket, _)| middle_of(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Durations {
        let mut durations = Durations::default();
        values.iter().for_each(|ms| durations.add(*ms));
        durations
    }

    fn ms(duration: Option<Duration>) -> u64 {
        u64::try_from(duration.unwrap().as_millis()).unwrap()
    }

    #[test]
    fn percentiles_are_within_five_percent_however_skewed() {
        // Seconds for most, days for some.
        let mut values: Vec<u64> =
            (1..=5000_u64).map(|number| if number % 7 == 0 { number * 90_000 } else { 300 + number % 2_000 }).collect();
        let durations = of(&values);
        values.sort_unstable();
        for percent in [1, 10, 50, 75, 90, 99, 100] {
            let rank = (values.len() * percent).div_ceil(100);
            let (exact, told) = (values[rank - 1], ms(durations.percentile(percent as u64)));
            assert!(told.abs_diff(exact) * 100 <= exact * 5, "p{percent}: {told}, exactly {exact}");
        }
    }

    #[test]
    fn nothing_and_next_to_nothing_are_counted_too() {
        assert_eq!(Durations::default().percentile(50), None);
        assert_eq!(of(&[0]).percentile(50), Some(Duration::ZERO));
        for value in 0..=10 {
            assert_eq!(ms(of(&[value]).percentile(90)), value);
        }
        assert_eq!(ms(of(&[0, 0, 0, 1_000_000]).percentile(50)), 0);
        let longest = ms(of(&[u64::MAX]).percentile(50));
        assert!(longest >= u64::MAX / 100 * 95, "{longest}");
    }

    #[test]
    fn two_together_are_as_if_counted_at_once() {
        let mut first = of(&[1, 50, 7_000]);
        first.merge(&of(&[0, 50, 9_000_000]));
        assert_eq!(first, of(&[1, 50, 7_000, 0, 50, 9_000_000]));
    }
}
