//! Writes a moderator's note about a submission, for other moderators.

use crate::domain::clock::Clock;
use crate::domain::moderator::Moderator;
use crate::domain::submission::Submission;
use crate::table::{Note, Table, TableError};

/// How many characters a note has at most.
pub const NOTE_CHARS: usize = 1_000;

/// What became of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It stands there.
    Added,
    /// There are too many already.
    TooMany,
    /// What it is about is erased, and notes with it.
    Erased,
}

/// Adds a note. It goes with the content that it is about, even if that goes at this very moment.
pub async fn add_note(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    submission: Submission,
    text: String,
) -> Result<Noted, TableError> {
    if submission.is_erased() {
        return Ok(Noted::Erased);
    }
    let text = text.chars().take(NOTE_CHARS).collect();
    let note = Note { by: moderator.name.to_string(), at: clock.now(), text };
    if !table.add_note(&submission.id, &note).await? {
        return Ok(Noted::TooMany);
    }
    let mark = |one: &mut Submission| !one.is_erased() && !std::mem::replace(&mut one.noted, true);
    let (submission, _) = table.change_submission(submission, &[], mark).await?;
    if submission.is_erased() {
        table.forget_notes(&submission.id).await?;
        return Ok(Noted::Erased);
    }
    Ok(Noted::Added)
}
