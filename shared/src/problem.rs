//! Problems: what a caller is told when something does not work. (RFC 9457, `application/problem+json`.)

use std::time::Duration;

use http::StatusCode;
use http::header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

/// In which language a person reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Chinese, unless something else is asked for.
    #[default]
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The language that `Accept-Language` prefers of the two; Chinese where it names neither.
    pub fn of(headers: &http::HeaderMap) -> Self {
        let header = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut best = (0.0_f32, Self::Chinese);
        for choice in header.split(',') {
            let mut parts = choice.split(';');
            let tag = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok()));
            let language = match tag.split('-').next() {
                Some("zh") => Self::Chinese,
                Some("en") => Self::English,
                _ => continue,
            };
            let weight: f32 = weight.unwrap_or(1.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The one of two texts that is in this language.
    pub fn choose<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        self.choose("zh-CN", "en")
    }
}

/// A text in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// For who reads Chinese.
    pub zh: String,
    /// For who reads English.
    pub en: String,
}

impl Message {
    /// A text in both languages.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The text in one language.
    pub fn in_language(&self, language: Language) -> &str {
        language.choose(&self.zh, &self.en)
    }
}

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where: a field, as `media[0].upload_id`.
    pub field: String,
    /// What.
    pub message: Message,
}

impl Fault {
    /// A fault in a field.
    pub fn new(field: impl Into<String>, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { field: field.into(), message: Message::new(zh, en) }
    }
}

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word that programs can tell it by.
    pub code: &'static str,
    /// What a person should read: what is wrong, and what to do.
    pub message: Message,
    /// Every single thing that is wrong, where there are several.
    pub faults: Vec<Fault>,
    /// When to try again.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem with a status, a code and a message in both languages.
    pub fn new(status: StatusCode, code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { status, code, message: Message::new(zh, en), faults: Vec::new(), retry_after: None }
    }

    /// With all that is wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<Fault>) -> Self {
        self.faults = faults;
        self
    }

    /// With a time after which to try again.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What is not there, or is not for this caller to see: the two look the same.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "没有找到。", "Not found.")
    }

    /// There is such a path, but not with this method.
    pub fn method_not_allowed() -> Self {
        let (zh, en) = ("不支持这个请求方法。", "This method is not supported here.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", zh, en)
    }

    /// Something of ours does not work now. What exactly stands in the log, not here.
    pub fn unavailable() -> Self {
        let (zh, en) = ("服务暂时不可用，请稍后再试。", "The service is temporarily unavailable; try again shortly.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", zh, en).retry_after(Duration::from_secs(1))
    }

    /// The body is larger than `limit` bytes.
    pub fn too_large(limit: u64) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("内容太大：最多 {limit} 字节。"),
            format!("Too large: at most {limit} bytes."),
        )
    }

    /// The answer as HTTP has it.
    pub fn into_http(self, language: Language) -> http::Response<String> {
        #[derive(Serialize)]
        struct Body<'a> {
            r#type: &'static str,
            title: &'static str,
            status: u16,
            code: &'static str,
            message: &'a str,
            #[serde(skip_serializing_if = "Vec::is_empty")]
            faults: Vec<FaultBody<'a>>,
        }
        #[derive(Serialize)]
        struct FaultBody<'a> {
            field: &'a str,
            message: &'a str,
        }
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            message: self.message.in_language(language),
            faults: self
                .faults
                .iter()
                .map(|fault| FaultBody { field: &fault.field, message: fault.message.in_language(language) })
                .collect(),
        };
        let json = serde_json::to_string(&body).unwrap_or_default() + "\n";
        let mut response = http::Response::new(json);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/problem+json; charset=utf-8"));
        headers.insert(CONTENT_LANGUAGE, http::HeaderValue::from_static(language.tag()));
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1: a 401 says how to authenticate.
            headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: who comes sooner comes too soon.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = http::HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(RETRY_AFTER, value);
            }
        }
        response
    }
}

impl From<crate::table::TableError> for Problem {
    /// The detail goes to the log, where the error is turned into an answer; the caller learns that it may try again.
    fn from(error: crate::table::TableError) -> Self {
        tracing::error!(error = %error, "the table failed a request");
        Self::unavailable()
    }
}

impl From<crate::bucket::BucketError> for Problem {
    fn from(error: crate::bucket::BucketError) -> Self {
        tracing::error!(error = %error, "the bucket failed a request");
        Self::unavailable()
    }
}

impl From<crate::author::NotAdmitted> for Problem {
    fn from(error: crate::author::NotAdmitted) -> Self {
        match error {
            crate::author::NotAdmitted::Banned { until } => Self::new(
                StatusCode::FORBIDDEN,
                "author_banned",
                format!("您暂时不能发布内容，北京时间 {} 之后恢复。", until.in_beijing()),
                format!("You cannot publish until {} (Beijing time).", until.in_beijing()),
            ),
            crate::author::NotAdmitted::TooMany { retry_after } => {
                let (zh, en) = ("操作太频繁，请稍后再试。", "Too many requests; try again later.");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", zh, en).retry_after(retry_after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(header: &str) -> Language {
        let mut headers = http::HeaderMap::new();
        headers.insert(ACCEPT_LANGUAGE, header.parse().unwrap());
        Language::of(&headers)
    }

    #[test]
    fn a_person_reads_the_language_asked_for_or_chinese() {
        assert_eq!(Language::of(&http::HeaderMap::new()), Language::Chinese);
        for (header, expected) in [
            ("en", Language::English),
            ("en-GB,zh;q=0.5", Language::English),
            ("zh-CN,en;q=0.9", Language::Chinese),
            ("fr", Language::Chinese),
            ("en;q=0.1, zh;q=0.2", Language::Chinese),
            ("fr, en;q=0.3", Language::English),
            ("*;q=x,,;", Language::Chinese),
        ] {
            assert_eq!(language(header), expected, "{header}");
        }
    }

    #[test]
    fn a_retry_is_never_told_too_soon() {
        let response = Problem::unavailable().retry_after(Duration::from_millis(1_001)).into_http(Language::English);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json; charset=utf-8");
    }
}
