//! Takes all that there is about submissions away, for those who have to prove something.

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::deed::{Act, Deed};
use crate::domain::ids::{AppId, AuthorId, SubmissionId};
use crate::domain::moderator::Moderator;
use crate::domain::submission::Submission;
use crate::table::{DecisionRecord, Evidence, Table, TableError};

/// How many of an author's submissions are taken away at once, the newest.
pub const MOST_OF_AN_AUTHOR: usize = 2_000;

/// All that there is about a submission.
#[derive(Clone, Debug)]
pub struct Exhibit {
    /// How it stands.
    pub standing: Submission,
    /// As it was before it was erased, where that is under seal; else as it stands.
    pub content: Submission,
    /// What people decided about it.
    pub decisions: Vec<DecisionRecord>,
    /// From where it came.
    pub evidence: Option<Evidence>,
}

/// The submissions of an author, the newest first, as far as they are taken away at once; and whether there are more.
pub async fn all_of(table: &Table, app: &AppId, author: &AuthorId) -> Result<(Vec<Submission>, bool), TableError> {
    let (mut ids, mut after): (Vec<SubmissionId>, Option<String>) = (Vec::new(), None);
    loop {
        let page = table.by_author(app, author, after.as_deref(), MOST_OF_AN_AUTHOR - ids.len()).await?;
        after = page.entries.last().map(|last| last.place.clone());
        ids.extend(page.entries.into_iter().map(|entry| entry.id));
        if !page.more || ids.len() >= MOST_OF_AN_AUTHOR {
            return Ok((table.submissions(&ids).await?, page.more));
        }
    }
}

/// Records that a lead takes away what there is about a submission or all of an author's: before it is read.
pub async fn record_export(
    table: &Table,
    clock: &Clock,
    moderator: &Moderator,
    (author, submission): (AuthorId, Option<SubmissionId>),
    file: u32,
) -> Result<(), TableError> {
    let about = Some(format!("file {file}"));
    let deed = Deed { author: Some(author), submission, about, ..moderator.deed(clock.now(), Act::Exported) };
    table.record_deed(&moderator.app, &deed).await
}

/// What there is about a submission.
pub async fn exhibit(table: &Table, standing: Submission, now: Timestamp) -> Result<Exhibit, TableError> {
    let sealed = async {
        match standing.sealed_until() {
            Some(until) if until > now => table.under_seal(&standing.id, now).await,
            _ => Ok(None),
        }
    };
    let (sealed, decisions, evidence) =
        tokio::try_join!(sealed, table.decisions(&standing.id), table.evidence(&standing.id, now))?;
    Ok(Exhibit { content: sealed.unwrap_or_else(|| standing.clone()), standing, decisions, evidence })
}
