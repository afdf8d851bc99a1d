//! What a picture looks like, in 64 bits: two that are made of the same picture have nearly the same.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A picture's look. Written, stored and sent in one way: 16 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PictureHash(pub u64);

/// A quarter of a look. Two looks that are alike share one at least: see [`PictureHash::MOST_APART`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Band {
    /// Which quarter, from 0.
    pub place: u8,
    /// Its bits.
    pub bits: u16,
}

/// A text that is no look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a look (16 hexadecimal digits in lower case)")]
pub struct NotALook;

impl PictureHash {
    /// How many bits at most may differ in two that are alike. They are found by their bands, and three bits that differ leave
    /// one of four bands as it is; a fourth might not.
    pub const MOST_APART: u32 = 3;

    /// Reads 16 hexadecimal digits in lower case.
    pub fn parse(text: &str) -> Result<Self, NotALook> {
        let is_one = text.len() == 16 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        let bits = u64::from_str_radix(text, 16).ok().filter(|_| is_one);
        bits.map(Self).ok_or(NotALook)
    }

    /// How many bits differ.
    pub fn distance(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }

    /// Whether both look as made of the same picture.
    pub fn is_like(self, other: Self) -> bool {
        self.distance(other) <= Self::MOST_APART
    }

    /// Its four quarters.
    pub fn bands(self) -> [Band; 4] {
        let [a, b, c, d, e, f, g, h] = self.0.to_be_bytes();
        let band = |place, high, low| Band { place, bits: u16::from_be_bytes([high, low]) };
        [band(0, a, b), band(1, c, d), band(2, e, f), band(3, g, h)]
    }
}

impl fmt::Display for PictureHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

impl fmt::Debug for PictureHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Display for Band {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{:04x}", self.place, self.bits)
    }
}

impl Serialize for PictureHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PictureHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_in_one_way_and_read_in_no_other() {
        let look = PictureHash(0x0123_4567_89ab_cdef);
        assert_eq!(look.to_string(), "0123456789abcdef");
        assert_eq!(PictureHash::parse("0123456789abcdef"), Ok(look));
        assert_eq!(serde_json::to_string(&PictureHash(1)).unwrap(), "\"0000000000000001\"");
        for other in ["", "1", "0123456789ABCDEF", "+123456789abcdef", "0123456789abcdef0", "0123456789abcdeg"] {
            assert_eq!(PictureHash::parse(other), Err(NotALook), "{other}");
        }
        assert_eq!(look.bands().map(|band| band.to_string()), ["0-0123", "1-4567", "2-89ab", "3-cdef"]);
    }

    proptest! {
        #[test]
        fn two_that_are_alike_share_a_band(
            bits: u64, changed in prop::collection::btree_set(0_u32..64, 0..=PictureHash::MOST_APART as usize),
        ) {
            let other = PictureHash(changed.iter().fold(bits, |bits, bit| bits ^ (1 << bit)));
            let look = PictureHash(bits);
            prop_assert_eq!(look.distance(other), u32::try_from(changed.len()).unwrap());
            prop_assert!(look.is_like(other));
            prop_assert!(look.bands().iter().any(|band| other.bands().contains(band)));
        }

        #[test]
        fn what_differs_in_more_is_not_alike(bits: u64, changed in prop::collection::btree_set(0_u32..64, 4..64)) {
            let other = PictureHash(changed.iter().fold(bits, |bits, bit| bits ^ (1 << bit)));
            prop_assert!(!PictureHash(bits).is_like(other));
        }
    }
}
