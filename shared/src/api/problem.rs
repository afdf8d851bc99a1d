//! Problems: what a caller is told when something does not work. (RFC 9457, `application/problem+json`.)

use std::time::Duration;

use http::StatusCode;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

use super::language::{Language, Message};
use crate::apps::NoApp;
use crate::bucket::BucketError;
use crate::domain::author::NotAdmitted;
use crate::domain::ids::AppId;
use crate::error::chain;
use crate::moderation::admit::AdmitError;
use crate::moderation::check::CheckError;
use crate::table::TableError;

/// What adds an app to a deployment.
const ADD_APP: &str = "node infra/add-app.mjs --stack <STACK> --app-id <wx…>";

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
    /// A stable name that programs can tell it by.
    pub code: &'static str,
    /// What a person should read: what is wrong, and what to do.
    pub message: Message,
    /// Every single thing that is wrong, where there are several.
    pub faults: Vec<Fault>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// WeChat's error code behind it, for the owner alone.
    pub errcode: Option<i32>,
}

impl Problem {
    /// A problem with a status, a code and a message in both languages.
    pub fn new(status: StatusCode, code: &'static str, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { status, code, message: Message::new(zh, en), faults: Vec::new(), retry_after: None, errcode: None }
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

    /// With WeChat's error code, which is the owner's to see: it tells a wrong AppSecret from a wrong openid.
    #[must_use]
    pub fn errcode(mut self, errcode: Option<i32>) -> Self {
        self.errcode = errcode;
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

    /// Something of ours is broken, and trying again does not mend it. What exactly stands in the log, with an alarm.
    pub fn internal() -> Self {
        let (zh, en) = ("服务出错了，我们会尽快处理。", "Something is broken here; the operator has been told.");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", zh, en)
    }

    /// An app that cannot be had: what its operator has to do, or `unknown` where there is none of that name.
    pub fn of_no_app(no_app: &NoApp, unknown: impl FnOnce() -> Self) -> Self {
        let (code, zh, en) = match no_app {
            NoApp::NoneAtAll => (
                "no_app",
                format!("这里还没有小程序，请添加一个：{ADD_APP}"),
                format!("There is no mini program here yet; add one: {ADD_APP}"),
            ),
            NoApp::SwitchedOff(fault) => (
                "app_switched_off",
                format!("这个小程序的配置有误，已停用，请运维人员修正：{fault}。"),
                format!("This mini program is switched off until its operator mends its settings: {fault}."),
            ),
            NoApp::Unknown => return unknown(),
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, zh, en).retry_after(Duration::from_secs(10))
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
            #[serde(skip_serializing_if = "Option::is_none")]
            errcode: Option<i32>,
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
            errcode: self.errcode,
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
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            // What is left of the request is not read, so the connection ends with the answer; RFC 9112, 9.6: say so, or
            // the caller's next request goes into it.
            headers.insert(CONNECTION, http::HeaderValue::from_static("close"));
        }
        if let Some(after) = self.retry_after {
            // Whole seconds, rounded up: whoever comes sooner comes too soon.
            let seconds = after.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = http::HeaderValue::from_str(&seconds.to_string()) {
                headers.insert(RETRY_AFTER, value);
            }
        }
        response
    }
}

impl Problem {
    /// WeChat gave no verdict on something that is not stored; its error code is for the owner alone.
    pub fn of_check(app: &AppId, error: CheckError, is_owner: bool) -> Self {
        match error {
            CheckError::Admit(error) => error.into(),
            CheckError::NoVerdict(_) | CheckError::Slow => {
                let errcode = error.errcode().filter(|_| is_owner);
                let error = chain(&error);
                tracing::warn!(event = "no_verdict", %app, error, "a check gave no verdict");
                let (zh, en) = ("暂时无法检查，请稍后再试。", "It cannot be checked right now; try again shortly.");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "check_unavailable", zh, en)
                    .retry_after(Duration::from_secs(5))
                    .errcode(errcode)
            }
        }
    }
}

impl From<TableError> for Problem {
    /// The detail goes to the log, where the error is turned into an answer; the caller learns whether trying again helps.
    fn from(error: TableError) -> Self {
        let passing = error.is_passing();
        let error = chain(&error);
        if passing {
            tracing::error!(event = "table_failed", error, "the table failed a request");
            return Self::unavailable();
        }
        tracing::error!(event = "table_broken", alarm = "table", error, "the table fails");
        Self::internal()
    }
}

impl From<BucketError> for Problem {
    fn from(error: BucketError) -> Self {
        let passing = error.is_passing();
        let error = chain(&error);
        if passing {
            tracing::error!(event = "bucket_failed", error, "the bucket failed a request");
            return Self::unavailable();
        }
        tracing::error!(event = "bucket_broken", alarm = "bucket", error, "the bucket fails");
        Self::internal()
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::NotAdmitted(error) => error.into(),
            AdmitError::Table(error) => error.into(),
        }
    }
}

impl From<NotAdmitted> for Problem {
    fn from(error: NotAdmitted) -> Self {
        match error {
            NotAdmitted::Banned { until } => Self::new(
                StatusCode::FORBIDDEN,
                "author_banned",
                format!("您暂时不能发布内容，北京时间 {} 之后恢复。", until.in_beijing()),
                format!("You cannot publish until {} (Beijing time).", until.in_beijing()),
            ),
            NotAdmitted::TooMany { retry_after } => {
                let (zh, en) = ("操作太频繁，请稍后再试。", "Too many requests; try again later.");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", zh, en).retry_after(retry_after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_is_never_told_too_soon() {
        let response = Problem::unavailable().retry_after(Duration::from_millis(1_001)).into_http(Language::English);
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json; charset=utf-8");
    }
}
