//! Secrets Manager: just `GetSecretValue`, and secrets that can be replaced while it runs.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use greenlight::domain::clock::{Clock, Timestamp};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Engine, EngineError};

/// The secrets that the endpoint answers with; its clones share them.
#[derive(Clone, Default)]
pub struct SharedSecrets(Arc<RwLock<HashMap<String, Secret>>>);

#[derive(Clone)]
struct Secret {
    value: String,
    version: u64,
    created: Timestamp,
}

impl SharedSecrets {
    /// Puts `value` in the place of what the secret `name` was.
    pub fn set(&self, name: &str, value: &str) {
        let mut secrets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let version = secrets.get(name).map_or(1, |secret| secret.version + 1);
        let secret = Secret { value: value.to_owned(), version, created: Clock::system().now() };
        secrets.insert(name.to_owned(), secret);
    }

    /// Forgets the secret `name`, as if it had never been there.
    pub fn remove(&self, name: &str) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn get(&self, name: &str) -> Option<Secret> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

impl std::fmt::Debug for SharedSecrets {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SharedSecrets(…)")
    }
}

/// Serves `secrets` on `listener`.
pub async fn start(listener: TcpListener, secrets: SharedSecrets) -> Result<Engine, EngineError> {
    Engine::routing(listener, Router::new().route("/", post(answer)).with_state(secrets))
}

/// Secrets Manager's status, headers and body.
type Answer = (StatusCode, [(http::HeaderName, &'static str); 1], String);

async fn answer(State(secrets): State<SharedSecrets>, headers: HeaderMap, body: Bytes) -> Answer {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if target != Some("secretsmanager.GetSecretValue") {
        return aws_json(StatusCode::BAD_REQUEST, &json!({"__type": "UnknownOperationException"}));
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let Some(id) = request.get("SecretId").and_then(Value::as_str) else {
        return refusal("InvalidParameterException", "SecretId is missing.");
    };
    // An ARN is as good as the name that it was made from.
    let name = id.strip_prefix(ARN_PREFIX).and_then(|name| name.strip_suffix(ARN_SUFFIX)).unwrap_or(id);
    let Some(secret) = secrets.get(name) else {
        return refusal("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
    };
    aws_json(
        StatusCode::OK,
        &json!({
            "ARN": format!("{ARN_PREFIX}{name}{ARN_SUFFIX}"),
            "Name": name,
            "VersionId": format!("00000000-0000-4000-8000-{:012x}", secret.version),
            "SecretString": secret.value,
            "VersionStages": ["AWSCURRENT"],
            "CreatedDate": secret.created.unix_seconds(),
        }),
    )
}

const ARN_PREFIX: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:";
/// Secrets Manager ends every ARN with six random characters of its own.
const ARN_SUFFIX: &str = "-000000";

fn refusal(kind: &str, message: &str) -> Answer {
    aws_json(StatusCode::BAD_REQUEST, &json!({"__type": kind, "Message": message}))
}

fn aws_json(status: StatusCode, body: &Value) -> Answer {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string())
}
