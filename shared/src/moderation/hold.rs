//! Puts a hold on a submission: nothing of it is erased until some day.

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::deed::{Act, Deed};
use crate::domain::moderator::Moderator;
use crate::domain::submission::{Hold, Submission};
use crate::table::{Beside, Table, TableError};

/// Holds a submission until some day for the document of that number, in place of the hold that was; without one it takes
/// that away, and what should have been erased by then is erased. What is erased already does not come back.
pub async fn hold(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    submission: Submission,
    wanted: Option<(String, Timestamp)>,
) -> Result<Submission, TableError> {
    let now = clock.now();
    let act = if wanted.is_some() { Act::Held } else { Act::Released };
    let until = wanted.as_ref().map(|(_, until)| until.beijing_day());
    let (id, author) = (Some(submission.id.clone()), Some(submission.author.clone()));
    let deed = Deed { submission: id, author, about: until, ..moderator.deed(now, act) };
    let by = moderator.name.to_string();
    let hold = wanted.map(|(document, until)| Hold { document, until, by, since: now });
    let held = |one: &mut Submission| {
        one.put_on_hold(hold.clone());
        true
    };
    // What is kept beside it may be about to end: it is kept longer first, and as long as it must be afterwards.
    let mut longer = submission.clone();
    held(&mut longer);
    if hold.is_some() {
        table.keep_beside(&longer, now).await?;
    }
    let (submission, _) = table.change_submission(submission, &[Beside::Recorded(&deed)], held).await?;
    table.keep_beside(&submission, now).await?;
    tracing::info!(event = "hold_changed", app = %submission.app, submission = %submission.id, held = hold.is_some(), "a hold was put on a submission or taken away");
    Ok(submission)
}
