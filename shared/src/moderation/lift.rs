//! Lets content be judged by WeChat alone again that a person had rejected.

use futures_util::future::try_join_all;

use crate::domain::clock::Clock;
use crate::domain::deed::{Act, Deed};
use crate::domain::moderator::Moderator;
use crate::domain::submission::Submission;
use crate::table::{Table, TableError};

/// Forgets that what this submission is made of was rejected, as a lead wishes. It is recorded first: nothing is lifted unrecorded.
pub async fn lift_by(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    submission: &Submission,
) -> Result<(), TableError> {
    let (id, author) = (Some(submission.id.clone()), Some(submission.author.clone()));
    let deed = Deed { submission: id, author, ..moderator.deed(clock.now(), Act::Lifted) };
    table.record_deed(&submission.app, &deed).await?;
    lift(table, submission).await
}

/// Forgets that what this submission is made of was rejected, and pictures that look like its own.
pub(super) async fn lift(table: &Table, submission: &Submission) -> Result<(), TableError> {
    let contents = submission.contents();
    try_join_all(contents.iter().map(|(_, content)| table.forget_rejected(&submission.app, *content, None))).await?;
    table.forget_looks(&submission.app, &submission.looks(), None).await?;
    tracing::info!(event = "rejection_lifted", app = %submission.app, submission = %submission.id, "rejected content may come again");
    Ok(())
}
