//! The fields of a `wxa_media_check`, and what they come to.
//!
//! There are two shapes. Version 2 has `errcode` and, if that is 0, `result`; version 1 has `status_code` and `isrisky`.
//! Version 1 still comes where a check was asked for without `version`.

use super::fields::{CheckResult, Malformed, MediaCheckFields, ResultFields, Scalar};
use crate::domain::ids::{AppId, TraceId};
use crate::domain::outcome::{Outcome, Said};
use crate::domain::verdict::{Suggest, Verdict};
use crate::wechat::detail;

/// WeChat says that all went well, or says nothing, but there is no verdict that can be read.
const UNREADABLE: Outcome = Outcome::Failed { errcode: None };

impl ResultFields {
    fn verdict(&self) -> Verdict {
        // What is there but cannot be read is no known suggest, and no label 100.
        let suggest = self.suggest.as_ref().map(|suggest| suggest.text().unwrap_or_default());
        let label = self.label.as_ref().map(|label| label.integer().unwrap_or(-1));
        Verdict::from_result(suggest, label)
    }
}

impl MediaCheckFields {
    /// Whether the event does not name another app.
    pub(super) fn may_be_about(&self, app: &AppId) -> bool {
        self.appid.as_ref().is_none_or(|appid| appid.text() == Some(app.as_str()))
    }

    pub(super) fn trace_id(&self) -> Result<TraceId, Malformed> {
        let text = self.trace_id.as_ref().and_then(Scalar::text);
        text.and_then(|text| TraceId::parse(text).ok()).ok_or(Malformed("no trace_id"))
    }

    /// What the fields come to, and what was found; in plaintext mode a pass counts as doubt.
    pub(super) fn said(&self, secured: bool) -> Said {
        let outcome = match self.outcome() {
            Outcome::Verdict(verdict) if !secured => {
                Outcome::Verdict(Verdict { suggest: verdict.suggest.max(Suggest::Review), ..verdict })
            }
            outcome => outcome,
        };
        let findings = match outcome {
            Outcome::Verdict(verdict) => detail::findings(verdict, self.detail.as_ref()),
            Outcome::Failed { .. } => Vec::new(),
        };
        Said { outcome, findings }
    }

    /// What the fields come to; where both shapes are there, the worse of the two.
    fn outcome(&self) -> Outcome {
        let outcomes = [self.version_2(), self.version_1()];
        // On equal terms the first is kept: version 2 has the label.
        outcomes.into_iter().flatten().min_by_key(|outcome| harmlessness(*outcome)).unwrap_or(UNREADABLE)
    }

    fn version_2(&self) -> Option<Outcome> {
        let announced = self.version.as_ref().and_then(Scalar::integer) == Some(2);
        if self.errcode.is_none() && self.result.is_none() && !announced {
            return None;
        }
        Some(failure(self.errcode.as_ref()).unwrap_or(match &self.result {
            Some(CheckResult::Fields(fields)) => Outcome::Verdict(fields.verdict()),
            Some(CheckResult::Odd) | None => UNREADABLE,
        }))
    }

    fn version_1(&self) -> Option<Outcome> {
        if self.status_code.is_none() && self.isrisky.is_none() {
            return None;
        }
        let verdict = |suggest| Outcome::Verdict(Verdict { suggest, label: None });
        Some(failure(self.status_code.as_ref()).unwrap_or_else(
            || match self.isrisky.as_ref().and_then(Scalar::integer) {
                Some(0) => verdict(Suggest::Pass),
                Some(1) => verdict(Suggest::Risky),
                _ => UNREADABLE,
            },
        ))
    }
}

/// What an error code comes to, unless it is absent or 0.
fn failure(code: Option<&Scalar>) -> Option<Outcome> {
    match code?.integer() {
        Some(0) => None,
        Some(code) => Some(Outcome::Failed { errcode: Some(signed(code)) }),
        None => Some(UNREADABLE),
    }
}

/// Version 1 writes -1008 as 4294966288, the same 32 bits without a sign.
fn signed(code: i64) -> i64 {
    u32::try_from(code).map_or(code, |bits| i64::from(bits.cast_signed()))
}

/// Orders outcomes from the worst; a failed check may be repeated, what a human must see may not be.
fn harmlessness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Verdict(Verdict { suggest: Suggest::Risky, .. }) => 0,
        Outcome::Verdict(Verdict { suggest: Suggest::Review, .. }) => 1,
        Outcome::Failed { errcode: Some(_) } => 2,
        UNREADABLE => 3,
        Outcome::Verdict(Verdict { suggest: Suggest::Pass, .. }) => 4,
    }
}
