//! What stands before S3 and Secrets Manager, one for each function: refuses what the function's role does not allow.

use std::collections::HashMap;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use greenlight_local::stack::{BUCKET, Stack};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::grants::allows;
use crate::relay::Relay;
use crate::template::functions;

/// The relays of all functions.
pub struct Watched {
    relays: HashMap<(&'static str, &'static str), Relay>,
}

impl Watched {
    /// Stands before the engines of `stack`.
    pub async fn before(stack: &Stack) -> Self {
        let settings = stack.settings();
        let mut relays = HashMap::new();
        for (_, function, _) in functions() {
            for (setting, refusal) in [
                ("AWS_ENDPOINT_URL_S3", s3_refusal as fn(&str, &Parts, &Bytes) -> Option<Response>),
                ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets_refusal),
            ] {
                let upstream = settings.get(setting).expect("the stack's own settings");
                let relay = Relay::watching(upstream, move |head, body| refusal(function, head, body)).await;
                relays.insert((function, setting), relay);
            }
        }
        Self { relays }
    }

    /// The endpoint of a function in a setting, if it is one of these.
    pub fn endpoint(&self, function: &str, setting: &str) -> Option<String> {
        self.relays.get(&(function, setting)).map(|relay| relay.url.clone())
    }
}

/// What each S3 request needs. (AWS: "Required permissions for Amazon S3 API operations".)
fn s3_refusal(function: &str, head: &Parts, body: &Bytes) -> Option<Response> {
    let object = |path: &str| {
        let key = path.trim_start_matches('/').strip_prefix(BUCKET).unwrap_or_default();
        format!("bucket/{}", key.trim_start_matches('/'))
    };
    let path = head.uri.path();
    let copied = head.headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok());
    let needed = match (&head.method, copied) {
        (&Method::PUT, Some(source)) => vec![("s3:GetObject", object(source)), ("s3:PutObject", object(path))],
        (&Method::PUT, None) => vec![("s3:PutObject", object(path))],
        // A form carries the key in a field, and is allowed what whoever signed it is allowed.
        (&Method::POST, _) => vec![("s3:PutObject", format!("bucket/{}", form_key(body)))],
        (&Method::DELETE, _) => vec![("s3:DeleteObject", object(path))],
        _ => vec![("s3:GetObject", object(path))],
    };
    let denied = needed.iter().find(|(action, resource)| !allows(function, action, resource, &[]));
    denied.map(|(action, resource)| {
        let code = "<Error><Code>AccessDenied</Code><Message>";
        let text = format!("{code}{function} may not {action} {resource}</Message></Error>");
        (StatusCode::FORBIDDEN, text).into_response()
    })
}

fn form_key(body: &Bytes) -> String {
    let text = String::from_utf8_lossy(body);
    let value = text.split_once("name=\"key\"").and_then(|(_, rest)| rest.trim_start().split("\r\n").next());
    value.unwrap_or_default().to_owned()
}

fn secrets_refusal(function: &str, head: &Parts, _: &Bytes) -> Option<Response> {
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target.rsplit('.').next().unwrap_or_default();
    let refused = !allows(function, &format!("secretsmanager:{action}"), "secret", &[]);
    refused.then(|| (StatusCode::BAD_REQUEST, r#"{"__type":"AccessDeniedException"}"#).into_response())
}
