//! Opens a seal: shows a lead what was erased, and keeps the record of who saw it.

use crate::domain::clock::Clock;
use crate::domain::deed::{Act, Deed};
use crate::domain::moderator::Moderator;
use crate::domain::submission::Submission;
use crate::table::{Table, TableError};

/// What is under seal of a submission, as it stood before it was erased; `part` says what of it is looked at, if not all that is
/// written. It is recorded first: nobody sees it unrecorded.
pub async fn open_seal(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    submission: &Submission,
    part: Option<String>,
) -> Result<Option<Submission>, TableError> {
    let now = clock.now();
    let Some(sealed) = table.under_seal(&submission.id, now).await? else { return Ok(None) };
    let (id, author) = (Some(submission.id.clone()), Some(submission.author.clone()));
    let deed = Deed { submission: id, author, about: part, ..moderator.deed(now, Act::OpenedSeal) };
    table.record_deed(&submission.app, &deed).await?;
    Ok(Some(sealed))
}
