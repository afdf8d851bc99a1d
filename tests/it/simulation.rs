//! Random histories: whatever happens, all comes to its right end.

use std::num::NonZero;

use greenlight_tests::simulation;

/// How many histories are tried where nobody says how many.
const SEEDS: u64 = 300;

#[expect(clippy::disallowed_methods, reason = "a flag of this test, which has no main.rs")]
fn flag(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not `{text}`")))
}

/// `GREENLIGHT_SEED=7` tries one history, `GREENLIGHT_SEEDS=5000` so many, from `GREENLIGHT_FIRST_SEED` or 0 on, and
/// `GREENLIGHT_THREADS=1` one after another; without, there are as many at once as there are cores.
#[test]
fn after_any_history_and_quiet_all_is_decided_or_in_review_and_nothing_is_public_without_a_pass() {
    let (first, count) = match flag("GREENLIGHT_SEED") {
        Some(seed) => (seed, 1),
        None => (flag("GREENLIGHT_FIRST_SEED").unwrap_or(0), flag("GREENLIGHT_SEEDS").unwrap_or(SEEDS)),
    };
    let threads = flag("GREENLIGHT_THREADS").map_or_else(
        || std::thread::available_parallelism().map_or(1, NonZero::get),
        |threads| usize::try_from(threads).expect("not so many threads"),
    );
    let tally = simulation::run(first, count, threads).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(tally.histories, count, "{tally:?}");
    // So many histories in which some end had never come would have tested little.
    let ends = [tally.approved, tally.rejected, tally.in_review, tally.withdrawn, tally.killed];
    assert!(count < 20 || ends.into_iter().all(|end| end > 0), "{tally:?}");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..50 {
        assert_eq!(simulation::script_of(seed), simulation::script_of(seed));
    }
    assert_ne!(simulation::script_of(1), simulation::script_of(2));
}
