//! Submissions, authors and apps as items: a JSON document beside the keys that the indexes need.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::queues::DueKind;
use super::{DUE_SHARDS, Table, TableError, classify};
use crate::app_record::AppRecord;
use crate::author::Author;
use crate::ids::{AppId, AuthorId, SubmissionId};
use crate::submission::{Decision, Queue, Submission};

/// An item as DynamoDB has it.
pub type Item = HashMap<String, AttributeValue>;

/// Which of DynamoDB's reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// May be a moment old; costs half. Good where a conditional write follows.
    Eventual,
    /// The newest.
    Strong,
}

/// What a conditional write came to.
#[derive(Debug)]
pub enum Saved<D> {
    /// Written (or it had been written, and the answer was lost).
    Done,
    /// Somebody else wrote first; this is what stands there now.
    Conflict(Box<D>),
}

/// An item that is loaded, stepped and written as a whole.
pub trait Document: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// Partition and sort key.
    fn key(&self) -> (String, &'static str);
    /// How often it was written; 0 for one that never was.
    fn version(&self) -> u64;
    /// Sets the version that was read or written.
    fn set_version(&mut self, version: u64);
    /// Puts into a document that was read what stands in the item's keys and not in it.
    fn complete(_document: &mut serde_json::Map<String, serde_json::Value>, _item: &Item) {}
    /// The attributes that the sparse indexes are made of.
    fn index_keys(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

pub(super) fn submission_key(id: &SubmissionId) -> String {
    format!("S#{id}")
}

pub(super) fn author_index_key(app: &AppId, author: &AuthorId) -> String {
    format!("A#{app}#{author}")
}

/// A moment as a sort key: 13 digits sort like numbers until the year 2286.
pub(super) fn moment_key(at: crate::clock::Timestamp) -> String {
    format!("{:013}", at.0.max(0))
}

pub(super) fn due_key(shard: u8) -> String {
    format!("due#{shard}")
}

pub(super) fn review_key(app: &AppId) -> String {
    format!("review#{app}")
}

pub(super) fn feed_key(app: &AppId, channel: &crate::ids::Channel) -> String {
    format!("feed#{app}#{channel}")
}

impl Document for Submission {
    fn key(&self) -> (String, &'static str) {
        (submission_key(&self.id), "S")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn complete(document: &mut serde_json::Map<String, serde_json::Value>, item: &Item) {
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
        let mut keys = vec![
            ("author_pk", author_index_key(&self.app, &self.author)),
            ("created_at", format!("{}#{}", moment_key(self.created_at), self.id)),
        ];
        let queue = match self.queue() {
            // App and kind stand in the key, so that a sweep can pass over what must wait without loading it. The kind
            // is what the submission is made of, not what is left to do: each change of a key costs two writes.
            Some(Queue::Due { at }) => {
                let kind = DueKind::of(self).letter();
                Some((due_key(self.id.spread() % DUE_SHARDS), format!("{}#{}#{kind}", moment_key(at), self.app)))
            }
            Some(Queue::Review { app, since }) => {
                Some((review_key(&app), format!("{}#{}", moment_key(since), self.id)))
            }
            Some(Queue::Feed { app, channel, since }) => {
                Some((feed_key(&app, &channel), format!("{}#{}", moment_key(since), self.id)))
            }
            None => None,
        };
        if let Some((partition, sort)) = queue {
            keys.push(("queue_pk", partition));
            keys.push(("queue_sk", sort));
        }
        keys
    }
}

impl Document for Author {
    fn key(&self) -> (String, &'static str) {
        (author_index_key(&self.app, &self.id()), "A")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }
}

impl Document for AppRecord {
    fn key(&self) -> (String, &'static str) {
        (format!("K#{}", self.app), "K")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn text_of(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

/// A random number that marks one write as ours.
fn write_id() -> String {
    let mut bytes = [0_u8; 9];
    #[expect(clippy::expect_used, reason = "no randomness, no service")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

fn to_item<D: Document>(document: &D, version: u64, write_id: &str) -> Result<Item, TableError> {
    let (partition, sort) = document.key();
    let json = serde_json::to_string(document)
        .map_err(|error| TableError::Corrupt { key: partition.clone(), reason: error.to_string() })?;
    let mut item = Item::from([
        ("pk".to_owned(), text(partition)),
        ("sk".to_owned(), text(sort)),
        ("version".to_owned(), number(version)),
        ("write_id".to_owned(), text(write_id)),
        ("doc".to_owned(), text(json)),
    ]);
    for (name, value) in document.index_keys() {
        item.insert(name.to_owned(), text(value));
    }
    Ok(item)
}

pub(super) fn from_item<D: Document>(item: &Item) -> Result<D, TableError> {
    let key = text_of(item, "pk").unwrap_or_default();
    let corrupt = |reason: &str| TableError::Corrupt { key: key.clone(), reason: reason.to_owned() };
    let json = text_of(item, "doc").ok_or_else(|| corrupt("no `doc`"))?;
    let version = item.get("version").and_then(|value| value.as_n().ok()).and_then(|number| number.parse().ok());
    // serde_json's message may quote a value of the document, so only the place is told.
    let mut document = serde_json::from_str(&json)
        .map_err(|error| corrupt(&format!("`doc` is unreadable at column {}", error.column())))?;
    D::complete(&mut document, item);
    let mut document: D =
        serde_json::from_value(document.into()).map_err(|_| corrupt("`doc` is not what it should be"))?;
    document.set_version(version.ok_or_else(|| corrupt("no `version`"))?);
    Ok(document)
}

impl Table {
    pub(super) async fn raw_get(
        &self,
        partition: &str,
        sort: &str,
        consistency: Consistency,
    ) -> Result<Option<Item>, TableError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", text(partition))
            .key("sk", text(sort))
            .consistent_read(consistency == Consistency::Strong)
            .send()
            .await
            .map_err(|error| classify("GetItem", error))?;
        Ok(answer.item)
    }

    async fn load<D: Document>(
        &self,
        partition: &str,
        sort: &str,
        consistency: Consistency,
    ) -> Result<Option<D>, TableError> {
        self.raw_get(partition, sort, consistency).await?.as_ref().map(from_item).transpose()
    }

    /// The submission of that id.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn submission(
        &self,
        id: &SubmissionId,
        consistency: Consistency,
    ) -> Result<Option<Submission>, TableError> {
        self.load(&submission_key(id), "S", consistency).await
    }

    /// The submissions of these ids as they stand now, in the same order; those that do not exist are left out.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn submissions(&self, ids: &[SubmissionId]) -> Result<Vec<Submission>, TableError> {
        let mut found: HashMap<SubmissionId, Submission> = HashMap::new();
        // BatchGetItem takes 100 keys, each once.
        let distinct: std::collections::BTreeSet<&SubmissionId> = ids.iter().collect();
        for chunk in distinct.into_iter().collect::<Vec<_>>().chunks(100) {
            let mut keys: Vec<Item> = chunk
                .iter()
                .map(|id| Item::from([("pk".to_owned(), text(submission_key(id))), ("sk".to_owned(), text("S"))]))
                .collect();
            // DynamoDB may leave keys for the next call when it is busy; always the same ones means too busy.
            let mut calls = 0;
            while !keys.is_empty() {
                calls += 1;
                if calls > 10 {
                    let reason = "keys were left unprocessed each time".to_owned();
                    return Err(TableError::Unavailable { operation: "BatchGetItem", reason });
                }
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut keys)))
                    .consistent_read(true)
                    .build()
                    .map_err(|error| TableError::Refused { operation: "BatchGetItem", reason: error.to_string() })?;
                let answer = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, wanted)
                    .send()
                    .await
                    .map_err(|error| classify("BatchGetItem", error))?;
                let items = answer.responses.into_iter().flat_map(HashMap::into_values).flatten();
                for item in items {
                    let submission: Submission = from_item(&item)?;
                    found.insert(submission.id.clone(), submission);
                }
                if let Some(left) = answer.unprocessed_keys.and_then(|mut left| left.remove(&self.name)) {
                    keys = left.keys;
                }
            }
        }
        Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
    }

    /// The author of that name.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn author(
        &self,
        app: &AppId,
        author: &AuthorId,
        consistency: Consistency,
    ) -> Result<Option<Author>, TableError> {
        self.load(&author_index_key(app, author), "A", consistency).await
    }

    /// What is known of an app.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn app(&self, app: &AppId, consistency: Consistency) -> Result<AppRecord, TableError> {
        let record = self.load(&format!("K#{app}"), "K", consistency).await?;
        Ok(record.unwrap_or_else(|| AppRecord::new(app.clone())))
    }

    /// Writes `document` if nobody wrote since it was read, and raises its version.
    ///
    /// # Errors
    /// When the table does not answer; then it may or may not have been written.
    pub async fn save<D: Document>(&self, document: &mut D) -> Result<Saved<D>, TableError> {
        let (version, write_id) = (document.version() + 1, write_id());
        let item = to_item(document, version, &write_id)?;
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = match document.version() {
            0 => call.condition_expression("attribute_not_exists(pk)"),
            read => call.condition_expression("version = :read").expression_attribute_values(":read", number(read)),
        };
        match call.send().await {
            Ok(_) => {}
            Err(error) => {
                let standing = match error.as_service_error() {
                    Some(PutItemError::ConditionalCheckFailedException(failed)) => failed.item.clone(),
                    _ => return Err(classify("PutItem", error)),
                };
                let conflict = self.own_or_conflict(document, standing, &write_id).await?;
                if let Some(conflict) = conflict {
                    return Ok(Saved::Conflict(Box::new(conflict)));
                }
            }
        }
        document.set_version(version);
        Ok(Saved::Done)
    }

    /// After a failed condition: what stands there, or nothing if it is what we wrote ourselves.
    async fn own_or_conflict<D: Document>(
        &self,
        document: &D,
        standing: Option<Item>,
        write_id: &str,
    ) -> Result<Option<D>, TableError> {
        let (partition, sort) = document.key();
        let standing = match standing {
            Some(item) => Some(item),
            None => self.raw_get(&partition, sort, Consistency::Strong).await?,
        };
        let Some(item) = standing else {
            // It was there and is gone: nothing here deletes such items, so somebody did by hand.
            return Err(TableError::Corrupt { key: partition, reason: "deleted while in use".to_owned() });
        };
        if text_of(&item, "write_id").as_deref() == Some(write_id) {
            return Ok(None);
        }
        from_item(&item).map(Some)
    }

    /// Writes a submission together with the record of the decision that a person made, both or neither.
    ///
    /// # Errors
    /// When the table does not answer; then it may or may not have been written.
    pub async fn save_decision(&self, submission: &mut Submission) -> Result<Saved<Submission>, TableError> {
        let (version, write_id) = (submission.version + 1, write_id());
        let refused = |error: aws_sdk_dynamodb::error::BuildError| TableError::Refused {
            operation: "TransactWriteItems",
            reason: error.to_string(),
        };
        let record = DecisionRecord {
            state: submission.state.as_str(),
            decision: submission.decision.as_ref(),
            at: submission.since.to_string(),
        };
        let (partition, _) = submission.key();
        let json = serde_json::to_string(&record)
            .map_err(|error| TableError::Corrupt { key: partition.clone(), reason: error.to_string() })?;
        let decision = Item::from([
            ("pk".to_owned(), text(&partition)),
            ("sk".to_owned(), text(format!("D#{version:09}"))),
            ("doc".to_owned(), text(json)),
        ]);
        let state = Put::builder()
            .table_name(&self.name)
            .set_item(Some(to_item(submission, version, &write_id)?))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", number(submission.version))
            .build()
            .map_err(refused)?;
        let decision = Put::builder().table_name(&self.name).set_item(Some(decision)).build().map_err(refused)?;
        let sent = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(state).build())
            .transact_items(TransactWriteItem::builder().put(decision).build())
            .send()
            .await;
        if let Err(error) = sent {
            let cancelled = error.as_service_error().is_some_and(|error| error.is_transaction_canceled_exception());
            if !cancelled {
                return Err(classify("TransactWriteItems", error));
            }
            // Cancelled for the condition, or for another write at the same moment: the item itself tells.
            if let Some(conflict) = self.own_or_conflict(submission, None, &write_id).await? {
                return Ok(Saved::Conflict(Box::new(conflict)));
            }
        }
        submission.version = version;
        Ok(Saved::Done)
    }

    /// Loads a document or takes a new one, steps it, writes it, and begins again if somebody else wrote first.
    /// `step` says whether there is anything to write, or why not.
    ///
    /// # Errors
    /// What `step` says, or when the table does not answer.
    pub async fn change<D, T, E>(
        &self,
        mut document: D,
        mut step: impl FnMut(&mut D) -> Result<Option<T>, E> + Send,
    ) -> Result<(D, Option<T>), E>
    where
        D: Document,
        E: From<TableError>,
        T: Send,
    {
        // An author's phone sends ten requests at once at most; each round one of the writers gets through.
        const TRIES: usize = 30;
        for _ in 0..TRIES {
            let mut next = document.clone();
            let Some(outcome) = step(&mut next)? else { return Ok((document, None)) };
            match self.save(&mut next).await? {
                Saved::Done => return Ok((next, Some(outcome))),
                Saved::Conflict(standing) => document = *standing,
            }
        }
        Err(TableError::Contended { key: document.key().0 }.into())
    }
}

/// A decision that a person made, kept beside the submission for good.
#[derive(Serialize)]
struct DecisionRecord<'a> {
    state: &'static str,
    #[serde(flatten)]
    decision: Option<&'a Decision>,
    at: String,
}
