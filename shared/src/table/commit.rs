//! Writes: one conditional write a change, of the item alone or together with what must change in the same transaction.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use futures_util::future::try_join_all;

use super::decisions::DecisionRecord;
use super::item::{Document, Item, from_item, json, key, not_built, number, text, text_of, to_item};
use super::submissions::mark_turn;
use super::{Consistency, Judged, Table, TableError, back_off, classify, keys};
use crate::domain::deed::Deed;
use crate::domain::ids::{AppId, SubmissionId, TraceId};
use crate::domain::picture_hash::{Band, PictureHash};
use crate::domain::sha256::Sha256;
use crate::domain::submission::Submission;
use crate::error::Cause;
use crate::metrics::record_change;

/// How often a change begins again because somebody else wrote first. An author's phone sends ten requests at once at
/// most, and each round one of the writers gets through.
const ROUNDS: usize = 30;
/// How often a write is made once more that met a transaction under way.
const TRIES: u32 = 5;

/// What changes together with a submission, or not at all.
#[derive(Clone, Copy, Debug)]
pub enum Beside<'a> {
    /// The record of the decision, which a person made, is kept beside the submission for good.
    DecisionRecord,
    /// The risky verdict of a trace is applied: it need not be looked for any more.
    RiskyApplied(&'a AppId, &'a TraceId),
    /// What a person did stands in the record.
    Recorded(&'a Deed),
    /// Its case is put where it belongs, for older releases put the submission itself into the queue.
    CasePlaced,
    /// A person has rejected this content of the submission.
    ContentRejected(Sha256),
    /// A person has rejected these looks of the submission's pictures, which share this band.
    LooksRejected(Band, &'a [PictureHash]),
    /// What WeChat said about these bytes of the submission is overruled: nobody takes it over any more.
    VerdictOverruled(Sha256),
}

/// What a conditional write came to.
#[derive(Debug)]
pub enum Saved<D> {
    /// Written (or it had been written, and the answer was lost).
    Done,
    /// Somebody else wrote first; this is what stands there now.
    Conflict(Box<D>),
}

/// Why a write did not go through.
enum NotWritten {
    /// Its condition did not hold; what stands there instead, where DynamoDB tells.
    Condition(Option<Item>),
    /// A condition of what changes with it did not hold.
    Beside,
    /// Another transaction held the item, or DynamoDB was busy with one part of ours.
    Busy(TableError),
    Failed(TableError),
}

/// A random number that marks one write as ours.
fn write_id() -> String {
    let mut bytes = [0_u8; 9];
    #[expect(clippy::expect_used, reason = "no randomness, no service")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    data_encoding::BASE64URL_NOPAD.encode(&bytes)
}

fn put_failed(error: SdkError<PutItemError>) -> NotWritten {
    match error.as_service_error() {
        Some(PutItemError::ConditionalCheckFailedException(failed)) => NotWritten::Condition(failed.item.clone()),
        Some(PutItemError::TransactionConflictException(_)) => NotWritten::Busy(classify("PutItem", error)),
        _ => NotWritten::Failed(classify("PutItem", error)),
    }
}

/// A cancelled transaction says for each of its parts why. The first part is the item itself; of the others, those of its
/// chain have conditions too.
fn transaction_failed(error: SdkError<TransactWriteItemsError>) -> NotWritten {
    const OPERATION: &str = "TransactWriteItems";
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return NotWritten::Failed(classify(OPERATION, error));
    };
    let reasons = cancelled.cancellation_reasons();
    let is = |reason: &CancellationReason, codes: &[&str]| reason.code().is_some_and(|code| codes.contains(&code));
    const CONDITION: &[&str] = &["ConditionalCheckFailed"];
    if let Some(refused) = reasons.first().filter(|reason| is(reason, CONDITION)) {
        return NotWritten::Condition(refused.item.clone());
    }
    if reasons.iter().any(|reason| is(reason, CONDITION)) {
        return NotWritten::Beside;
    }
    let busy = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    let codes = reasons.iter().filter_map(CancellationReason::code).collect::<Vec<_>>().join(", ");
    let source = Cause::from(format!("the transaction was cancelled: {codes}"));
    if reasons.iter().any(|reason| is(reason, &busy)) {
        NotWritten::Busy(TableError::Unavailable { operation: OPERATION, source })
    } else {
        NotWritten::Failed(TableError::Refused { operation: OPERATION, source })
    }
}

impl Table {
    /// Writes a change of a submission, with all that must change at the same moment, if nobody wrote since it was read;
    /// raises its version.
    ///
    /// `before` is what stood there, if anything did: the metrics tell the difference.
    pub async fn commit(
        &self,
        before: Option<&Submission>,
        submission: &mut Submission,
        beside: &[Beside<'_>],
    ) -> Result<Saved<Submission>, TableError> {
        let mut beside =
            beside.iter().map(|beside| self.item_beside(before, submission, *beside)).collect::<Result<Vec<_>, _>>()?;
        if submission.moves_chain(before) {
            // On the heap, for it is large, and what is no edit needs none of it.
            return Box::pin(self.commit_in_chain(before, submission, &beside)).await;
        }
        if submission.is_told(before) {
            beside.push(self.telling_of(submission)?);
        }
        beside.extend(self.case_moved(before, submission)?);
        beside.extend(self.sealed(before, submission)?);
        let saved = self.write_marked(submission, &beside, |item, after| mark_turn(item, before, after)).await?;
        if matches!(saved, Saved::Done) {
            record_change(before, submission);
        }
        Ok(saved)
    }

    /// The same where others of its chain of edits change with it: all of them in one transaction, or none.
    async fn commit_in_chain(
        &self,
        before: Option<&Submission>,
        submission: &mut Submission,
        beside: &[TransactWriteItem],
    ) -> Result<Saved<Submission>, TableError> {
        for _ in 0..ROUNDS {
            let standing = self.others_of_chain(submission).await?;
            let (mut changed, mut others) = (submission.clone(), standing.clone());
            changed.move_chain(before, &mut others);
            let mut seals: Vec<_> = self.sealed(before, &mut changed)?.into_iter().collect();
            for (standing, other) in standing.iter().zip(&mut others) {
                seals.extend(self.sealed(Some(standing), other)?);
            }
            let moved: Vec<_> = standing.iter().zip(&others).filter(|(standing, other)| standing != other).collect();
            let mut puts = moved
                .iter()
                .map(|(standing, other)| self.put_of_chain(standing, other))
                .collect::<Result<Vec<_>, _>>()?;
            let all = moved.iter().map(|(standing, other)| (Some(*standing), *other)).chain([(before, &changed)]);
            for (before, after) in all {
                if after.is_told(before) {
                    puts.push(self.telling_of(after)?);
                }
                puts.extend(self.case_moved(before, after)?);
            }
            let all = [puts.as_slice(), beside, &seals].concat();
            match self.write_marked(&mut changed, &all, |item, after| mark_turn(item, before, after)).await {
                Ok(Saved::Done) => {
                    record_change(before, &changed);
                    moved.iter().for_each(|(standing, other)| record_change(Some(standing), other));
                    *submission = changed;
                    return Ok(Saved::Done);
                }
                // One of the others was written meanwhile.
                Err(TableError::Contended { .. }) => {}
                conflict_or_error => return conflict_or_error,
            }
        }
        Err(TableError::Contended { key: submission.key().0 })
    }

    /// Seals what a change erases, where that has to be kept; the write that keeps it.
    fn sealed(
        &self,
        before: Option<&Submission>,
        after: &mut Submission,
    ) -> Result<Option<TransactWriteItem>, TableError> {
        let is_sealed = after.seal(before, self.retention.sealed);
        let kept = before.zip(after.sealed_until()).filter(|_| is_sealed);
        kept.map(|(before, until)| self.put_under_seal(before, until)).transpose()
    }

    /// The root of a submission's chain, its members, and what the submission replaces if it is new; not the submission itself.
    async fn others_of_chain(&self, submission: &Submission) -> Result<Vec<Submission>, TableError> {
        let read = async |id: SubmissionId| {
            let missing = || TableError::Corrupt { key: keys::submission(&id), reason: "it is missing".to_owned() };
            self.submission(&id, Consistency::Strong).await?.ok_or_else(missing)
        };
        let mut others = Vec::new();
        if submission.root() != &submission.id {
            others.push(read(submission.root().clone()).await?);
        }
        let mut members: BTreeSet<_> = others.first().unwrap_or(submission).members().into_iter().collect();
        members.extend(submission.replaces.as_ref().filter(|_| submission.version == 0).map(|own| own.id.clone()));
        members.remove(&submission.id);
        members.remove(submission.root());
        others.extend(try_join_all(members.into_iter().map(read)).await?);
        Ok(others)
    }

    fn put_of_chain(&self, standing: &Submission, other: &Submission) -> Result<TransactWriteItem, TableError> {
        let mut item = to_item(other, other.version + 1, &write_id())?;
        mark_turn(&mut item, Some(standing), other);
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", number(other.version));
        let put = put.build().map_err(not_built("TransactWriteItems"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Steps a submission, commits it, and begins again with what stands if somebody else wrote first. `step` says whether
    /// there is anything to write. Says whether it was written.
    pub(crate) async fn change_submission(
        &self,
        mut submission: Submission,
        beside: &[Beside<'_>],
        mut step: impl FnMut(&mut Submission) -> bool + Send,
    ) -> Result<(Submission, bool), TableError> {
        for _ in 0..ROUNDS {
            let mut next = submission.clone();
            if !step(&mut next) {
                return Ok((submission, false));
            }
            match self.commit(Some(&submission), &mut next, beside).await? {
                Saved::Done => return Ok((next, true)),
                Saved::Conflict(standing) => submission = *standing,
            }
        }
        Err(TableError::Contended { key: submission.key().0 })
    }

    /// The same for a document that stands alone. `step` says what it came to, whether there is nothing to write, or why
    /// not.
    pub(crate) async fn change<D, T, E>(
        &self,
        document: D,
        step: impl FnMut(&mut D) -> Result<Option<T>, E> + Send,
    ) -> Result<(D, Option<T>), E>
    where
        D: Document,
        E: From<TableError>,
        T: Send,
    {
        self.change_recorded(document, None, step).await
    }

    /// The same for what a person did, which stands in the record of the app from then on.
    pub(crate) async fn change_recorded<D, T, E>(
        &self,
        mut document: D,
        deed: Option<(&AppId, &Deed)>,
        mut step: impl FnMut(&mut D) -> Result<Option<T>, E> + Send,
    ) -> Result<(D, Option<T>), E>
    where
        D: Document,
        E: From<TableError>,
        T: Send,
    {
        let beside = deed.map(|(app, deed)| self.put_of_deed(app, deed)).transpose()?;
        let beside = beside.as_slice();
        for _ in 0..ROUNDS {
            let mut next = document.clone();
            let Some(outcome) = step(&mut next)? else { return Ok((document, None)) };
            match self.write(&mut next, beside).await? {
                Saved::Done => return Ok((next, Some(outcome))),
                Saved::Conflict(standing) => document = *standing,
            }
        }
        Err(TableError::Contended { key: document.key().0 }.into())
    }

    fn item_beside(
        &self,
        before: Option<&Submission>,
        submission: &Submission,
        beside: Beside<'_>,
    ) -> Result<TransactWriteItem, TableError> {
        let refused = not_built("TransactWriteItems");
        match beside {
            Beside::DecisionRecord => {
                let record = DecisionRecord::of(before, submission);
                let partition = keys::submission(&submission.id);
                let json = json(&record, &partition)?;
                let mut item = key(partition, &DecisionRecord::sort_key(submission.version + 1));
                item.insert("doc".to_owned(), text(json));
                let put = Put::builder().table_name(&self.name).set_item(Some(item)).build().map_err(refused)?;
                Ok(TransactWriteItem::builder().put(put).build())
            }
            Beside::Recorded(deed) => self.put_of_deed(&submission.app, deed),
            Beside::CasePlaced => self.case_of(submission),
            Beside::ContentRejected(content) => {
                let update = self.keep_rejected(&submission.app, content, &submission.id, submission.since)?;
                Ok(TransactWriteItem::builder().update(update).build())
            }
            Beside::LooksRejected(band, looks) => {
                let update = self.keep_looks(&submission.app, (band, looks), &submission.id, submission.since)?;
                Ok(TransactWriteItem::builder().update(update).build())
            }
            Beside::RiskyApplied(app, trace_id) => {
                let update = Update::builder()
                    .table_name(&self.name)
                    .set_key(Some(key(keys::trace(app, trace_id), "T")))
                    .update_expression("REMOVE queue_pk, queue_sk")
                    .build()
                    .map_err(refused)?;
                Ok(TransactWriteItem::builder().update(update).build())
            }
            Beside::VerdictOverruled(sha256) => {
                let judged = Judged { app: &submission.app, scene: submission.scene, sha256 };
                let update = self.overrule_verdict(judged, submission.since)?;
                Ok(TransactWriteItem::builder().update(update).build())
            }
        }
    }

    /// Writes `document` and `beside` if nobody wrote the document since it was read, and raises its version. Where the
    /// table does not answer it may or may not have been written.
    async fn write<D: Document>(&self, document: &mut D, beside: &[TransactWriteItem]) -> Result<Saved<D>, TableError> {
        self.write_marked(document, beside, |_, _| {}).await
    }

    /// The same, with what `mark` adds to the item.
    async fn write_marked<D: Document>(
        &self,
        document: &mut D,
        beside: &[TransactWriteItem],
        mark: impl FnOnce(&mut Item, &D),
    ) -> Result<Saved<D>, TableError> {
        let (version, write_id) = (document.version() + 1, write_id());
        let mut item = to_item(document, version, &write_id)?;
        mark(&mut item, document);
        let mut tries = 0;
        loop {
            let written = if beside.is_empty() {
                self.put(item.clone(), document.version()).await
            } else {
                self.transact(item.clone(), document.version(), beside).await
            };
            match written {
                Ok(()) => break,
                Err(NotWritten::Condition(standing)) => {
                    match self.own_or_conflict(document, standing, &write_id).await? {
                        Some(conflict) => return Ok(Saved::Conflict(Box::new(conflict))),
                        None => break,
                    }
                }
                Err(NotWritten::Beside) => return Err(TableError::Contended { key: document.key().0 }),
                Err(NotWritten::Busy(error)) => {
                    tries += 1;
                    if tries == TRIES {
                        return Err(error);
                    }
                    back_off(tries).await;
                }
                Err(NotWritten::Failed(error)) => return Err(error),
            }
        }
        document.set_version(version);
        Ok(Saved::Done)
    }

    async fn put(&self, item: Item, read: u64) -> Result<(), NotWritten> {
        let call = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = match read {
            0 => call.condition_expression("attribute_not_exists(pk)"),
            read => call.condition_expression("version = :read").expression_attribute_values(":read", number(read)),
        };
        call.send().await.map(drop).map_err(put_failed)
    }

    async fn transact(&self, item: Item, read: u64, beside: &[TransactWriteItem]) -> Result<(), NotWritten> {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let put = match read {
            0 => put.condition_expression("attribute_not_exists(pk)"),
            read => put.condition_expression("version = :read").expression_attribute_values(":read", number(read)),
        };
        let put = put.build().map_err(|error| NotWritten::Failed(not_built("TransactWriteItems")(error)))?;
        let call = self.client.transact_write_items();
        let call = call.transact_items(TransactWriteItem::builder().put(put).build());
        let call = beside.iter().fold(call, |call, item| call.transact_items(item.clone()));
        call.send().await.map(drop).map_err(transaction_failed)
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
}
