//! How a media check ended, as WeChat's push tells it.

use super::finding::Finding;
use super::verdict::{Suggest, Verdict};

/// How a media check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With a verdict.
    Verdict(Verdict),
    /// Without one: the medium has to be checked again.
    Failed {
        /// WeChat's code, never 0: -1008 when it could not download the medium. `None` where WeChat says that all went
        /// well, or says nothing, but there is no verdict that can be read.
        errcode: Option<i64>,
    },
}

/// What WeChat said about a medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// How its check ended.
    pub outcome: Outcome,
    /// What was found in it, if the verdict is no pass.
    pub findings: Vec<Finding>,
}

impl From<Outcome> for Said {
    /// That alone: nothing was found.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, findings: Vec::new() }
    }
}

impl Outcome {
    /// Whether it is a verdict that this must never be shown.
    pub fn is_risky(self) -> bool {
        matches!(self, Self::Verdict(Verdict { suggest: Suggest::Risky, .. }))
    }
}
