//! Settings: how a function reads its environment, and what a wrong one is told.

use std::fmt;

use tracing::level_filters::LevelFilter;

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
///
/// # Errors
/// [`SettingError::Missing`] when it has none.
pub fn required(lookup: &Lookup<'_>, name: &'static str) -> Result<String, SettingError> {
    optional(lookup, name).ok_or(SettingError::Missing { name })
}

/// The URL that `name` holds.
///
/// # Errors
/// When there is none, or it is not one that a path can follow.
pub fn url(lookup: &Lookup<'_>, name: &'static str) -> Result<PublicUrl, SettingError> {
    optional_url(lookup, name)?.ok_or(SettingError::Missing { name })
}

/// The URL that `name` holds, if it holds anything.
///
/// # Errors
/// When it is not one that a path can follow.
pub fn optional_url(lookup: &Lookup<'_>, name: &'static str) -> Result<Option<PublicUrl>, SettingError> {
    optional(lookup, name)
        .map(|value| PublicUrl::parse(&value).map_err(|NotABaseUrl(reason)| SettingError::Invalid { name, reason }))
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

/// How much our own code logs: `GREENLIGHT_LOG`, one of `off`, `error`, `warn`, `info`, `debug`, `trace`; `info` without.
///
/// It is meant for Greenlight's own targets. At `trace` the AWS SDK logs whole requests and answers, which hold what must
/// not be logged, so a `main` keeps every other target at `warn`.
///
/// # Errors
/// When it is another word.
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

/// What stands between a function and its callers: `GREENLIGHT_DOOR`.
///
/// The two frame an answer differently, so a wrong guess is an answer that nobody can read: there is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// A Function URL with `RESPONSE_STREAM`: the answer is sent as it is made.
    Stream,
    /// An HTTP API: the answer is sent whole, in base64, at most 6 MB of it.
    Buffered,
}

impl Door {
    /// Reads `GREENLIGHT_DOOR`: `stream` or `buffered`.
    ///
    /// # Errors
    /// When it is missing, or another word.
    pub fn from_lookup(lookup: &Lookup<'_>) -> Result<Self, SettingError> {
        const NAME: &str = "GREENLIGHT_DOOR";
        match required(lookup, NAME)?.as_str() {
            "stream" => Ok(Self::Stream),
            "buffered" => Ok(Self::Buffered),
            _ => Err(SettingError::Invalid { name: NAME, reason: "it must be stream or buffered" }),
        }
    }
}

/// A text that is not a URL that a path can follow. Says what is wrong; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotABaseUrl(&'static str);

/// A URL that paths are added to: `http` or `https`, a host, perhaps a port and a path, and nothing else.
///
/// It never ends with a slash, so what is added to it always begins with one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Takes `text`; a slash at its end is left out.
    ///
    /// # Errors
    /// When it is no URL, or one with another scheme, a user, a query or a fragment.
    pub fn parse(text: &str) -> Result<Self, NotABaseUrl> {
        let url = reqwest::Url::parse(text)
            .map_err(|_| NotABaseUrl("it must be a URL such as https://example.com or https://example.com/path"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotABaseUrl("it must begin with https:// or http://"));
        }
        // A password in a URL ends up in logs; nothing here needs one.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotABaseUrl("it must not hold a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(NotABaseUrl("it must not have a query or a fragment, as a path is added to it"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// The URL of `path` under this one, with one slash between them. `path` is taken as it is, already encoded.
    pub fn join(&self, path: &str) -> String {
        format!("{}/{}", self.0, path.strip_prefix('/').unwrap_or(path))
    }

    /// The URL as text, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
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
            Door::from_lookup(&holding("hunter2")).unwrap_err(),
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
    fn a_url_gets_its_path_after_one_slash() {
        for (base, joined) in [
            ("https://example.com", "https://example.com/media/x"),
            ("https://example.com/", "https://example.com/media/x"),
            ("https://example.com/green/light//", "https://example.com/green/light/media/x"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/media/x"),
        ] {
            let url = PublicUrl::parse(base).unwrap();
            assert_eq!(url.join("media/x"), joined);
            assert_eq!(url.join("/media/x"), joined);
            assert!(!url.as_str().ends_with('/'));
        }
    }

    #[test]
    fn what_no_path_can_follow_is_refused() {
        for bad in ["example.com", "ftp://example.com", "https://", "https://h/?a=b", "https://h/#a", "https://u@h/"] {
            assert!(PublicUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_door_has_no_default() {
        assert_eq!(Door::from_lookup(&|_| None), Err(SettingError::Missing { name: "GREENLIGHT_DOOR" }));
        assert_eq!(Door::from_lookup(&holding("stream")), Ok(Door::Stream));
        assert_eq!(Door::from_lookup(&holding("buffered")), Ok(Door::Buffered));
        assert!(Door::from_lookup(&holding("Stream")).is_err());
    }

    #[test]
    fn flags_and_levels_are_words() {
        assert_eq!(flag(&|_| None, "GREENLIGHT_ALLOW_PRIVATE"), Ok(false));
        assert_eq!(flag(&holding("true"), "GREENLIGHT_ALLOW_PRIVATE"), Ok(true));
        assert_eq!(log_level(&|_| None), Ok(LevelFilter::INFO));
        assert_eq!(log_level(&holding("debug")), Ok(LevelFilter::DEBUG));
    }
}
