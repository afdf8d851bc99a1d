//! The two sparse indexes: what is due, what waits for review, a channel's feed, an author's own.
//!
//! They hold keys only and are a moment behind: what they return is a hint, the item itself decides.

use std::collections::HashMap;

use super::item::{Item, one_of_many, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, AuthorId, Channel, SubmissionId, TraceId};
use crate::domain::submission::DueKind;

/// How many entries of a shard one look at the due queue reads at most: so many keys are about 15 MB on the wire.
const MOST_READ: usize = 100_000;

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Bytes of a submission are to be erased, or WeChat is to be asked about its parts.
    Submission(DueKind, SubmissionId),
    /// The owner's backend is to be told of decisions about it.
    Telling(SubmissionId),
    /// A risky verdict may not be applied yet.
    Risky(TraceId),
}

/// An entry of the due queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    /// When it is due, as the index has it.
    pub due: Timestamp,
    /// Whose it is.
    pub app: AppId,
    /// What it is.
    pub what: Due,
}

impl DueEntry {
    /// The submission that WeChat is to be asked about, if that is what is due.
    pub fn check(&self) -> Option<&SubmissionId> {
        match &self.what {
            Due::Submission(DueKind::Text | DueKind::Media | DueKind::Both, id) => Some(id),
            Due::Submission(DueKind::Erasure, _) | Due::Telling(_) | Due::Risky(_) => None,
        }
    }
}

/// An entry of a list, with the key that it is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What.
    pub id: SubmissionId,
    /// Its place: what comes after it in a list has a later (or, newest first, an earlier) one.
    pub place: String,
}

/// Part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries, in order.
    pub entries: Vec<Listed>,
    /// There are more behind the last.
    pub more: bool,
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

pub(super) fn id_of(item: &Item) -> Result<SubmissionId, TableError> {
    let key = text_of(item, "pk").unwrap_or_default();
    keys::submission_of(&key).ok_or_else(|| TableError::Corrupt { key, reason: "not a submission's key".to_owned() })
}

/// An entry of the due queue; nothing where it is of a kind that this code does not know. Newer code may have put it
/// there, and will see to it.
fn due_entry(item: &Item) -> Option<DueEntry> {
    let place = text_of(item, "queue_sk")?;
    let mut place = place.splitn(3, '#');
    let (due, app, letter) = (place.next()?.parse().ok()?, AppId::parse(place.next()?).ok()?, place.next()?);
    let letter = letter.parse::<char>().ok()?;
    let kinds = [DueKind::Erasure, DueKind::Text, DueKind::Media, DueKind::Both];
    let what = if letter == keys::RISKY {
        let trace_id = text_of(item, "pk")?;
        Due::Risky(TraceId::parse(trace_id.strip_prefix(&format!("T#{app}#"))?).ok()?)
    } else if letter == keys::TELLING {
        Due::Telling(id_of(item).ok()?)
    } else {
        Due::Submission(kinds.into_iter().find(|kind| keys::letter(*kind) == letter)?, id_of(item).ok()?)
    };
    Some(DueEntry { due: Timestamp(due), app, what })
}

/// What a submission's place in an author's list is.
pub fn place_by_author(created_at: Timestamp, id: &SubmissionId) -> String {
    keys::moment_of(created_at, id)
}

/// What a submission's place in a channel's feed is.
pub fn place_in_feed(since: Timestamp, id: &SubmissionId) -> String {
    keys::moment_of(since, id)
}

impl Table {
    /// What is due at `now` in one shard, oldest first; of each app at most `most_of_an_app` checks, as many erasures and as
    /// many tellings, so that no backlog hides what stands behind it.
    pub async fn due(&self, shard: u8, now: Timestamp, most_of_an_app: usize) -> Result<Vec<DueEntry>, TableError> {
        let (mut entries, mut of_an_app, mut read) = (Vec::new(), HashMap::<(AppId, u8), usize>::new(), 0);
        let mut after = None;
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .index_name("queue")
                .key_condition_expression("queue_pk = :queue AND queue_sk < :now")
                .expression_attribute_values(":queue", text(keys::due(shard)))
                // Every key of this very moment is smaller: '#', which stands behind the digits, sorts before '$'.
                .expression_attribute_values(":now", text(format!("{}$", keys::moment(now))))
                .set_exclusive_start_key(after);
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            let items = answer.items.unwrap_or_default();
            read += items.len();
            for entry in items.iter().filter_map(due_entry) {
                let sort = match entry.what {
                    Due::Submission(DueKind::Erasure, _) => 0,
                    Due::Telling(_) => 1,
                    Due::Submission(..) | Due::Risky(_) => 2,
                };
                let so_far = of_an_app.entry((entry.app.clone(), sort)).or_default();
                if *so_far < most_of_an_app {
                    *so_far += 1;
                    entries.push(entry);
                }
            }
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() || read >= MOST_READ {
                return Ok(entries);
            }
        }
    }

    /// What waits for review in an app, oldest first, behind `after`.
    pub async fn reviews(&self, app: &AppId, after: Option<&str>, limit: usize) -> Result<Page, TableError> {
        let partition = ("queue_pk", keys::review(app));
        self.page("queue", partition, "queue_sk", Order::OldestFirst, after, limit).await
    }

    /// A channel's approved submissions, newest first, behind `after`.
    pub async fn feed(
        &self,
        app: &AppId,
        channel: &Channel,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let partition = ("queue_pk", keys::feed(app, channel));
        self.page("queue", partition, "queue_sk", Order::NewestFirst, after, limit).await
    }

    /// An author's submissions, newest first, behind `after`.
    pub async fn by_author(
        &self,
        app: &AppId,
        author: &AuthorId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let partition = ("author_pk", keys::author(app, author));
        self.page("by_author", partition, "created_at", Order::NewestFirst, after, limit).await
    }

    async fn page(
        &self,
        index: &'static str,
        (partition_name, partition): (&'static str, String),
        sort_name: &'static str,
        order: Order,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let (comparison, forward) = match order {
            Order::OldestFirst => (">", true),
            Order::NewestFirst => ("<", false),
        };
        let mut call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(index)
            .scan_index_forward(forward)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .expression_attribute_values(":list", text(partition));
        call = match after {
            Some(after) => call
                .key_condition_expression(format!("{partition_name} = :list AND {sort_name} {comparison} :after"))
                .expression_attribute_values(":after", text(after)),
            None => call.key_condition_expression(format!("{partition_name} = :list")),
        };
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        let mut page = Page { more: answer.last_evaluated_key.is_some_and(|key| !key.is_empty()), ..Page::default() };
        for item in answer.items.unwrap_or_default() {
            if let Some(id) = one_of_many(id_of(&item)) {
                page.entries.push(Listed { id, place: text_of(&item, sort_name).unwrap_or_default() });
            }
        }
        Ok(page)
    }
}
