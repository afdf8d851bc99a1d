//! The two sparse indexes: what is due, what waits for review, a channel's feed, an author's own.
//!
//! They hold keys only and are a moment behind: what they return is a hint, the item itself decides.

use super::document::{Item, author_index_key, due_key, feed_key, moment_key, review_key, text, text_of};
use super::{DUE_SHARDS, Table, TableError, classify};
use crate::clock::Timestamp;
use crate::ids::{AppId, AuthorId, Channel, SubmissionId};
use crate::submission::{PartName, State, Submission};

/// An entry of the due queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DueEntry {
    /// When it is due, as the index has it.
    pub due: Timestamp,
    /// Whose it is.
    pub app: AppId,
    /// What it may take.
    pub kind: DueKind,
    /// What.
    pub id: SubmissionId,
}

/// Which of WeChat's APIs it may take to work off a submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// None: bytes are to be erased.
    Erasure,
    /// Text checks.
    Text,
    /// Media checks.
    Media,
    /// Both.
    Both,
}

impl DueKind {
    const ALL: [Self; 4] = [Self::Erasure, Self::Text, Self::Media, Self::Both];

    /// What a submission may take.
    pub fn of(submission: &Submission) -> Self {
        match (submission.state, submission.part(PartName::Text), submission.media.is_empty()) {
            (State::Withdrawn, _, _) => Self::Erasure,
            (_, Some(_), true) => Self::Text,
            (_, Some(_), false) => Self::Both,
            (_, None, _) => Self::Media,
        }
    }

    /// Its letter in the due queue's key.
    pub fn letter(self) -> char {
        match self {
            Self::Erasure => 'e',
            Self::Text => 't',
            Self::Media => 'm',
            Self::Both => 'b',
        }
    }

    fn parse(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| letter.len() == 1 && letter.starts_with(kind.letter()))
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

fn id_of(item: &Item) -> Result<SubmissionId, TableError> {
    let key = text_of(item, "pk").unwrap_or_default();
    key.strip_prefix("S#")
        .and_then(|id| SubmissionId::parse(id).ok())
        .ok_or_else(|| TableError::Corrupt { key: key.clone(), reason: "not a submission's key".to_owned() })
}

impl Table {
    /// What a submission's place in an author's list is.
    pub fn place_by_author(created_at: Timestamp, id: &SubmissionId) -> String {
        format!("{}#{id}", moment_key(created_at))
    }

    /// What a submission's place in a channel's feed or in the review queue is.
    pub fn place_in_queue(since: Timestamp, id: &SubmissionId) -> String {
        format!("{}#{id}", moment_key(since))
    }

    /// What is due at `now` in one shard, oldest first; at most `limit` entries.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn due(&self, shard: u8, now: Timestamp, limit: usize) -> Result<Vec<DueEntry>, TableError> {
        let mut entries = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.name)
                .index_name("queue")
                .key_condition_expression("queue_pk = :queue AND queue_sk < :now")
                .expression_attribute_values(":queue", text(due_key(shard % DUE_SHARDS)))
                // Every key of this very moment is smaller: '#', which stands behind the digits, sorts before '$'.
                .expression_attribute_values(":now", text(format!("{}$", moment_key(now))))
                .set_exclusive_start_key(after)
                .limit(i32::try_from((limit - entries.len()).max(1)).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|error| classify("Query", error))?;
            for item in answer.items.unwrap_or_default() {
                let key = text_of(&item, "queue_sk").unwrap_or_default();
                let corrupt = || TableError::Corrupt { key: key.clone(), reason: "not a due time".to_owned() };
                let mut key_parts = key.splitn(3, '#');
                let (due, app) = key_parts.next().zip(key_parts.next()).ok_or_else(corrupt)?;
                let kind = key_parts.next().and_then(DueKind::parse).ok_or_else(corrupt)?;
                entries.push(DueEntry {
                    due: Timestamp(due.parse().map_err(|_| corrupt())?),
                    app: AppId::parse(app).map_err(|_| corrupt())?,
                    kind,
                    id: id_of(&item)?,
                });
            }
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() || entries.len() >= limit {
                return Ok(entries);
            }
        }
    }

    /// What waits for review in an app, oldest first, behind `after`.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn reviews(&self, app: &AppId, after: Option<&str>, limit: usize) -> Result<Page, TableError> {
        let partition = ("queue_pk", review_key(app));
        self.page("queue", partition, "queue_sk", Order::OldestFirst, after, limit).await
    }

    /// A channel's approved submissions, newest first, behind `after`.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn feed(
        &self,
        app: &AppId,
        channel: &Channel,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let partition = ("queue_pk", feed_key(app, channel));
        self.page("queue", partition, "queue_sk", Order::NewestFirst, after, limit).await
    }

    /// An author's submissions, newest first, behind `after`.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn by_author(
        &self,
        app: &AppId,
        author: &AuthorId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, TableError> {
        let partition = ("author_pk", author_index_key(app, author));
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
            page.entries.push(Listed { id: id_of(&item)?, place: text_of(&item, sort_name).unwrap_or_default() });
        }
        Ok(page)
    }
}
