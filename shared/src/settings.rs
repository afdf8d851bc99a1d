//! Settings: how a function reads its environment, and what a wrong one is told.

use tracing::level_filters::LevelFilter;

use crate::domain::base_url::{BaseUrl, NotABaseUrl};
use crate::domain::retention::{DAY, MOST_DAYS, Retention};

/// Where settings come from: the value of a name, if it has one.
///
/// In a `main` this is the environment, in a test a map: nothing else reads the environment.
pub type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// A setting with which the program must not start.
///
/// Its text is one line that names the setting. It never holds the value, which may be a secret: a reason is fixed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// It has no value, or an empty one.
    #[error("{name} is not set")]
    Missing {
        /// The setting's name in the environment.
        name: &'static str,
    },
    /// It has a value that means nothing.
    #[error("{name} is invalid: {reason}")]
    Invalid {
        /// The setting's name in the environment.
        name: &'static str,
        /// What it must be.
        reason: &'static str,
    },
}

/// The value of `name`, or nothing.
///
/// An empty value is no value: a template's parameter that was left out arrives as one.
pub fn optional(lookup: &Lookup<'_>, name: &'static str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

/// The value of `name`.
pub fn required(lookup: &Lookup<'_>, name: &'static str) -> Result<String, SettingError> {
    optional(lookup, name).ok_or(SettingError::Missing { name })
}

/// The URL that `name` holds.
pub fn url(lookup: &Lookup<'_>, name: &'static str) -> Result<BaseUrl, SettingError> {
    optional_url(lookup, name)?.ok_or(SettingError::Missing { name })
}

/// The URL that `name` holds, if it holds anything.
pub fn optional_url(lookup: &Lookup<'_>, name: &'static str) -> Result<Option<BaseUrl>, SettingError> {
    optional(lookup, name)
        .map(|value| BaseUrl::parse(&value).map_err(|NotABaseUrl(reason)| SettingError::Invalid { name, reason }))
        .transpose()
}

/// Whether `name` is `true`; without a value it is not.
///
/// # Errors
/// When it is neither `true` nor `false`: a guess would be half the time wrong.
pub fn flag(lookup: &Lookup<'_>, name: &'static str) -> Result<bool, SettingError> {
    match optional(lookup, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(SettingError::Invalid { name, reason: "it must be true or false" }),
    }
}

/// How many days `name` says, at least `least`; without a value as many as `default`.
fn days(
    lookup: &Lookup<'_>,
    name: &'static str,
    (least, default): (u32, std::time::Duration),
) -> Result<std::time::Duration, SettingError> {
    let Some(value) = optional(lookup, name) else { return Ok(default) };
    match value.parse::<u32>() {
        Ok(days) if (least..=MOST_DAYS).contains(&days) => Ok(DAY * days),
        _ if least == 0 => Err(SettingError::Invalid { name, reason: "it must be a number of days, 0 to 3650" }),
        _ => Err(SettingError::Invalid { name, reason: "it must be a number of days, 1 to 3650" }),
    }
}

/// How long what is kept beside the content stays, in days: `GREENLIGHT_KEEP_RECORD_DAYS`, `GREENLIGHT_KEEP_REJECTED_DAYS`,
/// `GREENLIGHT_KEEP_EVIDENCE_DAYS` and `GREENLIGHT_KEEP_SEALED_DAYS`; of the last two, 0 keeps nothing.
pub fn retention(lookup: &Lookup<'_>) -> Result<Retention, SettingError> {
    let default = Retention::default();
    Ok(Retention {
        record: days(lookup, "GREENLIGHT_KEEP_RECORD_DAYS", (1, default.record))?,
        rejected: days(lookup, "GREENLIGHT_KEEP_REJECTED_DAYS", (1, default.rejected))?,
        evidence: days(lookup, "GREENLIGHT_KEEP_EVIDENCE_DAYS", (0, default.evidence))?,
        sealed: days(lookup, "GREENLIGHT_KEEP_SEALED_DAYS", (0, default.sealed))?,
    })
}

/// How much our own code logs: `GREENLIGHT_LOG`, one of `off`, `error`, `warn`, `info`, `debug`, `trace`; `info` without.
///
/// It is meant for Greenlight's own targets, and silences no metric. At `trace` the AWS SDK logs whole requests and answers, which hold what must
/// not be logged, so a `main` keeps every other target at `warn`.
pub fn log_level(lookup: &Lookup<'_>) -> Result<LevelFilter, SettingError> {
    const NAME: &str = "GREENLIGHT_LOG";
    match optional(lookup, NAME).as_deref() {
        None | Some("info") => Ok(LevelFilter::INFO),
        Some("off") => Ok(LevelFilter::OFF),
        Some("error") => Ok(LevelFilter::ERROR),
        Some("warn") => Ok(LevelFilter::WARN),
        Some("debug") => Ok(LevelFilter::DEBUG),
        Some("trace") => Ok(LevelFilter::TRACE),
        Some(_) => {
            Err(SettingError::Invalid { name: NAME, reason: "it must be off, error, warn, info, debug or trace" })
        }
    }
}

/// How Lambda is told to call a function: `GREENLIGHT_INVOKE_MODE`, by the names of a Function URL's `InvokeMode`.
///
/// The two frame an answer differently, so a wrong guess is an answer that nobody can read: there is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InvokeMode {
    /// `RESPONSE_STREAM`: the answer is sent as it is made. Function URLs can; an HTTP API cannot.
    ResponseStream,
    /// `BUFFERED`: the answer is sent whole, in base64, at most 6 MB of it.
    Buffered,
}

impl InvokeMode {
    /// Reads `GREENLIGHT_INVOKE_MODE`: `buffered` or `response_stream`.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, SettingError> {
        const NAME: &str = "GREENLIGHT_INVOKE_MODE";
        match required(lookup, NAME)?.as_str() {
            "response_stream" => Ok(Self::ResponseStream),
            "buffered" => Ok(Self::Buffered),
            _ => Err(SettingError::Invalid { name: NAME, reason: "it must be buffered or response_stream" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(value: &str) -> impl Fn(&str) -> Option<String> {
        move |_| Some(value.to_owned())
    }

    #[test]
    fn what_is_missing_or_empty_is_named() {
        let missing = SettingError::Missing { name: "GREENLIGHT_TABLE" };
        assert_eq!(required(&|_| None, "GREENLIGHT_TABLE"), Err(missing));
        assert_eq!(required(&holding(""), "GREENLIGHT_TABLE"), Err(missing));
        assert_eq!(missing.to_string(), "GREENLIGHT_TABLE is not set");
        assert_eq!(optional(&holding(""), "GREENLIGHT_TABLE"), None);
        assert_eq!(url(&holding(""), "GREENLIGHT_TABLE"), Err(missing));
        assert_eq!(optional_url(&holding(""), "GREENLIGHT_TABLE"), Ok(None));
    }

    #[test]
    fn an_error_is_one_line_without_the_value() {
        let errors = [
            url(&holding("https://u:hunter2@host"), "GREENLIGHT_PUBLIC_URL").unwrap_err(),
            url(&holding("hunter2"), "GREENLIGHT_PUBLIC_URL").unwrap_err(),
            url(&holding("https://host/?hunter2"), "GREENLIGHT_PUBLIC_URL").unwrap_err(),
            InvokeMode::from_lookup(&holding("hunter2")).unwrap_err(),
            log_level(&holding("hunter2")).unwrap_err(),
            flag(&holding("hunter2"), "GREENLIGHT_ALLOW_PRIVATE").unwrap_err(),
        ];
        for error in errors {
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("hunter2") && !shown.contains('\n'), "{shown}");
            assert!(error.to_string().starts_with("GREENLIGHT_"), "{shown}");
        }
    }

    #[test]
    fn the_invoke_mode_has_no_default() {
        assert_eq!(InvokeMode::from_lookup(&|_| None), Err(SettingError::Missing { name: "GREENLIGHT_INVOKE_MODE" }));
        assert_eq!(InvokeMode::from_lookup(&holding("response_stream")), Ok(InvokeMode::ResponseStream));
        assert_eq!(InvokeMode::from_lookup(&holding("buffered")), Ok(InvokeMode::Buffered));
        assert!(InvokeMode::from_lookup(&holding("stream")).is_err());
    }

    #[test]
    fn periods_are_whole_days() {
        assert_eq!(retention(&|_| None), Ok(Retention::default()));
        assert_eq!(retention(&holding("30")).unwrap().sealed, DAY * 30);
        let none_kept = |name: &str| name.contains("EVIDENCE").then(|| "0".to_owned());
        assert!(retention(&none_kept).unwrap().evidence.is_zero());
        for (name, wrong) in
            [("RECORD", "0"), ("REJECTED", "0"), ("EVIDENCE", "-1"), ("SEALED", "3651"), ("SEALED", "1d")]
        {
            let lookup = |own: &str| own.contains(name).then(|| wrong.to_owned());
            let error = retention(&lookup).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("GREENLIGHT_KEEP_{name}_DAYS is invalid: it must be a number of days")),
                "{error}"
            );
        }
    }

    #[test]
    fn flags_and_levels_are_words() {
        assert_eq!(flag(&|_| None, "GREENLIGHT_ALLOW_PRIVATE"), Ok(false));
        assert_eq!(flag(&holding("true"), "GREENLIGHT_ALLOW_PRIVATE"), Ok(true));
        assert_eq!(log_level(&|_| None), Ok(LevelFilter::INFO));
        assert_eq!(log_level(&holding("debug")), Ok(LevelFilter::DEBUG));
    }
}
