//! What is kept of a submission besides itself for those who have to prove something: from where it came, and, under seal, what
//! was erased of it.

use std::net::IpAddr;

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};

use super::cases::met;
use super::item::{Item, from_item, key, not_built, text, text_of, to_item};
use super::{Consistency, Table, TableError, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::SubmissionId;
use crate::domain::submission::Submission;

/// The sort key of where it came from.
const EVIDENCE: &str = "E";
/// When it ends without a hold, in seconds: by the period that the owner had chosen as it was written.
const OWN_END: &str = "ends";
/// The sort key of what is under seal.
const SEAL: &str = "Z";
/// What a sealed item has of its submission's: nothing by which an index or the stream would find it.
const SEALED: [&str; 4] = ["pk", "author_pk", "version", "doc"];

/// From where and when something was submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The address.
    pub client_ip: IpAddr,
    /// When.
    pub at: Timestamp,
}

fn seconds(at: Timestamp) -> AttributeValue {
    AttributeValue::N(at.unix_seconds().to_string())
}

fn number_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// An item whose time is not over. DynamoDB takes some days to delete what has expired.
fn in_time(item: Option<Item>, now: Timestamp) -> Option<Item> {
    item.filter(|item| number_of(item, "expires_at").is_some_and(|expires| expires > now.unix_seconds()))
}

impl Table {
    /// Keeps from where something is submitted, for as long as the owner wishes; what stands there already stays.
    pub(crate) async fn keep_evidence(&self, id: &SubmissionId, evidence: Evidence) -> Result<(), TableError> {
        if self.retention.evidence.is_zero() {
            return Ok(());
        }
        let mut item = key(keys::submission(id), EVIDENCE);
        item.insert("client_ip".to_owned(), text(evidence.client_ip.to_string()));
        item.insert("at".to_owned(), AttributeValue::N(evidence.at.0.to_string()));
        let end = seconds(evidence.at.plus(self.retention.evidence));
        item.insert(OWN_END.to_owned(), end.clone());
        item.insert("expires_at".to_owned(), end);
        self.put_new(item).await
    }

    /// From where a submission came, if that is kept still.
    pub async fn evidence(&self, id: &SubmissionId, now: Timestamp) -> Result<Option<Evidence>, TableError> {
        let item = in_time(self.raw_get(&keys::submission(id), EVIDENCE, Consistency::Strong).await?, now);
        Ok(item.and_then(|item| {
            let client_ip = text_of(&item, "client_ip")?.parse().ok()?;
            Some(Evidence { client_ip, at: Timestamp(number_of(&item, "at")?) })
        }))
    }

    /// The write that puts what stood there under seal.
    pub(super) fn put_under_seal(
        &self,
        before: &Submission,
        until: Timestamp,
    ) -> Result<TransactWriteItem, TableError> {
        let mut item = to_item(before, before.version, "")?;
        item.retain(|name, _| SEALED.contains(&name.as_str()));
        item.insert("sk".to_owned(), text(SEAL));
        item.insert("expires_at".to_owned(), seconds(until));
        let put = Put::builder().table_name(&self.name).set_item(Some(item)).build();
        Ok(TransactWriteItem::builder().put(put.map_err(not_built("TransactWriteItems"))?).build())
    }

    /// What is under seal of a submission, as it stood before it was erased.
    pub(crate) async fn under_seal(&self, id: &SubmissionId, now: Timestamp) -> Result<Option<Submission>, TableError> {
        let item = in_time(self.raw_get(&keys::submission(id), SEAL, Consistency::Strong).await?, now);
        item.as_ref().map(from_item).transpose()
    }

    /// Lets what is kept beside a submission end as its hold says: what is under seal, and from where it came. Neither ends sooner
    /// than without the hold, and what has ended does not begin anew.
    pub(crate) async fn keep_beside(&self, submission: &Submission, now: Timestamp) -> Result<(), TableError> {
        let partition = keys::submission(&submission.id);
        let held = submission.hold.as_ref().map(|hold| hold.until.unix_seconds());
        let evidence = in_time(self.raw_get(&partition, EVIDENCE, Consistency::Strong).await?, now);
        let own_end = evidence.and_then(|item| number_of(&item, OWN_END));
        let sealed = submission.sealed_until().map(Timestamp::unix_seconds);
        for (sort, end) in [(EVIDENCE, own_end.map(|own| held.map_or(own, |held| held.max(own)))), (SEAL, sealed)] {
            let Some(end) = end else { continue };
            let call = self
                .client
                .update_item()
                .table_name(&self.name)
                .set_key(Some(key(partition.as_str(), sort)))
                .update_expression("SET expires_at = :end")
                .condition_expression("attribute_exists(pk) AND expires_at > :now")
                .expression_attribute_values(":end", AttributeValue::N(end.to_string()))
                .expression_attribute_values(":now", seconds(now));
            met(call.send().await)?;
        }
        Ok(())
    }
}
