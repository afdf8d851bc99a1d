//! The records of what people decided, kept beside the submission for good.

use serde::{Deserialize, Serialize};

use super::item::{Item, one_of_many, text, text_of};
use super::{Table, TableError, classify, keys};
use crate::domain::ids::SubmissionId;
use crate::domain::moderator::Role;
use crate::domain::submission::{Decider, Submission};

/// How the sort keys of records begin.
const LETTER: &str = "D#";

/// What somebody decided, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// The state before. None where version 0.1.0 wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The state since.
    pub state: String,
    /// Who.
    pub by: Option<Decider>,
    /// What they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The code of the reason, where it is one of the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// What people looked for, by the kinds of causes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// The parts that they looked at, each with the kind of its cause, such as `media/0: given_up`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
    /// When, in RFC 3339.
    pub at: String,
}

impl DecisionRecord {
    pub(super) fn sort_key(version: u64) -> String {
        format!("{LETTER}{version:09}")
    }

    /// What is kept of the decision that a submission has now.
    pub(super) fn of(before: Option<&Submission>, after: &Submission) -> Self {
        let decision = after.decision.as_ref();
        Self {
            from: before.map(|before| before.state.as_str().to_owned()),
            state: after.state.as_str().to_owned(),
            by: decision.map(|decision| decision.decider.clone()),
            role: decision.and_then(|decision| decision.role),
            reason: decision.and_then(|decision| decision.reason.clone()),
            reason_code: decision.and_then(|decision| decision.reason_code.clone()),
            causes: before.map(Submission::cause_kinds).unwrap_or_default(),
            parts: before.map(Submission::doubted_parts).unwrap_or_default(),
            at: after.moved_at().to_string(),
        }
    }
}

fn record(item: &Item) -> Result<DecisionRecord, TableError> {
    let corrupt = || TableError::Corrupt { key: text_of(item, "pk").unwrap_or_default(), reason: "`doc`".to_owned() };
    text_of(item, "doc").and_then(|doc| serde_json::from_str(&doc).ok()).ok_or_else(corrupt)
}

impl Table {
    /// What people decided about a submission, oldest first.
    pub async fn decisions(&self, id: &SubmissionId) -> Result<Vec<DecisionRecord>, TableError> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :submission AND begins_with(sk, :letter)")
            .expression_attribute_values(":submission", text(keys::submission(id)))
            .expression_attribute_values(":letter", text(LETTER));
        let answer = call.send().await.map_err(|error| classify("Query", error))?;
        let items = answer.items.unwrap_or_default();
        Ok(items.iter().filter_map(|item| one_of_many(record(item))).collect())
    }
}
