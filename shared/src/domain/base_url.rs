//! A URL that paths are added to: where something of ours, of WeChat's or of the owner's is reached.

use std::fmt;

use url::Url;

/// A text that is not a URL that a path can follow. Says what is wrong; never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotABaseUrl(pub &'static str);

/// A URL that paths are added to: `http` or `https`, a host, perhaps a port and a path, and nothing else.
///
/// It never ends with a slash, so what is added to it always begins with one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// Takes `text`; a slash at its end is left out.
    pub fn parse(text: &str) -> Result<Self, NotABaseUrl> {
        let url = Url::parse(text)
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

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gets_its_path_after_one_slash() {
        for (base, joined) in [
            ("https://example.com", "https://example.com/media/x"),
            ("https://example.com/", "https://example.com/media/x"),
            ("https://example.com/green/light//", "https://example.com/green/light/media/x"),
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/media/x"),
        ] {
            let url = BaseUrl::parse(base).unwrap();
            assert_eq!(url.join("media/x"), joined);
            assert_eq!(url.join("/media/x"), joined);
            assert!(!url.as_str().ends_with('/'));
        }
    }

    #[test]
    fn what_no_path_can_follow_is_refused() {
        for bad in ["example.com", "ftp://example.com", "https://", "https://h/?a=b", "https://h/#a", "https://u@h/"] {
            assert!(BaseUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
