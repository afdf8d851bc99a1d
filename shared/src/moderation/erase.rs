//! Erases the bytes of what is withdrawn, or decided and not retained.

use futures_util::future::try_join_all;

use crate::bucket::{Bucket, BucketError, media_keys};
use crate::domain::clock::Clock;
use crate::domain::submission::Submission;
use crate::table::{Table, TableError};

/// Why bytes may still be there.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The bucket.
    #[error(transparent)]
    Bucket(#[from] BucketError),
}

/// Deletes the bytes of a submission whose erasure is due, and notes that. What fails stays due.
///
/// The uploads from which the submission took its copies are left to the bucket's lifecycle: another submission may be
/// made of the same upload.
pub async fn erase(table: &Table, bucket: &Bucket, clock: &Clock, submission: Submission) -> Result<(), EraseError> {
    let keys = media_keys(&submission.id, &submission.media);
    try_join_all(keys.into_iter().map(|key| async move { bucket.delete(&key).await })).await?;
    let now = clock.now();
    let note = |submission: &mut Submission| {
        let due = submission.erase_due.is_some_and(|due| due <= now);
        if due {
            submission.erased(now);
        }
        due
    };
    table.change_submission(submission, &[], note).await?;
    Ok(())
}
