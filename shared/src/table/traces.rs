//! Traces: where the answer to a media check and the push about it meet, whichever comes first.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};

use super::item::{Item, json, key, text, text_of};
use super::{Consistency, Table, TableError, classify, keys};
use crate::domain::clock::Timestamp;
use crate::domain::finding::Finding;
use crate::domain::ids::{AppId, SubmissionId, TraceId};
use crate::domain::outcome::{Outcome, Said};
use crate::domain::sha256::Sha256;
use crate::domain::submission::{PartName, Scene};
use crate::domain::verdict::{Label, Suggest, Verdict};

/// How long a trace is kept; a push comes within half an hour, its repeats soon after.
const TRACE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// When a risky verdict is looked for that the push which brought it did not apply.
const RISKY_DUE_AFTER: Duration = Duration::from_secs(60);

/// Which check of which part of which submission a trace belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceLink {
    /// The submission.
    #[serde(rename = "s")]
    pub submission: SubmissionId,
    /// The part.
    #[serde(rename = "p")]
    pub part: PartName,
    /// The attempt, from 0.
    #[serde(rename = "a")]
    pub attempt: usize,
    /// The bytes that it is about, and the scene that they were judged for: what is risky about them is told others while the
    /// submission is read. None where version 0.1.0 wrote it.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<(Scene, Sha256)>,
}

impl TraceLink {
    /// Whether it names the same check as another.
    pub fn is_check_of(&self, other: &Self) -> bool {
        (&self.submission, self.part, self.attempt) == (&other.submission, other.part, other.attempt)
    }
}

/// What is known of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The check that it belongs to, once the answer to the check was written down.
    pub link: Option<TraceLink>,
    /// What was pushed about it. Whatever came first, the worst verdict holds, and any verdict counts more than a failure.
    pub said: Option<Said>,
}

/// What a kept verdict has beside it; older code reads the verdict alone.
#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    findings: Vec<Finding>,
}

/// A verdict as it is kept, with what was found.
#[derive(Serialize)]
struct Kept<'a> {
    suggest: Suggest,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<Label>,
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    findings: &'a [Finding],
}

const LINK: &str = "link";
const FAILED: &str = "failed";

/// Each kind of verdict has an attribute of its own, so that two pushes that disagree are both kept.
fn attribute(suggest: Suggest) -> &'static str {
    match suggest {
        Suggest::Pass => "pass",
        Suggest::Review => "review",
        Suggest::Risky => "risky",
    }
}

fn parse<T: for<'de> Deserialize<'de>>(item: &Item, name: &str) -> Result<Option<T>, TableError> {
    text_of(item, name)
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(|_| TableError::Corrupt { key: text_of(item, "pk").unwrap_or_default(), reason: format!("`{name}`") })
}

fn trace_in(item: &Item) -> Result<Trace, TableError> {
    let mut said = item.contains_key(FAILED).then(|| Said::from(Outcome::Failed { errcode: None }));
    for suggest in [Suggest::Pass, Suggest::Review, Suggest::Risky] {
        let name = attribute(suggest);
        if let (Some(verdict), Some(Found { findings })) = (parse(item, name)?, parse(item, name)?) {
            said = Some(Said { outcome: Outcome::Verdict(verdict), findings });
        }
    }
    Ok(Trace { link: parse(item, LINK)?, said })
}

impl Table {
    /// Says which check a trace belongs to, unless it belongs to one already, and returns what is known of it.
    pub async fn link_trace(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        link: &TraceLink,
        now: Timestamp,
    ) -> Result<Trace, TableError> {
        let link = AttributeValue::S(json(link, "T#")?);
        trace_in(&self.note(app, trace_id, (LINK, link), now, None).await?)
    }

    /// Keeps what was pushed about a trace, and returns what is known of it.
    ///
    /// A risky verdict stands in the due queue from now on, in the same write, until it is noted as applied: it may come
    /// days late, when nothing else would look for it again.
    pub async fn record_outcome(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        said: &Said,
        now: Timestamp,
    ) -> Result<Trace, TableError> {
        let due = said.outcome.is_risky().then(|| now.plus(RISKY_DUE_AFTER));
        let said = match said.outcome {
            Outcome::Verdict(Verdict { suggest, label }) => {
                let kept = Kept { suggest, label, findings: &said.findings };
                (attribute(suggest), AttributeValue::S(json(&kept, "T#")?))
            }
            Outcome::Failed { .. } => (FAILED, AttributeValue::Bool(true)),
        };
        trace_in(&self.note(app, trace_id, said, now, due).await?)
    }

    /// What is known of a trace.
    pub async fn trace(&self, app: &AppId, trace_id: &TraceId, consistency: Consistency) -> Result<Trace, TableError> {
        let item = self.raw_get(&keys::trace(app, trace_id), "T", consistency).await?;
        item.as_ref().map_or(Ok(Trace { link: None, said: None }), trace_in)
    }

    /// The risky verdict of a trace need not be looked for any more.
    pub(crate) async fn risky_applied(&self, app: &AppId, trace_id: &TraceId) -> Result<(), TableError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(keys::trace(app, trace_id), "T")))
            .update_expression("REMOVE queue_pk, queue_sk");
        call.send().await.map(drop).map_err(|error| classify("UpdateItem", error))
    }

    /// Notes one thing about a trace, unless it is noted already, and returns all that is.
    async fn note(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        (name, value): (&'static str, AttributeValue),
        now: Timestamp,
        due: Option<Timestamp>,
    ) -> Result<Item, TableError> {
        let expires = AttributeValue::N(now.plus(TRACE_LIFE).unix_seconds().to_string());
        let noted = "SET #name = if_not_exists(#name, :value), expires_at = :expires";
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(keys::trace(app, trace_id), "T")))
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .expression_attribute_values(":expires", expires)
            .return_values(ReturnValue::AllNew);
        call = match due {
            None => call.update_expression(noted),
            Some(due) => call
                .update_expression(format!("{noted}, queue_pk = :queue, queue_sk = :due"))
                .expression_attribute_values(":queue", text(keys::due(keys::shard_of(trace_id))))
                .expression_attribute_values(":due", text(keys::due_at(due, app, keys::RISKY))),
        };
        let answer = call.send().await.map_err(|error| classify("UpdateItem", error))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}
