//! What AWS does by the clock: the schedules of the scheduled functions, and the bucket's expiry rules.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::functions::Functions;

/// On AWS it is every minute; here somebody watches.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const REFRESH_EVERY: Duration = Duration::from_secs(60);
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Runs the schedules until it is dropped.
pub async fn run(functions: &Functions, bucket: &Path) {
    let refresh = async {
        let mut turn = tokio::time::interval(REFRESH_EVERY);
        loop {
            turn.tick().await;
            functions.refresh_token.run().await;
        }
    };
    let sweep = async {
        let mut turn = tokio::time::interval(SWEEP_EVERY);
        loop {
            turn.tick().await;
            if let Err(error) = functions.sweep_overdue.run().await {
                tracing::error!(error = %error, "the due queue was not swept");
            }
        }
    };
    let expire = async {
        let mut turn = tokio::time::interval(EXPIRE_EVERY);
        loop {
            turn.tick().await;
            for (prefix, age) in [("incoming", DAY), ("unclaimed", 2 * DAY)] {
                let folder: PathBuf = bucket.join(prefix);
                // The engine keeps objects as files; deleting thousands of them is not for the async threads.
                let _ = tokio::task::spawn_blocking(move || expire_files(&folder, age)).await;
            }
        }
    };
    tokio::join!(refresh, sweep, expire);
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
