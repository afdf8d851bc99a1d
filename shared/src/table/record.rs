//! The record of what was done, a partition for each app and day in Beijing. It is only ever added to.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};

use super::item::{Item, json, key, not_built, one_of_many, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::deed::Deed;
use crate::domain::deed_filter::DeedFilter;
use crate::domain::ids::{AppId, UrlSecret};

/// How many deeds one page with a filter passes over before whoever asks has to go on: some ten megabytes.
const MOST_LOOKED_AT: usize = 30_000;

/// How many hours of a day are read at once: few pages are in memory then, and it takes an eighth of the time.
const HOURS_AT_ONCE: usize = 8;

const HOUR: Duration = Duration::from_secs(3600);

/// A place in the record of a day: time, submission, version; or, of what made no version of a submission, something at random.
fn place_of(deed: &Deed) -> String {
    match (&deed.submission, deed.version) {
        (Some(id), Some(version)) => format!("{}#{id}#{version}", keys::moment(deed.at)),
        _ => format!("{}#{}", keys::moment(deed.at), UrlSecret::random().as_str()),
    }
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
        let expires = deed.at.plus(self.retention.record).unix_seconds().to_string();
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

    /// Records what was no person's deed, once however often it is delivered: its place is made of the submission's version.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn record_turn(&self, app: &AppId, deed: &Deed) -> Result<(), TableError> {
        self.put_new(self.item_of_deed(app, deed)?).await
    }

    /// What was done on a day in Beijing, such as `2026-11-29`, oldest first, behind `after`, as far as the filter lets it
    /// through; and the place behind which it goes on, if there are more than `limit`, or more was passed over than one page may.
    pub async fn deeds_of(
        &self,
        app: &AppId,
        day: &str,
        after: Option<&str>,
        (limit, filter): (usize, &DeedFilter),
    ) -> Result<(Vec<Deed>, Option<String>), TableError> {
        let (mut deeds, mut looked_at, mut last, mut from) = (Vec::new(), 0, None, None);
        loop {
            let call = self
                .client
                .query()
                .table_name(&self.name)
                .key_condition_expression("pk = :day AND sk > :after")
                .expression_attribute_values(":day", text(keys::record(app, day)))
                .expression_attribute_values(":after", text(after.unwrap_or("0")))
                .set_exclusive_start_key(from);
            // Without a filter all that is read is wanted, and one more tells whether there is more.
            let call = if *filter == DeedFilter::default() {
                call.limit(i32::try_from(limit + 1 - deeds.len()).unwrap_or(i32::MAX))
            } else {
                call
            };
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            for (place, deed) in answer.items.unwrap_or_default().iter().filter_map(|item| one_of_many(deed_in(item))) {
                looked_at += 1;
                if filter.matches(&deed) {
                    if deeds.len() == limit {
                        return Ok((deeds, last));
                    }
                    deeds.push(deed);
                }
                last = Some(place);
            }
            from = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if from.is_none() {
                return Ok((deeds, None));
            }
            if looked_at >= MOST_LOOKED_AT {
                return Ok((deeds, last));
            }
        }
    }

    /// Takes up each deed of a day in Beijing once, in no order. A busy day of 100,000 deeds is some 30 MB, which is 4,000 read
    /// units, a twentieth of a cent; an hour with nothing in it is half a unit. Each page of a Query is taken up as it comes, so no
    /// more than some pages of 1 MB are in memory.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn each_deed(
        &self,
        app: &AppId,
        day: &str,
        mut take_up: impl FnMut(&Deed) + Send,
    ) -> Result<(), TableError> {
        let Ok(midnight) = Timestamp::parse_rfc3339(&format!("{day}T00:00:00+08:00")) else { return Ok(()) };
        let hours = (0..24).map(|hour| {
            let from = midnight.plus(HOUR * hour);
            Box::pin(self.pages(keys::record(app, day), from, from.plus(HOUR)))
        });
        let mut pages = stream::iter(hours).flatten_unordered(HOURS_AT_ONCE);
        while let Some(page) = pages.try_next().await? {
            page.iter().for_each(&mut take_up);
        }
        Ok(())
    }

    /// The deeds of a day's partition from a moment on until before another, page by page.
    fn pages(
        &self,
        partition: String,
        from: Timestamp,
        until: Timestamp,
    ) -> impl Stream<Item = Result<Vec<Deed>, TableError>> {
        let query = self
            .client
            .query()
            .table_name(&self.name)
            // What is at the end itself has more behind the moment, and so comes after it.
            .key_condition_expression("pk = :day AND sk BETWEEN :from AND :until")
            .expression_attribute_values(":day", text(partition))
            .expression_attribute_values(":from", text(keys::moment(from)))
            .expression_attribute_values(":until", text(keys::moment(until)));
        stream::try_unfold(Some((query, None)), async |rest| {
            let Some((query, behind)) = rest else { return Ok(None) };
            let call = query.clone().set_exclusive_start_key(behind);
            let answer = call.send().await.map_err(|error| classify("Query", error))?;
            let items = answer.items.unwrap_or_default();
            let deeds = items.iter().filter_map(|item| one_of_many(deed_in(item))).map(|(_, deed)| deed).collect();
            let behind = answer.last_evaluated_key.filter(|key| !key.is_empty());
            Ok(Some((deeds, behind.map(|behind| (query, Some(behind))))))
        })
    }
}

/// Whether a text is a day as the record has them.
pub fn is_day(text: &str) -> bool {
    Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).is_ok() && text.len() == 10
}
