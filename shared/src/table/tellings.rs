//! Tellings: decisions that the owner's backend has not been told of yet. Each is written with its decision, in one
//! transaction, and stands in the due queue until it is delivered.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::item::{Item, key, not_built, number, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, SubmissionId};
use crate::domain::submission::Submission;

/// How many of those that were given up are put into the due queue at once.
const AT_ONCE: usize = 16;
/// How long the due queue leaves a new one alone: the table's stream brings it to be told at once, and the sweep finds what the
/// stream has lost.
const STREAM_HAS: Duration = Duration::from_secs(60);
/// How long one stays in the list of those that were given up.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// A decision that is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// Whose it is.
    pub app: AppId,
    /// The submission.
    pub submission: SubmissionId,
    /// The version of the submission in which it was decided.
    pub version: u64,
    /// What is told, as JSON.
    pub body: String,
    /// When it was decided.
    pub since: Timestamp,
    /// When the due queue brings it up; none once it was given up.
    pub due: Option<Timestamp>,
    /// How often it was tried.
    pub tries: u32,
}

/// How the sort keys of tellings begin.
const LETTER: &str = "O#";

fn sort_key(version: u64) -> String {
    format!("{LETTER}{version:09}")
}

fn number_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn telling_in(item: &Item) -> Option<Telling> {
    let due =
        text_of(item, "queue_sk").filter(|_| text_of(item, "queue_pk").is_some_and(|queue| queue.starts_with("due#")));
    let due = due.and_then(|place| place.split('#').next()?.parse().ok().map(Timestamp));
    Some(Telling {
        app: AppId::parse(&text_of(item, "app")?).ok()?,
        submission: keys::submission_of(&text_of(item, "pk")?)?,
        version: text_of(item, "sk")?.strip_prefix(LETTER)?.parse().ok()?,
        body: text_of(item, "body")?,
        since: Timestamp(number_of(item, "since")?),
        due,
        tries: number_of(item, "tries").and_then(|tries| u32::try_from(tries).ok())?,
    })
}

impl Telling {
    /// Whether an item with this sort key is one.
    pub fn is_at(sort_key: &str) -> bool {
        sort_key.starts_with(LETTER)
    }

    /// What is told, in two words: `submission.approved` …
    pub fn kind(&self) -> String {
        let body: Option<serde_json::Value> = serde_json::from_str(&self.body).ok();
        body.and_then(|body| body.get("type")?.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

impl Table {
    /// The item that a decision is told from, to be written together with it.
    pub(super) fn telling_of(&self, decided: &Submission) -> Result<TransactWriteItem, TableError> {
        let version = decided.version + 1;
        let mut item = key(keys::submission(&decided.id), &sort_key(version));
        let due = keys::due_at(decided.since.plus(STREAM_HAS), &decided.app, keys::TELLING);
        item.extend([
            ("app".to_owned(), text(decided.app.as_str())),
            ("body".to_owned(), text(decided.telling(version).to_string())),
            ("since".to_owned(), number(u64::try_from(decided.since.0).unwrap_or(0))),
            ("tries".to_owned(), number(0)),
            ("queue_pk".to_owned(), text(keys::due(decided.id.spread()))),
            ("queue_sk".to_owned(), text(due)),
        ]);
        let put = Put::builder().table_name(&self.name).set_item(Some(item)).build();
        Ok(TransactWriteItem::builder().put(put.map_err(not_built("TransactWriteItems"))?).build())
    }

    /// What is to be told of a submission, oldest first.
    pub async fn tellings(&self, submission: &SubmissionId) -> Result<Vec<Telling>, TableError> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :submission AND begins_with(sk, :telling)")
            .expression_attribute_values(":submission", text(keys::submission(submission)))
            .expression_attribute_values(":telling", text(LETTER))
            .consistent_read(true);
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        Ok(answer.items.unwrap_or_default().iter().filter_map(telling_in).collect())
    }

    /// It was told: nothing of it is left to do.
    pub(crate) async fn told(&self, telling: &Telling) -> Result<(), TableError> {
        let own = key(keys::submission(&telling.submission), &sort_key(telling.version));
        let call = self.client.delete_item().table_name(&self.name).set_key(Some(own));
        call.send().await.map(drop).map_err(|error| classify("DeleteItem", error))
    }

    /// It was not told: it is due again then, or, without a time, given up and kept in the app's list of those.
    pub(crate) async fn not_told(
        &self,
        telling: &Telling,
        due: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let own = key(keys::submission(&telling.submission), &sort_key(telling.version));
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(own))
            // Somebody else may have told it meanwhile.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":tries", number(u64::from(telling.tries) + 1));
        let call = match due {
            Some(due) => call
                .update_expression("SET tries = :tries, queue_pk = :queue, queue_sk = :place REMOVE expires_at")
                .expression_attribute_values(":queue", text(keys::due(telling.submission.spread())))
                .expression_attribute_values(":place", text(keys::due_at(due, &telling.app, keys::TELLING))),
            None => {
                let expires = u64::try_from(now.plus(KEPT_FOR).unix_seconds()).unwrap_or(u64::MAX);
                call.update_expression(
                    "SET tries = :tries, expires_at = :expires, queue_pk = :queue, queue_sk = :place",
                )
                .expression_attribute_values(":expires", number(expires))
                .expression_attribute_values(":queue", text(keys::untold(&telling.app)))
                .expression_attribute_values(":place", text(keys::moment_of(telling.since, &telling.submission)))
            }
        };
        unless_it_is_gone(call.send().await).map(drop)
    }

    /// Puts into the due queue again what was given up in an app, oldest first and so many at most; how many.
    pub(crate) async fn tell_again(&self, app: &AppId, now: Timestamp, limit: i32) -> Result<usize, TableError> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name("queue")
            .key_condition_expression("queue_pk = :untold")
            .expression_attribute_values(":untold", text(keys::untold(app)))
            .limit(limit);
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        let again = answer.items.unwrap_or_default().into_iter().map(|item| async move {
            let parts = text_of(&item, "pk").zip(text_of(&item, "sk"));
            let Some((partition, sort)) = parts else { return Ok(false) };
            let Some(id) = keys::submission_of(&partition) else { return Ok(false) };
            let call = self
                .client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(key(partition, &sort)))
                .condition_expression("attribute_exists(pk) AND queue_pk = :untold")
                .update_expression("SET queue_pk = :queue, queue_sk = :place REMOVE expires_at")
                .expression_attribute_values(":untold", text(keys::untold(app)))
                .expression_attribute_values(":queue", text(keys::due(id.spread())))
                .expression_attribute_values(":place", text(keys::due_at(now, app, keys::TELLING)));
            unless_it_is_gone(call.send().await)
        });
        let again: Vec<bool> = stream::iter(again).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(again.into_iter().filter(|again| *again).count())
    }
}

/// Whether it was written; it was not where its condition did not hold, for somebody else has seen to it.
fn unless_it_is_gone<T>(answer: Result<T, SdkError<UpdateItemError>>) -> Result<bool, TableError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
            Ok(false)
        }
        Err(error) => Err(classify("UpdateItem", error)),
    }
}
