//! The fields of a `wxa_media_check`, and what they come to.
//!
//! There are two shapes. Version 2 has `errcode` and, if that is 0, `result`; version 1 has `status_code` and `isrisky`.
//! Version 1 still comes where a check was asked for without `version`.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::body::Malformed;
use super::{MediaOutcome, Suggest, Verdict};
use crate::ids::{AppId, TraceId};

/// A value where WeChat's documentation has a number or a text. Numbers sometimes come as texts.
#[derive(Debug, Deserialize)]
#[serde(from = "Value")]
pub(super) enum Scalar {
    Integer(i64),
    Text(String),
    /// Neither.
    Odd,
}

impl From<Value> for Scalar {
    fn from(value: Value) -> Self {
        match value {
            Value::Number(number) => number.as_i64().map_or(Self::Odd, Self::Integer),
            Value::String(text) => Self::Text(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Self::Odd,
        }
    }
}

impl Scalar {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Odd => None,
        }
    }

    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Odd => None,
        }
    }
}

/// What stands under `result`.
#[derive(Debug)]
pub(super) enum CheckResult {
    Fields(ResultFields),
    /// No fields.
    Odd,
}

#[derive(Debug, Deserialize)]
pub(super) struct ResultFields {
    pub(super) suggest: Option<Scalar>,
    pub(super) label: Option<Scalar>,
}

impl<'de> Deserialize<'de> for CheckResult {
    /// By hand, because a derived struct also takes a list for its fields, and because going through [`Value`] would
    /// let a second `suggest` replace the first.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = CheckResult;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a result")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CheckResult, A::Error> {
                let fields = serde::de::value::MapAccessDeserializer::new(map);
                ResultFields::deserialize(fields).map(CheckResult::Fields)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<CheckResult, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(CheckResult::Odd)
            }

            fn visit_bool<E>(self, _: bool) -> Result<CheckResult, E> {
                Ok(CheckResult::Odd)
            }

            fn visit_i64<E>(self, _: i64) -> Result<CheckResult, E> {
                Ok(CheckResult::Odd)
            }

            fn visit_u64<E>(self, _: u64) -> Result<CheckResult, E> {
                Ok(CheckResult::Odd)
            }

            fn visit_f64<E>(self, _: f64) -> Result<CheckResult, E> {
                Ok(CheckResult::Odd)
            }

            fn visit_str<E>(self, _: &str) -> Result<CheckResult, E> {
                Ok(CheckResult::Odd)
            }
        }

        deserializer.deserialize_any(Fields)
    }
}

impl ResultFields {
    fn verdict(&self) -> Verdict {
        // What is there but cannot be read is no known suggest, and no label 100.
        let suggest = self.suggest.as_ref().map(|suggest| suggest.text().unwrap_or_default());
        let label = self.label.as_ref().map(|label| label.integer().unwrap_or(-1));
        Verdict::from_result(suggest, label)
    }
}

/// The fields of a `wxa_media_check`, of both shapes, as they came.
#[derive(Debug, Deserialize)]
pub(super) struct MediaCheckFields {
    pub(super) appid: Option<Scalar>,
    pub(super) trace_id: Option<Scalar>,
    pub(super) version: Option<Scalar>,
    pub(super) errcode: Option<Scalar>,
    pub(super) result: Option<CheckResult>,
    pub(super) status_code: Option<Scalar>,
    pub(super) isrisky: Option<Scalar>,
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

    /// What the fields come to; where both shapes are there, the worse of the two.
    pub(super) fn outcome(&self) -> MediaOutcome {
        let outcomes = [self.version_2(), self.version_1()];
        // On equal terms the first is kept: version 2 has the label.
        outcomes.into_iter().flatten().min_by_key(|outcome| harmlessness(*outcome)).unwrap_or(MediaOutcome::Unreadable)
    }

    fn version_2(&self) -> Option<MediaOutcome> {
        let announced = self.version.as_ref().and_then(Scalar::integer) == Some(2);
        if self.errcode.is_none() && self.result.is_none() && !announced {
            return None;
        }
        Some(failure(self.errcode.as_ref()).unwrap_or(match &self.result {
            Some(CheckResult::Fields(fields)) => MediaOutcome::Verdict(fields.verdict()),
            Some(CheckResult::Odd) | None => MediaOutcome::Unreadable,
        }))
    }

    fn version_1(&self) -> Option<MediaOutcome> {
        if self.status_code.is_none() && self.isrisky.is_none() {
            return None;
        }
        let verdict = |suggest| MediaOutcome::Verdict(Verdict { suggest, label: None });
        Some(failure(self.status_code.as_ref()).unwrap_or_else(
            || match self.isrisky.as_ref().and_then(Scalar::integer) {
                Some(0) => verdict(Suggest::Pass),
                Some(1) => verdict(Suggest::Risky),
                _ => MediaOutcome::Unreadable,
            },
        ))
    }
}

/// What an error code comes to, unless it is absent or 0.
fn failure(code: Option<&Scalar>) -> Option<MediaOutcome> {
    match code?.integer() {
        Some(0) => None,
        Some(code) => Some(MediaOutcome::Failed { errcode: signed(code) }),
        None => Some(MediaOutcome::Unreadable),
    }
}

/// Version 1 writes -1008 as 4294966288, the same 32 bits without a sign.
fn signed(code: i64) -> i64 {
    u32::try_from(code).map_or(code, |bits| i64::from(bits.cast_signed()))
}

/// Orders outcomes from the worst; a failed check may be repeated, what a human must see may not be.
fn harmlessness(outcome: MediaOutcome) -> u8 {
    match outcome {
        MediaOutcome::Verdict(Verdict { suggest: Suggest::Risky, .. }) => 0,
        MediaOutcome::Verdict(Verdict { suggest: Suggest::Review, .. }) => 1,
        MediaOutcome::Failed { .. } => 2,
        MediaOutcome::Unreadable => 3,
        MediaOutcome::Verdict(Verdict { suggest: Suggest::Pass, .. }) => 4,
    }
}
