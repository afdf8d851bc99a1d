//! Bans an author for a while, or lifts the ban.

use crate::domain::author::{Author, Ban};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::deed::{Act, Deed};
use crate::domain::ids::{AppId, AuthorId, OpenId};
use crate::domain::moderator::{LONGEST_BAN_BY_MODERATOR, Moderator, Role};
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

/// Why a ban was not set or lifted.
#[derive(Debug, thiserror::Error)]
pub enum BanError {
    /// No such author was ever seen.
    #[error("no such author")]
    NoAuthor,
    /// Only a lead may: it is for longer than a moderator may ban, or touches a ban that is.
    #[error("only a lead may set or lift such a ban")]
    ForALead,
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Sets or lifts an author's ban, as the owner wishes.
pub async fn ban(table: &Table, clock: &Clock, app: &AppId, openid: &OpenId, new: NewBan) -> Result<(), TableError> {
    let author = table.author(app, &AuthorId::of(app, openid), Consistency::Strong).await?;
    let author = author.unwrap_or_else(|| Author::new(app.clone(), openid.clone()));
    set(table, clock, author, None, new).await
}

/// Sets or lifts the ban of an author whom we know, within what the moderator may.
pub async fn ban_by_moderator(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    author: &AuthorId,
    (until, reason): (Option<Timestamp>, String),
) -> Result<(), BanError> {
    let author = table.author(&moderator.app, author, Consistency::Strong).await?.ok_or(BanError::NoAuthor)?;
    let longest = clock.now().plus(LONGEST_BAN_BY_MODERATOR);
    let standing = author.ban().map(|ban| ban.until);
    if !moderator.role.is_lead() && [until, standing].into_iter().flatten().any(|until| until > longest) {
        return Err(BanError::ForALead);
    }
    let new = NewBan { until, reason, moderator: moderator.name.to_string() };
    Ok(set(table, clock, author, Some(moderator.role), new).await?)
}

async fn set(table: &Table, clock: &Clock, author: Author, role: Option<Role>, new: NewBan) -> Result<(), TableError> {
    let (app, id, now) = (author.app.clone(), author.id(), clock.now());
    let NewBan { until, reason, moderator } = new;
    let act = if until.is_some() { Act::Banned } else { Act::Unbanned };
    let deed = Deed { by: Some(moderator.clone()), role, author: Some(id.clone()), ..Deed::new(now, act, None) };
    let ban = until.map(|until| Ban { until, reason, moderator, since: now });
    let set = |author: &mut Author| {
        author.set_ban(ban.clone());
        Ok::<_, TableError>(Some(()))
    };
    table.change_recorded(author, Some((&app, &deed)), set).await?;
    tracing::info!(event = "ban_changed", app = %app, author = %id, banned = ban.is_some(), "a ban was set or lifted");
    Ok(())
}
