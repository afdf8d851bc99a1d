//! What WeChat says about a part, and what a check of a medium comes to.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// WeChat's verdict on a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// `pass`, `review`, `risky`; a test may force any other text.
    pub suggest: String,
    /// WeChat's number for what it found (文本内容安全识别 lists them); left out where `null`.
    #[serde(default)]
    pub label: Option<i64>,
}

impl Verdict {
    /// A verdict with a label.
    pub fn new(suggest: &str, label: i64) -> Self {
        Self { suggest: suggest.to_owned(), label: Some(label) }
    }

    /// `pass`, label 100 (正常).
    pub fn pass() -> Self {
        Self::new("pass", 100)
    }

    /// As it stands in `result`: without a label where it has none.
    pub(crate) fn as_result(&self) -> Value {
        match self.label {
            Some(label) => json!({ "suggest": self.suggest, "label": label }),
            None => json!({ "suggest": self.suggest }),
        }
    }
}

/// A verdict that is given without looking: `{"verdict": {"suggest": "risky", "label": 20001}}`,
/// `{"errcode": -1008}`, `"no_result"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForcedVerdict {
    /// This one, known or unknown.
    Verdict(Verdict),
    /// A failed check: for a text the errcode of the answer, for a medium that of the push.
    Errcode(i64),
    /// errcode 0, but nothing that says what was found.
    NoResult,
}

/// 下载错误: reported in the push, not in the answer.
pub(crate) const DOWNLOAD_ERROR: i64 = -1008;

/// What a check of a medium came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    /// The verdict is valid only if it is 0.
    pub(crate) errcode: i64,
    pub(crate) verdict: Option<Verdict>,
}

impl Outcome {
    pub(crate) fn found(verdict: Verdict) -> Self {
        Self { errcode: 0, verdict: Some(verdict) }
    }

    pub(crate) fn failed(errcode: i64) -> Self {
        Self { errcode, verdict: None }
    }

    pub(crate) fn forced(forced: &ForcedVerdict) -> Self {
        match forced {
            ForcedVerdict::Verdict(verdict) => Self::found(verdict.clone()),
            ForcedVerdict::Errcode(errcode) => Self::failed(*errcode),
            ForcedVerdict::NoResult => Self::failed(0),
        }
    }
}
