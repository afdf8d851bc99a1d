//! The fields that are read of a push, as they came: numbers as texts, texts as numbers, and whatever else.

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A body that is not as it should be, and how.
#[derive(Debug)]
pub(super) struct Malformed(pub(super) &'static str);

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
    /// What each strategy found, as it came.
    pub(super) detail: Option<Value>,
}
