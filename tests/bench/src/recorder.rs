//! Stands between a function and its engines, and notes what it asks for: the script of its floor.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use greenlight::outbound::Outbound;
use greenlight_floor::{Asked, Round};
use serde_json::Value;
use tokio::net::TcpListener;

/// The settings that say where engines are.
const ENDPOINTS: [&str; 4] =
    ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "GREENLIGHT_WECHAT_URL"];
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// One request, from when to when it was made.
struct Noted {
    begun: Instant,
    ended: Instant,
    asked: Asked,
}

/// Notes all that passes; its clones are one.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Vec<Noted>>>);

impl std::fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Recorder(…)")
    }
}

#[derive(Clone)]
struct Before {
    recorder: Recorder,
    engine: SocketAddr,
    http: reqwest::Client,
}

async fn pass(State(before): State<Before>, request: Request) -> Result<Response, StatusCode> {
    const LOST: StatusCode = StatusCode::BAD_GATEWAY;
    let begun = Instant::now();
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.map_err(|_| LOST)?;
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut headers = head.headers;
    for name in [CONTENT_LENGTH, CONNECTION, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let sent = before.http.request(head.method.clone(), format!("http://{}{path}", before.engine));
    // With the host that was signed.
    let answer = sent.headers(headers.clone()).body(body.clone()).send().await.map_err(|_| LOST)?;
    let (status, mut answered) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.map_err(|_| LOST)?;
    let text = |value: &axum::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let asked = Asked {
        to: before.engine,
        method: head.method.to_string(),
        path,
        headers: headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: repeatable(&body),
        status: status.as_u16(),
    };
    before.recorder.noted().push(Noted { begun, ended: Instant::now(), asked });
    for name in [CONNECTION, TRANSFER_ENCODING] {
        answered.remove(name);
    }
    Ok((status, answered, Body::from(bytes)).into_response())
}

/// A write whose condition always holds, so that it can be made again: as long, and as much work.
fn repeatable(body: &Bytes) -> Bytes {
    fn allow(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(condition)) = fields.get_mut("ConditionExpression") {
                    *condition = format!("attribute_exists(pk) OR attribute_not_exists(pk) OR ({condition})");
                }
                fields.values_mut().for_each(allow);
            }
            Value::Array(values) => values.iter_mut().for_each(allow),
            _ => {}
        }
    }
    let Ok(mut json) = serde_json::from_slice::<Value>(body) else { return body.clone() };
    allow(&mut json);
    json.to_string().into()
}

impl Recorder {
    fn noted(&self) -> MutexGuard<'_, Vec<Noted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands before what is at `url`.
    ///
    /// # Errors
    /// When there is no port, or the URL is not one of a server on loopback.
    pub async fn before(&self, url: &str) -> Result<String, Box<dyn Error>> {
        let engine = url.trim_start_matches("http://").trim_end_matches('/').parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = format!("http://{}", listener.local_addr()?);
        let before = Before { recorder: self.clone(), engine, http: Outbound::new(None)?.aws_client()? };
        let router = Router::new().fallback(pass).with_state(before);
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(own)
    }

    /// These settings, with the recorder before each engine.
    ///
    /// # Errors
    /// As [`before`](Self::before).
    pub async fn settings(
        &self,
        settings: &HashMap<String, String>,
    ) -> Result<HashMap<String, String>, Box<dyn Error>> {
        let mut settings = settings.clone();
        for name in ENDPOINTS {
            if let Some(url) = settings.get_mut(name) {
                *url = self.before(url).await?;
            }
        }
        Ok(settings)
    }

    /// What has been asked for since this was called last: what overlapped side by side, the rest one after another.
    pub fn take(&self) -> Vec<Round> {
        let mut noted = std::mem::take(&mut *self.noted());
        noted.sort_by_key(|one| one.begun);
        let mut rounds: Vec<Vec<(Instant, Vec<Asked>)>> = Vec::new();
        for Noted { begun, ended, asked } in noted {
            let over = |round: &&mut Vec<(Instant, Vec<Asked>)>| round.iter().any(|(until, _)| *until > begun);
            match rounds.last_mut().filter(over) {
                None => rounds.push(vec![(ended, vec![asked])]),
                // Another line of work of the same round, or one that has just become free.
                Some(round) => match round.iter_mut().find(|(until, _)| *until <= begun) {
                    Some((until, lane)) => {
                        *until = ended;
                        lane.push(asked);
                    }
                    None => round.push((ended, vec![asked])),
                },
            }
        }
        rounds.into_iter().map(|round| round.into_iter().map(|(_, lane)| lane).collect()).collect()
    }
}
