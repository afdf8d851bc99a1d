//! Takes a submission back for good, as its author or its owner wishes.

use super::erase::erase;
use crate::bucket::Bucket;
use crate::domain::author::Actor;
use crate::domain::clock::Clock;
use crate::domain::submission::Submission;
use crate::error::chain;
use crate::table::{Table, TableError};

/// Withdraws a submission: from now on nobody sees it, and its bytes are erased.
pub async fn withdraw(
    table: &Table,
    bucket: &Bucket,
    clock: &Clock,
    submission: Submission,
    actor: Actor,
) -> Result<(), TableError> {
    let now = clock.now();
    let (submission, _) = table.change_submission(submission, &[], |one| one.withdraw(actor, now)).await?;
    // It is invisible already; if its bytes cannot be deleted now, the due queue sees to it.
    if submission.is_due(now)
        && let Err(error) = erase(table, bucket, clock, submission).await
    {
        let error = chain(&error);
        tracing::warn!(event = "erasure_left", error, "an erasure is left to the due queue");
    }
    Ok(())
}
