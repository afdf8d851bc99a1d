//! Admits an author's call: rates and bans hold, and it counts.

use super::wechat_access::WeChatAccess;
use crate::domain::author::{Actor, Author, NotAdmitted, Rates};
use crate::domain::clock::{Clock, Timestamp};
use crate::domain::ids::{AppId, AuthorId, OpenId};
use crate::table::{Admission, Admitting, Consistency, Table, TableError};

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

/// Reads what there is to know before an author's call, and with it, in the same call to the table, the app's access to WeChat
/// where this process has not read that lately.
pub(super) async fn read_admission(
    table: &Table,
    access: &WeChatAccess,
    admitting: Admitting<'_>,
    now: Timestamp,
) -> Result<Admission, TableError> {
    let with_access = !access.knows(admitting.app);
    let admission = match table.admission(admitting, with_access, now).await {
        // It may be the app's own item that is out of reach; the token that this process knows is still a token.
        Err(error) if with_access && error.is_passing() && access.knows_a_token(admitting.app) => {
            table.admission(admitting, false, now).await
        }
        admission => admission,
    }?;
    if let Some(state) = &admission.access {
        access.learn(state);
    }
    Ok(admission)
}

/// Admits one more check of an author, and learns what it takes to make it.
pub async fn admit_check(
    table: &Table,
    access: &WeChatAccess,
    clock: &Clock,
    app: &AppId,
    openid: &OpenId,
    (actor, rates): (Actor, &Rates),
) -> Result<(), AdmitError> {
    let author = AuthorId::of(app, openid);
    let admitting = Admitting { app, author: &author, id: None, media: &[], contents: &[], looks: &[] };
    let Admission { author, .. } = read_admission(table, access, admitting, clock.now()).await?;
    admit(table, clock, author.unwrap_or_else(|| Author::new(app.clone(), openid.clone())), (actor, rates)).await
}

/// Admits one more upload of an author.
pub async fn admit_call(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    openid: &OpenId,
    actor: Actor,
    rates: &Rates,
) -> Result<(), AdmitError> {
    let author = table.author(app, &AuthorId::of(app, openid), Consistency::Eventual).await?;
    admit(table, clock, author.unwrap_or_else(|| Author::new(app.clone(), openid.clone())), (actor, rates)).await
}

async fn admit(
    table: &Table,
    clock: &Clock,
    author: Author,
    (actor, rates): (Actor, &Rates),
) -> Result<(), AdmitError> {
    let admit = |author: &mut Author| author.admit_call(actor, rates, clock.now()).map(Some).map_err(AdmitError::from);
    table.change(author, admit).await?;
    Ok(())
}
