//! Looks back at what was done, and for whom; looking itself is recorded where it concerns persons or takes something away.

use crate::domain::clock::Clock;
use crate::domain::deed::{Act, Deed};
use crate::domain::deed_filter::DeedFilter;
use crate::domain::ids::{AuthorId, OpenId};
use crate::domain::moderator::Moderator;
use crate::table::{Table, TableError};

/// How many deeds one file holds at most: some three megabytes.
pub const MOST_IN_A_FILE: usize = 10_000;

/// Which author an openid is, for a lead who asks. The question is recorded, and not the openid.
pub async fn author_of(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    openid: &OpenId,
) -> Result<AuthorId, TableError> {
    let author = AuthorId::of(&moderator.app, openid);
    let deed = Deed { author: Some(author.clone()), ..moderator.deed(clock.now(), Act::SearchedOpenid) };
    table.record_deed(&moderator.app, &deed).await?;
    Ok(author)
}

/// What was done on a day, to be taken away as a file; and whether there is more than that many files of it hold. The files of a
/// long day are counted from 1; none behind the last.
pub async fn export_day(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    (day, file): (&str, u32),
) -> Result<Option<(Vec<Deed>, bool)>, TableError> {
    let all = (MOST_IN_A_FILE, &DeedFilter::default());
    let (mut deeds, mut more) = table.deeds_of(&moderator.app, day, None, all).await?;
    for _ in 1..file {
        let Some(after) = more else { return Ok(None) };
        (deeds, more) = table.deeds_of(&moderator.app, day, Some(&after), all).await?;
    }
    let deed = Deed { about: Some(day.to_owned()), ..moderator.deed(clock.now(), Act::Exported) };
    table.record_deed(&moderator.app, &deed).await?;
    Ok(Some((deeds, more.is_some())))
}
