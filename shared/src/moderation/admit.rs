//! Admits an author's call: rates and bans hold, and it counts.

use crate::domain::author::{Actor, Author, NotAdmitted, Rates};
use crate::domain::clock::Clock;
use crate::domain::ids::{AppId, AuthorId, OpenId};
use crate::table::{Consistency, Table, TableError};

/// Why an author's call goes no further.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// The author may not.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The table.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Admits one more text check or upload of an author.
pub async fn admit_call(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    openid: &OpenId,
    actor: Actor,
    rates: &Rates,
) -> Result<(), AdmitError> {
    let author = table.author(app, &AuthorId::of(app, openid), Consistency::Eventual).await?;
    let author = author.unwrap_or_else(|| Author::new(app.clone(), openid.clone()));
    let admit = |author: &mut Author| author.admit_call(actor, rates, clock.now()).map(Some).map_err(AdmitError::from);
    table.change(author, admit).await?;
    Ok(())
}
