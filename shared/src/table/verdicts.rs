//! Verdicts on media, kept for a day: what WeChat has said about bytes in a scene holds for the same bytes there.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, Update};

use super::item::{Item, json, key, not_built, number, text, text_of};
use super::{Consistency, Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::finding::Finding;
use crate::domain::ids::{AppId, SubmissionId, TraceId};
use crate::domain::outcome::{Outcome, Said};
use crate::domain::sha256::Sha256;
use crate::domain::submission::{Event, PartName, Scene};
use crate::domain::verdict::{Label, Suggest, Verdict};

/// How long a verdict is kept, and how long none is kept after a moderator overruled it. WeChat refuses what is submitted
/// too often (87020) and names no figure; within a day the same picture is posted again most.
const VERDICT_LIFE_S: i64 = 24 * 3600;
/// How many submissions a verdict remembers that have taken it: what is said of the bytes later is told to them. Each takes
/// 26 bytes of the item, and it is written as a whole.
const MOST_TAKERS: u64 = 100;

/// WeChat's verdict on bytes, and the check that it came of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownVerdict {
    /// What WeChat said.
    pub verdict: Verdict,
    /// WeChat's name for the check.
    pub trace_id: Option<TraceId>,
    /// What it found, where the verdict is no pass.
    pub findings: Vec<Finding>,
}

impl KnownVerdict {
    /// The verdict that WeChat has pushed about that check, if it has.
    pub(crate) fn pushed(said: &Said, trace_id: &TraceId) -> Option<Self> {
        match said.outcome {
            Outcome::Verdict(verdict) => {
                let findings = if verdict.suggest == Suggest::Pass { Vec::new() } else { said.findings.clone() };
                Some(Self { verdict, trace_id: Some(trace_id.clone()), findings })
            }
            Outcome::Failed { .. } => None,
        }
    }

    /// What it is to a part with the same bytes.
    pub(crate) fn event(&self, part: PartName) -> Event {
        let Self { verdict, trace_id, findings } = self.clone();
        Event::Known { part, verdict, trace_id, findings }
    }
}

/// Which bytes, in which scene of which app.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// The app.
    pub app: &'a AppId,
    /// The scene: WeChat judges by it.
    pub scene: Scene,
    /// The bytes.
    pub sha256: Sha256,
}

impl Judged<'_> {
    fn key(self) -> Item {
        key(keys::verdict(self.app, self.scene, self.sha256), "V")
    }
}

/// How grave a verdict is; the graver holds.
fn rank(suggest: Suggest) -> u64 {
    match suggest {
        Suggest::Pass => 0,
        Suggest::Review => 1,
        Suggest::Risky => 2,
    }
}

fn integer_of(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// Whether a moderator has overruled what stands there, so many seconds after the epoch.
fn is_overruled(item: &Item, now: i64) -> bool {
    integer_of(item, "overruled_until").is_some_and(|until| until > now)
}

/// The submissions that have taken the verdict in an item.
fn takers_in(item: &Item) -> Vec<SubmissionId> {
    let takers = item.get("takers").and_then(|takers| takers.as_ss().ok());
    takers.into_iter().flatten().filter_map(|id| SubmissionId::parse(id).ok()).collect()
}

/// The verdict in an item, if one holds at that moment.
pub(super) fn verdict_in(item: &Item, now: Timestamp) -> Option<KnownVerdict> {
    let now = now.unix_seconds();
    let holds = integer_of(item, "expires_at")? > now;
    if !holds || is_overruled(item, now) {
        return None;
    }
    let suggests = [Suggest::Pass, Suggest::Review, Suggest::Risky];
    let own = integer_of(item, "suggest")?;
    let suggest = suggests.into_iter().find(|suggest| i64::try_from(rank(*suggest)) == Ok(own))?;
    let label = integer_of(item, "label").and_then(|label| u32::try_from(label).ok()).map(Label);
    let trace_id = text_of(item, "trace_id").and_then(|trace_id| TraceId::parse(&trace_id).ok());
    // What an older release kept has none.
    let findings = text_of(item, "findings").and_then(|found| serde_json::from_str(&found).ok()).unwrap_or_default();
    Some(KnownVerdict { verdict: Verdict { suggest, label }, trace_id, findings })
}

/// The bytes that an item is about.
pub(super) fn sha256_in(item: &Item) -> Option<Sha256> {
    Sha256::parse(text_of(item, "pk")?.rsplit_once('#')?.1).ok()
}

fn seconds(at: i64) -> AttributeValue {
    AttributeValue::N(at.to_string())
}

impl Table {
    /// The keys under which verdicts on these bytes stand, all of one scene.
    pub(super) fn verdict_keys(media: &[Judged<'_>]) -> Vec<Item> {
        let mut distinct = media.to_vec();
        distinct.sort_unstable_by_key(|judged| judged.sha256);
        distinct.dedup_by_key(|judged| judged.sha256);
        distinct.into_iter().map(Judged::key).collect()
    }

    /// What is known of these bytes, all of one scene; may be a moment old.
    pub(crate) async fn known_verdicts(
        &self,
        media: &[Judged<'_>],
        now: Timestamp,
    ) -> Result<HashMap<Sha256, KnownVerdict>, TableError> {
        let items = self.raw_get_many(Self::verdict_keys(media), Consistency::Eventual).await?;
        Ok(items.iter().filter_map(|item| Some((sha256_in(item)?, verdict_in(item, now)?))).collect())
    }

    /// What is known of these bytes now.
    pub(crate) async fn known_verdict(
        &self,
        judged: Judged<'_>,
        now: Timestamp,
    ) -> Result<Option<KnownVerdict>, TableError> {
        let partition = keys::verdict(judged.app, judged.scene, judged.sha256);
        let item = self.raw_get(&partition, "V", Consistency::Strong).await?;
        Ok(item.and_then(|item| verdict_in(&item, now)))
    }

    /// Keeps a verdict on bytes for a day, unless as grave a one holds, or a moderator has overruled one. Returns the
    /// submissions that have taken the verdict which stands there, or stood; none where it is overruled.
    pub(crate) async fn keep_verdict(
        &self,
        judged: Judged<'_>,
        known: &KnownVerdict,
        now: Timestamp,
    ) -> Result<Vec<SubmissionId>, TableError> {
        let now = now.unix_seconds();
        let mut set = "SET suggest = :suggest, expires_at = :expires".to_owned();
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(judged.key()))
            .expression_attribute_values(":suggest", number(rank(known.verdict.suggest)))
            .expression_attribute_values(":expires", seconds(now + VERDICT_LIFE_S))
            .expression_attribute_values(":now", seconds(now))
            .condition_expression(
                "(attribute_not_exists(pk) OR expires_at <= :now OR suggest < :suggest) \
                 AND (attribute_not_exists(overruled_until) OR overruled_until <= :now)",
            )
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        if let Some(label) = known.verdict.label {
            set.push_str(", label = :label");
            call = call.expression_attribute_values(":label", number(u64::from(label.0)));
        }
        if let Some(trace_id) = &known.trace_id {
            set.push_str(", trace_id = :trace_id");
            call = call.expression_attribute_values(":trace_id", text(trace_id.as_str()));
        }
        if known.findings.is_empty() {
            set.push_str(" REMOVE findings");
        } else {
            set.push_str(", findings = :findings");
            let partition = keys::verdict(judged.app, judged.scene, judged.sha256);
            call = call.expression_attribute_values(":findings", text(json(&known.findings, &partition)?));
        }
        match call.update_expression(set).send().await {
            Ok(answer) => Ok(answer.attributes.as_ref().map(takers_in).unwrap_or_default()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let standing = refused.item.as_ref().filter(|item| !is_overruled(item, now));
                    Ok(standing.map(takers_in).unwrap_or_default())
                }
                _ => Err(classify("UpdateItem", error)),
            },
        }
    }

    /// Notes that a submission has taken a verdict, if that still holds and has room for one more. Says whether.
    pub(crate) async fn take_verdict(
        &self,
        judged: Judged<'_>,
        verdict: Verdict,
        taker: &SubmissionId,
        now: Timestamp,
    ) -> Result<bool, TableError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(judged.key()))
            .update_expression("ADD takers :taker")
            .condition_expression(
                "suggest = :suggest AND expires_at > :now \
                 AND (attribute_not_exists(overruled_until) OR overruled_until <= :now) \
                 AND (attribute_not_exists(takers) OR size(takers) < :most)",
            )
            .expression_attribute_values(":taker", AttributeValue::Ss(vec![taker.as_str().to_owned()]))
            .expression_attribute_values(":suggest", number(rank(verdict.suggest)))
            .expression_attribute_values(":now", seconds(now.unix_seconds()))
            .expression_attribute_values(":most", number(MOST_TAKERS));
        match call.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(classify("UpdateItem", error)),
            },
        }
    }

    /// The write that ends a verdict because a moderator has decided against it; for a day none is kept in its place.
    pub(super) fn overrule_verdict(&self, judged: Judged<'_>, now: Timestamp) -> Result<Update, TableError> {
        Update::builder()
            .table_name(&self.name)
            .set_key(Some(judged.key()))
            .update_expression("SET overruled_until = :until, expires_at = :until")
            .expression_attribute_values(":until", seconds(now.unix_seconds() + VERDICT_LIFE_S))
            .build()
            .map_err(not_built("TransactWriteItems"))
    }
}
