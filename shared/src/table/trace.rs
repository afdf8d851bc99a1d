//! Traces: where the answer to a media check and the push about it meet, whichever comes first.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use serde::{Deserialize, Serialize};

use super::document::{Item, text, text_of};
use super::{TRACE_LIFE, Table, TableError, classify};
use crate::clock::Timestamp;
use crate::ids::{AppId, SubmissionId, TraceId};
use crate::submission::PartName;
use crate::wechat::verdict::{Suggest, Verdict};

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
}

/// What a push said about a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// WeChat judged.
    Verdict(Verdict),
    /// WeChat could not: it could not read the medium, or said nothing that can be understood.
    Failed,
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

fn key(app: &AppId, trace_id: &TraceId) -> Item {
    Item::from([("pk".to_owned(), text(format!("T#{app}#{trace_id}"))), ("sk".to_owned(), text("T"))])
}

fn json<T: Serialize>(value: &T) -> Result<AttributeValue, TableError> {
    serde_json::to_string(value)
        .map(AttributeValue::S)
        .map_err(|error| TableError::Corrupt { key: "T#".to_owned(), reason: error.to_string() })
}

fn parse<T: for<'de> Deserialize<'de>>(item: &Item, name: &str) -> Result<Option<T>, TableError> {
    text_of(item, name)
        .map(|json| serde_json::from_str(&json))
        .transpose()
        .map_err(|_| TableError::Corrupt { key: text_of(item, "pk").unwrap_or_default(), reason: format!("`{name}`") })
}

impl Table {
    /// Says which check a trace belongs to, and returns what was pushed about it already.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn link_trace(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        link: &TraceLink,
        now: Timestamp,
    ) -> Result<Option<Outcome>, TableError> {
        let item = self.note(app, trace_id, LINK, json(link)?, now).await?;
        // Whatever came first, the worst verdict holds, and any verdict counts more than a failure.
        for suggest in [Suggest::Risky, Suggest::Review, Suggest::Pass] {
            if let Some(verdict) = parse(&item, attribute(suggest))? {
                return Ok(Some(Outcome::Verdict(verdict)));
            }
        }
        Ok(item.contains_key(FAILED).then_some(Outcome::Failed))
    }

    /// Keeps what was pushed about a trace, and returns the check it belongs to, if that is known yet.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn record_outcome(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        outcome: Outcome,
        now: Timestamp,
    ) -> Result<Option<TraceLink>, TableError> {
        let item = match outcome {
            Outcome::Verdict(verdict) => {
                self.note(app, trace_id, attribute(verdict.suggest), json(&verdict)?, now).await?
            }
            Outcome::Failed => self.note(app, trace_id, FAILED, AttributeValue::Bool(true), now).await?,
        };
        parse(&item, LINK)
    }

    /// Notes one thing about a trace, unless it is noted already, and returns all that is.
    async fn note(
        &self,
        app: &AppId,
        trace_id: &TraceId,
        name: &'static str,
        value: AttributeValue,
        now: Timestamp,
    ) -> Result<HashMap<String, AttributeValue>, TableError> {
        let expires = AttributeValue::N(now.plus(TRACE_LIFE).unix_seconds().to_string());
        let answer = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key(app, trace_id)))
            .update_expression("SET #name = if_not_exists(#name, :value), expires_at = :expires")
            .expression_attribute_names("#name", name)
            .expression_attribute_values(":value", value)
            .expression_attribute_values(":expires", expires)
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(|error| classify("UpdateItem", error))?;
        Ok(answer.attributes.unwrap_or_default())
    }
}
