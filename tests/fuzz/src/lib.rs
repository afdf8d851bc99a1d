//! What holds for every target.

use std::sync::Once;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What any input may take of a core's time.
const MOST: Duration = Duration::from_secs(2);

/// Gives what `work` gives, which has two seconds of a core for it. libFuzzer's own limit is by the clock on the wall, and
/// tells of other programs too.
///
/// # Panics
/// When it takes longer: that is a finding.
pub fn in_time<T>(work: impl FnOnce() -> T) -> T {
    let begun = core_time();
    let done = work();
    let taken = core_time().saturating_sub(begun);
    assert!(taken < MOST, "it takes {taken:?}");
    done
}

/// Lets a panic be caught by whoever sees to it: libFuzzer's own hook ends the process at once. One that nobody catches is a
/// finding all the same.
pub fn let_panics_be_caught() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|panic| eprintln!("{panic}"))));
}

fn core_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("a time that has passed")
}
