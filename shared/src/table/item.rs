//! Items: a JSON document beside the keys that the indexes need; read one by one or many at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Table, TableError, back_off, classify};

/// An item as DynamoDB has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// How often keys that DynamoDB left for the next call are asked for once more.
const BATCH_TRIES: u32 = 6;
/// BatchGetItem takes no more keys. (DynamoDB API reference, BatchGetItem.)
const BATCH_KEYS: usize = 100;

/// Which of DynamoDB's reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// May be a moment old; costs half. Good where a conditional write follows.
    Eventual,
    /// The newest.
    Strong,
}

/// An item that is loaded, stepped and written as a whole.
pub(crate) trait Document: Serialize + DeserializeOwned + Clone + Send + Sync {
    /// Partition and sort key.
    fn key(&self) -> (String, &'static str);
    /// How often it was written; 0 for one that never was.
    fn version(&self) -> u64;
    /// Sets the version that was read or written.
    fn set_version(&mut self, version: u64);
    /// Puts into a document that was read what stands in the item's keys and not in it.
    fn complete(_document: &mut serde_json::Map<String, serde_json::Value>, _item: &HashMap<String, AttributeValue>) {}
    /// The attributes that the sparse indexes are made of.
    fn index_keys(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(super) fn text_of(item: &Item, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

pub(super) fn key(partition: impl Into<String>, sort: &str) -> Item {
    Item::from([("pk".to_owned(), text(partition)), ("sk".to_owned(), text(sort))])
}

/// A request that the SDK would not build: a fault of ours.
pub(super) fn not_built(operation: &'static str) -> impl Fn(BuildError) -> TableError {
    move |error| TableError::Refused { operation, source: error.into() }
}

/// A document as the JSON that its item holds.
pub(super) fn json<T: Serialize>(value: &T, key: &str) -> Result<String, TableError> {
    serde_json::to_string(value).map_err(|error| TableError::Corrupt { key: key.to_owned(), reason: error.to_string() })
}

pub(super) fn to_item<D: Document>(document: &D, version: u64, write_id: &str) -> Result<Item, TableError> {
    let (partition, sort) = document.key();
    let json = json(document, &partition)?;
    let mut item = key(partition, sort);
    item.insert("version".to_owned(), number(version));
    item.insert("write_id".to_owned(), text(write_id));
    item.insert("doc".to_owned(), text(json));
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

/// One of many: what cannot be read is left out, for the others are as good as before, and somebody has to look.
pub(super) fn one_of_many<T>(read: Result<T, TableError>) -> Option<T> {
    read.map_err(|error| tracing::error!(event = "item_unreadable", alarm = "table_item", %error, "an item is left out of a list")).ok()
}

impl Table {
    pub(super) async fn raw_get(
        &self,
        partition: &str,
        sort: &str,
        consistency: Consistency,
    ) -> Result<Option<Item>, TableError> {
        let call = self.client.get_item().table_name(&self.name).set_key(Some(key(partition, sort)));
        let call = call.consistent_read(consistency == Consistency::Strong);
        Ok(call.send().await.map_err(|error| classify("GetItem", error))?.item)
    }

    /// Puts an item where none stands; what stands there stays.
    pub(super) async fn put_new(&self, item: Item) -> Result<(), TableError> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(item));
        match call.condition_expression("attribute_not_exists(pk)").send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => {
                Ok(())
            }
            Err(error) => Err(classify("PutItem", error)),
        }
    }

    pub(super) async fn load<D: Document>(
        &self,
        partition: &str,
        sort: &str,
        consistency: Consistency,
    ) -> Result<Option<D>, TableError> {
        self.raw_get(partition, sort, consistency).await?.as_ref().map(from_item).transpose()
    }

    /// The items of these keys, each named once, in no order.
    pub(super) async fn raw_get_many(
        &self,
        keys: Vec<Item>,
        consistency: Consistency,
    ) -> Result<Vec<Item>, TableError> {
        const OPERATION: &str = "BatchGetItem";
        let mut found = Vec::new();
        for chunk in keys.chunks(BATCH_KEYS) {
            let mut keys = chunk.to_vec();
            let mut tries = 0;
            loop {
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(keys))
                    .consistent_read(consistency == Consistency::Strong)
                    .build()
                    .map_err(not_built(OPERATION))?;
                let call = self.client.batch_get_item().request_items(&self.name, wanted);
                let answer = call.send().await.map_err(|error| classify(OPERATION, error))?;
                found.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
                // DynamoDB leaves keys for the next call when it is busy, or the answer would be too long.
                let left = answer.unprocessed_keys.and_then(|mut left| left.remove(&self.name));
                let Some(left) = left.map(|left| left.keys).filter(|left| !left.is_empty()) else { break };
                tries += 1;
                if tries > BATCH_TRIES {
                    let source = "keys were left unprocessed each time".into();
                    return Err(TableError::Unavailable { operation: OPERATION, source });
                }
                keys = left;
                back_off(tries).await;
            }
        }
        Ok(found)
    }
}
