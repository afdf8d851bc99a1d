//! Writes a moderator's note about a submission, for other moderators.

use crate::domain::clock::Clock;
use crate::domain::ids::SubmissionId;
use crate::domain::moderator::Moderator;
use crate::table::{Note, Table, TableError};

/// How many characters a note has at most.
pub const NOTE_CHARS: usize = 1_000;

/// Adds a note; says whether there was room for one more.
pub async fn add_note(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    id: &SubmissionId,
    text: String,
) -> Result<bool, TableError> {
    let text = text.chars().take(NOTE_CHARS).collect();
    table.add_note(id, &Note { by: moderator.name.to_string(), at: clock.now(), text }).await
}
