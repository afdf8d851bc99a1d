//! What AWS does by itself: the schedules, the table's stream, and what expires in the bucket and the table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use greenlight::domain::clock::Clock;
use greenlight::error::chain;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::engines::EngineError;
use crate::engines::dynamodb::Upkeep;
use crate::functions::Functions;
use crate::machine::{ClockWatch, warn_if_nearly_full};
use crate::stack::TABLE;
use crate::table_stream::{self, TableStream};

/// On AWS it is every minute; here somebody watches.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const REFRESH_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
const WATCH_EVERY: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is done by the clock, and with what.
#[derive(Debug)]
pub struct Schedule {
    /// The functions.
    pub functions: Functions,
    /// The bucket's folder.
    pub bucket: PathBuf,
    /// The table's.
    pub upkeep: Upkeep,
    /// The folder of `--data`.
    pub data: Option<PathBuf>,
}

impl Schedule {
    /// Runs until `stopped` says so; what has begun is brought to its end.
    ///
    /// # Errors
    /// When the table has no stream.
    pub async fn run(&self, stopped: watch::Receiver<bool>) -> Result<(), EngineError> {
        let mut stream = TableStream::start(self.upkeep.clone(), TABLE)?;
        let publish =
            every(table_stream::EVERY, &stopped, async || stream.turn(&self.functions.publish_decisions).await);
        let refresh = every(REFRESH_EVERY, &stopped, async || drop(self.functions.refresh_token.run().await));
        let sweep = every(SWEEP_EVERY, &stopped, async || {
            if let Err(error) = self.functions.sweep_overdue.run().await {
                tracing::error!(error = chain(&error), "the due queue was not swept");
            }
        });
        let clock = ClockWatch::start(Clock::system());
        let expire = every(EXPIRE_EVERY, &stopped, async || {
            if clock.is_settled() {
                self.expire().await;
            }
        });
        let look = every(WATCH_EVERY, &stopped, async || {
            clock.is_settled();
            if let Some(data) = &self.data {
                warn_if_nearly_full(data);
            }
        });
        tokio::join!(refresh, sweep, publish, expire, look);
        Ok(())
    }

    async fn expire(&self) {
        let (bucket, upkeep) = (self.bucket.clone(), self.upkeep.clone());
        // Thousands of files and items are not for the async threads.
        let expired = tokio::task::spawn_blocking(move || {
            for (prefix, age) in [("incoming", DAY), ("unclaimed", 2 * DAY)] {
                expire_files(&bucket.join(prefix), age);
            }
            upkeep.delete_expired()
        });
        if let Ok(Err(error)) = expired.await {
            tracing::error!(error = chain(&error), "what has expired in the table was not deleted");
        }
    }
}

/// Takes a turn now and after each `period`, until it is stopped.
async fn every(period: Duration, stopped: &watch::Receiver<bool>, mut turn: impl AsyncFnMut()) {
    let mut stopped = stopped.clone();
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = interval.tick() => turn().await,
        }
    }
}

fn expire_files(folder: &Path, age: Duration) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|elapsed| elapsed > age)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
