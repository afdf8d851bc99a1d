//! Changes what the moderators of an app share.

use crate::domain::clock::Clock;
use crate::domain::deed::{Act, Deed};
use crate::domain::desk::{Desk, HANDOVER_CHARS, Handover, RejectReason};
use crate::domain::moderator::Moderator;
use crate::table::{Table, TableError};

async fn change(
    table: &Table,
    moderator: &Moderator,
    deed: Option<&Deed>,
    mut set: impl FnMut(&mut Desk) + Send,
) -> Result<(), TableError> {
    let desk = table.desk(&moderator.app).await?;
    let step = |desk: &mut Desk| {
        set(desk);
        Ok::<_, TableError>(Some(()))
    };
    let deed = deed.map(|deed| (&moderator.app, deed));
    table.change_recorded(desk, deed, step).await.map(drop)
}

/// Leaves a note for whoever works next, in place of the one before; an empty one takes that away.
pub async fn leave_note(table: &Table, clock: &Clock, moderator: &Moderator, text: &str) -> Result<(), TableError> {
    let text: String = text.trim().chars().take(HANDOVER_CHARS).collect();
    let note = Handover { by: moderator.name.to_string(), at: clock.now(), text };
    let note = Some(note).filter(|note| !note.text.is_empty());
    change(table, moderator, None, |desk| desk.handover.clone_from(&note)).await
}

/// Sets the reasons that moderators reject for, and after how many minutes a case has waited too long; for leads.
pub async fn set_rules(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    (reasons, late_after_minutes): (Vec<RejectReason>, u32),
) -> Result<(), TableError> {
    let set = |desk: &mut Desk| {
        desk.reasons.clone_from(&reasons);
        desk.late_after_minutes = Some(late_after_minutes);
    };
    let deed = moderator.deed(clock.now(), Act::SetRules);
    change(table, moderator, Some(&deed), set).await
}
