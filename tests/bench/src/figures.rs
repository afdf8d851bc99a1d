//! Medians and other figures of what was measured.

use std::time::Duration;

/// A duration in milliseconds.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The value below which that share of all lies; nothing of nothing.
#[must_use]
pub fn quantile<T: Copy + Default + PartialOrd>(values: &[T], share: f64) -> T {
    let mut sorted = values.to_vec();
    sorted.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    // A share of a length is one: between nothing and the last.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "see above"
    )]
    let at = (sorted.len().saturating_sub(1) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// The middle one.
#[must_use]
pub fn median<T: Copy + Default + PartialOrd>(values: &[T]) -> T {
    quantile(values, 0.5)
}
