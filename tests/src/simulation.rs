//! A simulation: many authors and apps, a WeChat that delays, repeats, reorders, loses and refuses, a table that fails,
//! functions that die half-way; and then quiet, after which everything must have come to its right end.
//!
//! One seed is one history. The script of a history, every step and every random choice in it, depends on the seed
//! alone. Steps run one after another, each only when nothing of the one before is under way. What a seed does not
//! fix: everything goes over real sockets, so how far a handler came when it died, which of several things that happen
//! at once is first, and ids and keys (they come from the operating system) may differ from run to run. A history
//! that fails by such a race may need a few runs of its seed to fail again; most fail each time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

mod history;
mod invariants;
mod process;
mod quiet;
mod stage;
mod wechat;

use history::script;

/// All that a seed says: who there is, what they submit, and what happens.
pub fn script_of(seed: u64) -> String {
    format!("{:#?}", script(seed))
}

/// What a run of many histories came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Histories.
    pub histories: u64,
    /// Submissions that were stored.
    pub submissions: usize,
    /// Those that are public in the end.
    pub approved: usize,
    /// Those that are refused in the end.
    pub rejected: usize,
    /// Those that a person has to look at in the end.
    pub in_review: usize,
    /// Those that were taken back.
    pub withdrawn: usize,
    /// Handlers and runs that died half-way.
    pub killed: usize,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.histories += other.histories;
        self.submissions += other.submissions;
        self.approved += other.approved;
        self.rejected += other.rejected;
        self.in_review += other.in_review;
        self.withdrawn += other.withdrawn;
        self.killed += other.killed;
    }
}

/// What happened so far, kept outside of the history so that it is there whatever becomes of it.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, line: String) {
    log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
}

/// What is not optimised moves its futures about on the stack, and here those of a whole world stand in one another.
const STACK: usize = 16 << 20;

/// Runs the histories of `count` seeds from `first` on, some at once, each on one thread.
///
/// # Errors
/// With a report that names the seed, what was broken, and what happened before, for the first that fails.
pub fn run(first: u64, count: u64, at_once: usize) -> Result<Tally, String> {
    let (next, failed) = (AtomicU64::new(first), AtomicBool::new(false));
    let work = || {
        let mut tally = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first.saturating_add(count) || failed.load(Ordering::SeqCst) {
                return Ok(tally);
            }
            match one(seed) {
                Ok(history) => tally.add(history),
                Err(report) => {
                    failed.store(true, Ordering::SeqCst);
                    return Err(report);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let worker = |_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).expect("a thread");
        let workers: Vec<_> = (0..at_once).map(worker).collect();
        workers.into_iter().try_fold(Tally::default(), |mut sum, worker| {
            sum.add(worker.join().expect("a worker")?);
            Ok(sum)
        })
    })
}

/// The history of one seed, in a world of its own and on this thread alone: that leaves the least to chance.
fn one(seed: u64) -> Result<Tally, String> {
    let log = Log::default();
    let history = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let stage = stage::Stage::set(script(seed), Arc::clone(&log)).await;
            stage.play().await?;
            stage.quieten().await?;
            stage.judge().await
        })
    };
    // A panic anywhere in it is reported with the seed, too.
    let broken = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(history)) {
        Ok(Ok(tally)) => return Ok(tally),
        Ok(Err(broken)) => broken,
        Err(_) => "it panicked; the panic's own message stands above".to_owned(),
    };
    let plans = script(seed).plans;
    let plans = plans.iter().enumerate().map(|(number, plan)| format!("  {number:>2} {plan:?}\n")).collect::<String>();
    let log = log.lock().unwrap_or_else(PoisonError::into_inner).join("\n  ");
    Err(format!(
        "seed {seed}: {broken}\n\nplans:\n{plans}\nlog:\n  {log}\n\nseed {seed}: {broken}\n\
         once more: GREENLIGHT_SEED={seed} cargo test --workspace --test it simulation"
    ))
}
