//! The record of what people did, a partition for each app and day in Beijing. It is only ever added to.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

use super::item::{Item, json, key, not_built, one_of_many, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::deed::Deed;
use crate::domain::ids::{AppId, UrlSecret};

/// How long a deed stands in the record.
const KEPT_FOR: Duration = Duration::from_secs(400 * 24 * 3600);

/// A place in the record of a day: time, submission, version; or, where there is no submission, something at random.
fn place_of(deed: &Deed) -> String {
    let what = deed.submission.as_ref().map_or_else(|| UrlSecret::random().as_str().to_owned(), ToString::to_string);
    format!("{}#{what}#{}", keys::moment(deed.at), deed.version.unwrap_or(0))
}

fn deed_in(item: &Item) -> Result<(String, Deed), TableError> {
    let corrupt = || TableError::Corrupt { key: text_of(item, "pk").unwrap_or_default(), reason: "`doc`".to_owned() };
    let deed = text_of(item, "doc").and_then(|doc| serde_json::from_str(&doc).ok()).ok_or_else(corrupt)?;
    Ok((text_of(item, "sk").unwrap_or_default(), deed))
}

impl Table {
    fn item_of_deed(&self, app: &AppId, deed: &Deed) -> Result<Item, TableError> {
        let partition = keys::record(app, &deed.at.beijing_day());
        let doc = json(deed, &partition)?;
        let mut item = key(partition, &place_of(deed));
        item.insert("doc".to_owned(), text(doc));
        let expires = deed.at.plus(KEPT_FOR).unix_seconds().to_string();
        item.insert("expires_at".to_owned(), AttributeValue::N(expires));
        Ok(item)
    }

    /// The write that records a deed, to be made together with it.
    pub(super) fn put_of_deed(&self, app: &AppId, deed: &Deed) -> Result<TransactWriteItem, TableError> {
        let put = Put::builder().table_name(&self.name).set_item(Some(self.item_of_deed(app, deed)?)).build();
        Ok(TransactWriteItem::builder().put(put.map_err(not_built("TransactWriteItems"))?).build())
    }

    /// Records a deed that is no change of a submission or an author.
    pub(crate) async fn record_deed(&self, app: &AppId, deed: &Deed) -> Result<(), TableError> {
        let call = self.client.put_item().table_name(&self.name).set_item(Some(self.item_of_deed(app, deed)?));
        call.send().await.map(drop).map_err(|error| classify("PutItem", error))
    }

    /// What people did on a day in Beijing, such as `2026-11-29`, oldest first, behind `after`; and the place behind which it goes
    /// on, if there are more than `limit`.
    pub async fn deeds_of(
        &self,
        app: &AppId,
        day: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Deed>, Option<String>), TableError> {
        let (mut deeds, mut last, mut from) = (Vec::new(), None, None);
        loop {
            let left = limit.saturating_sub(deeds.len());
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :day AND sk > :after")
                .expression_attribute_values(":day", text(keys::record(app, day)))
                .expression_attribute_values(":after", text(after.unwrap_or("0")))
                .limit(i32::try_from(left).unwrap_or(i32::MAX))
                .set_exclusive_start_key(from);
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            for (place, deed) in answer.items.unwrap_or_default().iter().filter_map(|item| one_of_many(deed_in(item))) {
                last = Some(place);
                deeds.push(deed);
            }
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok((deeds, None));
            }
            if deeds.len() >= limit {
                return Ok((deeds, last));
            }
        }
    }
}

/// Whether a text is a day as the record has them.
pub fn is_day(text: &str) -> bool {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).is_ok() && text.len() == 10
}
