//! Lets content be judged by WeChat alone again that a person had rejected.

use futures_util::future::try_join_all;

use crate::domain::submission::Submission;
use crate::table::{Table, TableError};

/// Forgets that what this submission is made of was rejected.
pub async fn lift(table: &Table, submission: &Submission) -> Result<(), TableError> {
    let contents = submission.contents();
    try_join_all(contents.iter().map(|(_, content)| table.forget_rejected(&submission.app, *content, None))).await?;
    tracing::info!(event = "rejection_lifted", app = %submission.app, submission = %submission.id, "rejected content may come again");
    Ok(())
}
