//! Content that a person has rejected, so that it does not become public by coming once more.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Update};

use super::item::{Item, key, not_built, text, text_of};
use super::looks::KeptLook;
use super::{Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::ids::{AppId, SubmissionId};
use crate::domain::picture_hash::PictureHash;
use crate::domain::sha256::Sha256;

/// The sort key.
const REJECTED: &str = "B";

/// The keys under which it stands that these contents were rejected.
pub(super) fn keys_of(app: &AppId, contents: &[Sha256]) -> Vec<Item> {
    let mut distinct = contents.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.into_iter().map(|sha256| key(keys::rejected(app, sha256), REJECTED)).collect()
}

/// What was rejected, by the submission with which it first was; nothing where that is too long ago.
pub(super) fn rejected_in(item: &Item, now: Timestamp) -> Option<(Sha256, SubmissionId)> {
    let expires: i64 = item.get("expires_at")?.as_n().ok()?.parse().ok()?;
    let sha256 = Sha256::parse(text_of(item, "pk")?.rsplit_once('#')?.1).ok()?;
    let of = SubmissionId::parse(&text_of(item, "submission")?).ok()?;
    (expires > now.unix_seconds()).then_some((sha256, of))
}

/// What people have rejected that is the same as what is submitted, or looks like it.
#[derive(Debug, Default)]
pub struct Rejected {
    /// The same contents, by the submission with which each first was.
    pub(super) same: HashMap<Sha256, SubmissionId>,
    /// Looks that share a band with one of what is submitted.
    pub(super) looks: Vec<KeptLook>,
}

/// A person has rejected something before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// The submission with which it was.
    pub of: SubmissionId,
    /// It was a picture that looks like this one, and not the same.
    pub alike: bool,
}

impl Rejected {
    /// What was rejected before of a part that is known by this and looks like that. The same counts first, then what looks
    /// most like it, then the oldest.
    pub fn before(&self, content: Sha256, look: Option<PictureHash>) -> Option<Before> {
        if let Some(of) = self.same.get(&content) {
            return Some(Before { of: of.clone(), alike: false });
        }
        let look = look?;
        let alike = self.looks.iter().filter(|kept| look.is_like(kept.look));
        let nearest = alike.min_by_key(|kept| (look.distance(kept.look), kept.expires, &kept.of))?;
        Some(Before { of: nearest.of.clone(), alike: true })
    }
}

impl Table {
    /// The write that keeps it that a person has rejected a content.
    pub(super) fn keep_rejected(
        &self,
        app: &AppId,
        content: Sha256,
        of: &SubmissionId,
        now: Timestamp,
    ) -> Result<Update, TableError> {
        let expires = AttributeValue::N(now.plus(self.retention.rejected).unix_seconds().to_string());
        Update::builder()
            .table_name(&self.name)
            .set_key(Some(key(keys::rejected(app, content), REJECTED)))
            .update_expression("SET submission = if_not_exists(submission, :of), expires_at = :expires")
            .expression_attribute_values(":of", text(of.as_str()))
            .expression_attribute_values(":expires", expires)
            .build()
            .map_err(not_built("TransactWriteItems"))
    }

    /// Forgets that a person has rejected a content; with a submission, only if it was that one that was rejected first.
    pub(crate) async fn forget_rejected(
        &self,
        app: &AppId,
        content: Sha256,
        of: Option<&SubmissionId>,
    ) -> Result<(), TableError> {
        let call = self.client.delete_item().table_name(&self.name);
        let call = call.set_key(Some(key(keys::rejected(app, content), REJECTED)));
        let call = match of {
            Some(of) => {
                call.condition_expression("submission = :of").expression_attribute_values(":of", text(of.as_str()))
            }
            None => call,
        };
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) =>
            {
                Ok(())
            }
            Err(error) => Err(classify("DeleteItem", error)),
        }
    }
}
