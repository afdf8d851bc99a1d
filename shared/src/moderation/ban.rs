//! Bans an author for a while, or lifts the ban.

use crate::domain::author::{Author, Ban};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{AppId, AuthorId, OpenId};
use crate::table::{Consistency, Table, TableError};

/// A ban as a moderator sets it.
#[derive(Clone, Debug)]
pub struct NewBan {
    /// Until when; without a time the ban that holds is lifted.
    pub until: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// Who bans, by the name that the owner's backend knows.
    pub moderator: String,
}

/// Sets or lifts an author's ban.
pub async fn ban(table: &Table, clock: &Clock, app: &AppId, openid: &OpenId, new: NewBan) -> Result<(), TableError> {
    let (id, now) = (AuthorId::of(app, openid), clock.now());
    let author = table.author(app, &id, Consistency::Strong).await?;
    let author = author.unwrap_or_else(|| Author::new(app.clone(), openid.clone()));
    let NewBan { until, reason, moderator } = new;
    let ban = until.map(|until| Ban { until, reason, moderator, since: now });
    let set = |author: &mut Author| {
        author.set_ban(ban.clone());
        Ok::<_, TableError>(Some(()))
    };
    table.change(author, set).await?;
    tracing::info!(event = "ban_changed", app = %app, author = %id, banned = ban.is_some(), "a ban was set or lifted");
    Ok(())
}
