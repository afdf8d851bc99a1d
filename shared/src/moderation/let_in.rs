//! Lets moderators into the console: a link, good once and for minutes, is spent for a session of hours. There are no passwords:
//! the owner's backend, or a lead, vouches for whom it gives a link.

use std::time::Duration;

use futures_util::future::try_join_all;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::deed::{Act, Deed};
use crate::domain::ids::{AppId, ModeratorKey, ModeratorName};
use crate::domain::moderator::{Moderator, Pass};
use crate::table::{Table, TableError};

/// How long a link is good.
pub const LINK_FOR: Duration = Duration::from_secs(10 * 60);
/// How long a session lasts.
pub const SESSION_FOR: Duration = Duration::from_secs(8 * 3600);

/// A session that has begun.
#[derive(Clone, Debug)]
pub struct Entered {
    /// Whose it is.
    pub moderator: Moderator,
    /// What proves it from now on.
    pub session: Pass,
    /// When it ends.
    pub until: Timestamp,
}

/// Makes a link for a moderator, as the owner wishes, or a lead. Returns what stands in it, and when it ends.
pub async fn make_link(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    lead: Option<&Moderator>,
) -> Result<(Pass, Timestamp), TableError> {
    record(table, clock, Act::LetIn, (&moderator.app, &moderator.name), lead).await?;
    let (link, until) = (Pass::of(moderator), clock.now().plus(LINK_FOR));
    table.put_link(moderator, &link.token, until).await?;
    Ok((link, until))
}

/// Spends a link for a session; nothing where it is not good, or not any more.
pub async fn enter(table: &Table, clock: &Clock, link: &Pass) -> Result<Option<Entered>, TableError> {
    let now = clock.now();
    let named = (&link.app, &link.moderator, &link.token);
    let Some(moderator) = table.link(named, now).await? else { return Ok(None) };
    let (session, until) = (Pass::of(&moderator), now.plus(SESSION_FOR));
    if !table.spend_link(&moderator, &link.token, (&session.token, until), now).await? {
        return Ok(None);
    }
    tracing::info!(event = "moderator_entered", app = %link.app, moderator = %link.moderator, "a moderator came in");
    Ok(Some(Entered { moderator, session, until }))
}

/// Whose a session is, and until when, if it is good still.
pub async fn session_of(
    table: &Table,
    clock: &Clock,
    session: &Pass,
) -> Result<Option<(Moderator, Timestamp)>, TableError> {
    table.session((&session.app, &session.moderator, &session.token), clock.now()).await
}

/// Ends one session.
pub async fn leave(table: &Table, session: &Pass) -> Result<(), TableError> {
    table.end_session((&session.app, &session.moderator, &session.token)).await
}

/// Records who lets whom in, or locks whom out.
async fn record(
    table: &Table,
    clock: &Clock,
    act: Act,
    (app, name): (&AppId, &ModeratorName),
    lead: Option<&Moderator>,
) -> Result<(), TableError> {
    let by = lead.map(|lead| (lead.name.as_str(), lead.role));
    let deed = Deed { about: Some(name.to_string()), ..Deed::new(clock.now(), act, by) };
    table.record_deed(app, &deed).await
}

/// Ends all that a moderator has at once, as the owner wishes, or a lead: sessions, links that are not spent, and the cases in
/// hand.
pub async fn revoke(
    table: &Table,
    clock: &Clock,
    app: &AppId,
    name: &ModeratorName,
    lead: Option<&Moderator>,
) -> Result<(), TableError> {
    record(table, clock, Act::LockedOut, (app, name), lead).await?;
    let moderator = ModeratorKey::of(app, name);
    table.end_all_of(app, &moderator).await?;
    let work = table.work(app, &moderator).await?;
    try_join_all(work.leased.iter().map(|id| table.release(id, &moderator))).await?;
    tracing::info!(event = "moderator_revoked", app = %app, moderator = %moderator, "a moderator was locked out");
    Ok(())
}
