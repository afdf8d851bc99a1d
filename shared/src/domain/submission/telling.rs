//! What the owner's backend is told of a decision: everything but the content, which stands there already or in the list.

use serde_json::{Value, json};

use super::{Decider, PartName, PartState, State, Submission, Why};
use crate::domain::sha256::Sha256;

impl Submission {
    /// Whether the owner's backend is to be told of this change: each change of state, but for the mere beginning.
    pub fn is_told(&self, before: Option<&Self>) -> bool {
        self.tells && before.map_or(self.state != State::Pending, |before| before.state != self.state)
    }

    /// What it is told, as JSON; the submission as it will stand in this version.
    pub fn telling(&self, version: u64) -> Value {
        let decision = self.decision.as_ref().map(|decision| {
            let (by, moderator) = match &decision.decider {
                Decider::Wechat => ("wechat", None),
                Decider::Moderator(name) => ("moderator", Some(name)),
                Decider::Author => ("author", None),
                Decider::Owner => ("owner", None),
            };
            let mut told = json!({"by": by, "moderator": moderator, "reason": decision.reason});
            if let (Some(fields), Some(code)) = (told.as_object_mut(), &decision.reason_code) {
                fields.insert("reason_code".to_owned(), json!(code));
            }
            if let (Some(fields), State::InReview) = (told.as_object_mut(), self.state) {
                fields.insert("reopened".to_owned(), json!(true));
            }
            told
        });
        let reasons = self.reasons();
        let reasons = reasons.iter().map(|reason| match reason.why {
            Why::Judged(label) => json!({"part": reason.part, "why": "judged", "label": label.map(|label| label.0)}),
            Why::NotJudged => json!({"part": reason.part, "why": "not_judged", "label": null}),
            Why::NotRead => json!({"part": reason.part, "why": "not_read", "label": null}),
        });
        let parts = self.parts.iter().map(|part| {
            let suggest = match &part.state {
                PartState::Settled { verdict } => Some(verdict.suggest),
                _ => None,
            };
            let traces = part.attempts.iter().filter_map(|attempt| attempt.trace_id.as_ref()).chain(&part.known);
            json!({
                "part": part.name, "sha256": self.sha256_of(part.name).map(|sha256| sha256.to_string()), "suggest": suggest,
                "trace_ids": traces.collect::<Vec<_>>(),
            })
        });
        json!({
            "type": format!("submission.{}", self.state.as_str()),
            "timestamp": self.moved_at().to_string(),
            "data": {
                "id": self.id, "app_id": self.app, "external_id": self.external_id,
                "vouched": self.vouched, "version": version, "state": self.state,
                "decision": decision, "reasons": reasons.collect::<Vec<_>>(), "parts": parts.collect::<Vec<_>>(),
                "replaces": self.replaces.as_ref().map(|replaces| &replaces.id), "replaced_by": self.replaced_by,
                "created_at": self.created_at.to_string(),
            },
        })
    }

    /// What a part is known by that is judged.
    fn sha256_of(&self, part: PartName) -> Option<Sha256> {
        match part {
            PartName::Text => self.text_sha256(),
            PartName::Medium(index) => self.media.get(usize::from(index)).map(|medium| medium.sha256),
        }
    }
}
