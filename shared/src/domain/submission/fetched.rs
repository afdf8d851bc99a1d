//! How much of a medium was read through one check's URL: the proof that WeChat judged what it was given.

use serde::{Deserialize, Serialize};

/// Which bytes of a medium were read: ranges, united, in order, none touching the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fetched(Vec<(u64, u64)>);

/// Who reads in order has one range, and who reads from both ends two. What is read in more pieces than this at a time
/// proves nothing, so that nobody fills an item with pieces.
const MOST_RANGES: usize = 16;

impl Fetched {
    /// Nothing was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that the bytes from `first` to `last`, both included, were read. Says whether that is new.
    pub fn add(&mut self, first: u64, last: u64) -> bool {
        if first > last || self.0.iter().any(|range| range.0 <= first && last <= range.1) {
            return false;
        }
        let touches = |range: &(u64, u64)| range.0 <= last.saturating_add(1) && first <= range.1.saturating_add(1);
        let (united, mut ranges): (Vec<_>, Vec<_>) = self.0.iter().copied().partition(touches);
        if ranges.len() == MOST_RANGES {
            return false;
        }
        let one = united.into_iter().fold((first, last), |one, range| (one.0.min(range.0), one.1.max(range.1)));
        ranges.push(one);
        ranges.sort_unstable();
        self.0 = ranges;
        true
    }

    /// Whether every one of so many bytes was read.
    pub fn covers(&self, size: u64) -> bool {
        matches!(self.0.as_slice(), [(0, last)] if last.saturating_add(1) >= size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fetched(ranges: &[(u64, u64)]) -> Fetched {
        let mut fetched = Fetched::default();
        for (first, last) in ranges {
            fetched.add(*first, *last);
        }
        fetched
    }

    #[test]
    fn ranges_are_united_in_any_order_and_all_of_them_are_needed() {
        assert!(fetched(&[(0, 9)]).covers(10));
        assert!(fetched(&[(5, 9), (0, 4)]).covers(10));
        assert!(fetched(&[(0, 3), (6, 9), (2, 7)]).covers(10));
        for ranges in [&[][..], &[(0, 8)], &[(1, 9)], &[(0, 4), (6, 9)], &[(9, 9)], &[(9, 0)]] {
            assert!(!fetched(ranges).covers(10), "{ranges:?}");
        }
    }

    #[test]
    fn what_was_read_before_is_nothing_new() {
        let mut fetched = fetched(&[(0, 9)]);
        assert!(!fetched.add(0, 9) && !fetched.add(3, 4));
        assert!(fetched.add(3, 10));
    }

    #[test]
    fn pieces_without_end_fill_nothing_and_a_reader_in_order_is_never_refused() {
        let scattered: Vec<(u64, u64)> = (0..1_000).map(|piece| (piece * 2, piece * 2)).collect();
        let mut fetched = fetched(&scattered);
        assert_eq!(fetched.0.len(), MOST_RANGES);
        assert!(fetched.add(0, 1_999) && fetched.covers(2_000));
    }

    proptest! {
        #[test]
        fn it_covers_what_a_set_of_bytes_would(ranges in prop::collection::vec((0_u64..24, 0_u64..24), 0..12)) {
            let fetched = fetched(&ranges);
            let bytes: std::collections::BTreeSet<u64> = ranges.iter().flat_map(|(first, last)| *first..=*last).collect();
            prop_assert_eq!(fetched.covers(24), bytes.len() == 24);
            let json = serde_json::to_string(&fetched).unwrap();
            prop_assert_eq!(serde_json::from_str::<Fetched>(&json).unwrap(), fetched);
        }
    }
}
