//! Submissions as items.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Document, Item, from_item, key, one_of_many, text, text_of};
use super::{Consistency, Table, TableError, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::SubmissionId;
use crate::domain::submission::{DueKind, Queue, Submission};

/// The attribute of a submission's item that only a write has which changed its state. Its name is short, for each kilobyte of an
/// item is a write.
pub const TURNED: &str = "turn";

/// Marks the item of a submission whose state this write changes: the stream delivers it, and the record is made of it. A
/// moderator's deeds stand there already.
pub(super) fn mark_turn(item: &mut Item, before: Option<&Submission>, after: &Submission) {
    if before.is_none_or(|before| before.state != after.state) && !after.is_decided_by_moderator() {
        item.insert(TURNED.to_owned(), text("1"));
    }
}

impl Document for Submission {
    fn key(&self) -> (String, &'static str) {
        (keys::submission(&self.id), "S")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn complete(document: &mut serde_json::Map<String, serde_json::Value>, item: &HashMap<String, AttributeValue>) {
        let id = text_of(item, "pk").and_then(|key| key.strip_prefix("S#").map(str::to_owned));
        let author = text_of(item, "author_pk").unwrap_or_default();
        let mut author = author.splitn(3, '#').skip(1).map(str::to_owned);
        for (name, value) in [("id", id), ("app", author.next()), ("author", author.next())] {
            if let Some(value) = value {
                document.insert(name.to_owned(), value.into());
            }
        }
    }

    fn index_keys(&self) -> Vec<(&'static str, String)> {
        let mut index_keys = vec![
            ("author_pk", keys::author(&self.app, &self.author)),
            ("created_at", keys::moment_of(self.created_at, &self.id)),
        ];
        let queue = match self.queue() {
            Some(Queue::Due { at }) => {
                let letter = keys::letter(DueKind::of(self));
                Some((keys::due(self.id.spread()), keys::due_at(at, &self.app, letter)))
            }
            Some(Queue::Feed { app, channel, since }) => {
                Some((keys::feed(&app, &channel), keys::moment_of(since, &self.id)))
            }
            None => None,
        };
        if let Some((partition, sort)) = queue {
            index_keys.push(("queue_pk", partition));
            index_keys.push(("queue_sk", sort));
        }
        index_keys
    }
}

/// The submission in an item of which the table's stream delivers these attributes, texts and numbers.
///
/// # Errors
/// When it is none.
pub fn submission_in(image: &HashMap<String, String>) -> Result<Submission, TableError> {
    let attribute = |(name, value): (&String, &String)| {
        let value = if name == "version" { AttributeValue::N(value.clone()) } else { text(value) };
        (name.clone(), value)
    };
    from_item(&image.iter().map(attribute).collect())
}

impl Table {
    /// The submission of that id.
    pub async fn submission(
        &self,
        id: &SubmissionId,
        consistency: Consistency,
    ) -> Result<Option<Submission>, TableError> {
        self.load(&keys::submission(id), "S", consistency).await
    }

    /// When the submissions of these ids were made; those that do not exist are left out.
    pub async fn made_at(&self, ids: &[SubmissionId]) -> Result<HashMap<SubmissionId, Timestamp>, TableError> {
        let distinct: BTreeSet<&SubmissionId> = ids.iter().collect();
        let wanted = distinct.into_iter().map(|id| key(keys::submission(id), "S")).collect();
        let items = self.raw_get_many(wanted, Consistency::Eventual).await?;
        let made = items.iter().filter_map(|item| {
            let id = SubmissionId::parse(text_of(item, "pk")?.strip_prefix("S#")?).ok()?;
            // The index by author sorts by it. (`keys::moment_of`)
            let made = text_of(item, "created_at")?.split('#').next()?.parse().ok()?;
            Some((id, Timestamp(made)))
        });
        Ok(made.collect())
    }

    /// The submissions of these ids as they stand now, in the same order. Those that do not exist are left out, and so is
    /// one that cannot be read, with an alarm.
    pub async fn submissions(&self, ids: &[SubmissionId]) -> Result<Vec<Submission>, TableError> {
        let distinct: BTreeSet<&SubmissionId> = ids.iter().collect();
        let wanted = distinct.into_iter().map(|id| key(keys::submission(id), "S")).collect();
        let items = self.raw_get_many(wanted, Consistency::Strong).await?;
        let found = items.iter().filter_map(|item| one_of_many(from_item::<Submission>(item)));
        let found: HashMap<SubmissionId, Submission> = found.map(|one| (one.id.clone(), one)).collect();
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }
}
