//! Pushes: sealed, sent, and sent again until somebody takes them.

use std::time::Duration;

use bytes::Bytes;
use greenlight::domain::ids::AppId;
use greenlight::wechat::envelope::{AesKey, seal, signature};
use http::header;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::shared::Shared;
use super::vocabulary::behaviour::{Behaviour, PushFormat, PushMode, PushShape};
use super::vocabulary::ids::{account_of, openid_of};
use super::vocabulary::media_check::MediaEvent;
use super::vocabulary::records::PushRecord;
use super::vocabulary::simulated_app::SimulatedApp;
use super::vocabulary::verdict::{ForcedVerdict, Outcome};

mod message;

use message::{message, write};

/// In which order held pushes are released: `"oldest_first"`, `"newest_first"`, `{"shuffled": 7}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleaseOrder {
    /// As they were decided.
    #[default]
    OldestFirst,
    /// The other way round.
    NewestFirst,
    /// In an order that depends on nothing but this number.
    Shuffled(u64),
}

impl ReleaseOrder {
    fn apply(self, events: &mut [MediaEvent]) {
        match self {
            Self::OldestFirst => {}
            Self::NewestFirst => events.reverse(),
            Self::Shuffled(seed) => {
                // Fisher and Yates, with the numbers of a linear congruential generator (Knuth's MMIX).
                let mut state = seed;
                for last in (1..events.len()).rev() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let chosen = usize::try_from((state >> 33) % (last as u64 + 1)).unwrap_or(last);
                    events.swap(last, chosen);
                }
            }
        }
    }
}

/// What came of pushes that were sent at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// So many verdicts were sent, each once or, with [`Behaviour::push_copies`], more often.
    pub pushes: usize,
    /// So many of them were taken, every copy of them.
    pub accepted: usize,
}

/// Sends a verdict, or holds or loses it, as the app's behaviour says now.
pub(super) async fn deliver(shared: &Shared, event: MediaEvent) {
    let event = {
        let mut world = shared.world();
        let Some(app) = world.apps.get_mut(&event.app_id) else { return };
        if app.behaviour.hold_pushes {
            app.held.push(event);
            return;
        }
        event
    };
    send_event(shared, &event).await;
}

/// Sends what was held, one after another.
pub(super) async fn release(shared: &Shared, app_id: &AppId, order: ReleaseOrder) -> Option<Pushed> {
    let mut events = std::mem::take(&mut shared.world().apps.get_mut(app_id)?.held);
    order.apply(&mut events);
    let mut pushed = Pushed::default();
    for event in &events {
        pushed.pushes += 1;
        pushed.accepted += usize::from(send_event(shared, event).await);
    }
    Some(pushed)
}

/// Pushes the verdict of a check again, or another verdict in its name, whatever is held or dropped.
///
/// Nothing if there is no such check; otherwise whether the push was taken.
pub(super) async fn repeat(
    shared: &Shared,
    app_id: &AppId,
    trace_id: &str,
    instead: Option<&ForcedVerdict>,
) -> Option<bool> {
    let (event, behaviour) = {
        let mut world = shared.world();
        let behaviour = world.apps.get(app_id)?.behaviour.clone();
        let record = world.check(app_id, trace_id)?;
        let own = record.push_errcode.map(|errcode| Outcome { errcode, verdict: record.verdict.clone() });
        let outcome = instead.map(Outcome::forced).or(own)?;
        // Only the trace ids of version 1 have no dashes.
        let shape = if trace_id.contains('-') { PushShape::V2 } else { PushShape::V1 };
        let openid = record.openid.clone().unwrap_or_else(|| openid_of(app_id, "nobody"));
        let created_at = shared.clock.now();
        (
            MediaEvent { app_id: app_id.clone(), trace_id: trace_id.to_owned(), openid, shape, created_at, outcome },
            behaviour,
        )
    };
    let text = write(&message(&event, &behaviour), behaviour.push_format);
    Some(send(shared, app_id, Some(trace_id), &event.openid, &text).await)
}

/// Sends all copies of a verdict; whether all of them were taken.
async fn send_event(shared: &Shared, event: &MediaEvent) -> bool {
    let all = send_copies(shared, event).await;
    shared.change(&event.app_id, |app| app.open.remove(&event.trace_id));
    shared.save();
    all
}

async fn send_copies(shared: &Shared, event: &MediaEvent) -> bool {
    let behaviour = {
        let mut world = shared.world();
        let Some(app) = world.apps.get_mut(&event.app_id) else { return false };
        if app.behaviour.take_drop() {
            let record = PushRecord {
                at: shared.clock.now(),
                app_id: event.app_id.clone(),
                trace_id: Some(event.trace_id.clone()),
                attempt: 1,
                status: None,
                accepted: false,
                dropped: true,
            };
            world.remember_push(record);
            return false;
        }
        app.behaviour.clone()
    };
    let text = write(&message(event, &behaviour), behaviour.push_format);
    let mut all = behaviour.push_copies > 0;
    for _ in 0..behaviour.push_copies {
        all &= send(shared, &event.app_id, Some(&event.trace_id), &event.openid, &text).await;
    }
    all
}

/// Sends a message until it is taken, or until there were enough repetitions; whether it was taken.
pub(super) async fn send(shared: &Shared, app_id: &AppId, trace_id: Option<&str>, openid: &str, text: &str) -> bool {
    let app = {
        let world = shared.world();
        world.apps.get(app_id).map(|app| (app.settings.clone(), app.behaviour.clone()))
    };
    let Some((settings, behaviour)) = app else { return false };
    for attempt in 1..=behaviour.push_retries.saturating_add(1) {
        if attempt > 1 {
            tokio::time::sleep(Duration::from_millis(behaviour.push_retry_delay_ms)).await;
        }
        let at = shared.clock.now();
        let answer = send_once(shared, &settings, &behaviour, openid, text).await;
        let accepted = answer.as_ref().is_some_and(|(status, body)| {
            // 回复空串或 success (消息推送): anything else is no answer.
            (200..300).contains(status) && matches!(body.trim_ascii(), b"" | b"success")
        });
        shared.world().remember_push(PushRecord {
            at,
            app_id: app_id.clone(),
            trace_id: trace_id.map(str::to_owned),
            attempt,
            status: answer.map(|(status, _)| status),
            accepted,
            dropped: false,
        });
        if accepted {
            return true;
        }
    }
    false
}

async fn send_once(
    shared: &Shared,
    settings: &SimulatedApp,
    behaviour: &Behaviour,
    openid: &str,
    text: &str,
) -> Option<(u16, Bytes)> {
    let sealed = sealed(shared, settings, behaviour, openid, text);
    let Some((url, content_type, body)) = sealed else {
        tracing::warn!(app_id = %settings.app_id, "simulator: a push has no valid URL or key");
        return None;
    };
    let limit = Duration::from_millis(behaviour.push_timeout_ms);
    let exchange = async {
        let request = shared.client.post(url).header(header::CONTENT_TYPE, content_type).body(body);
        let response = request.send().await?;
        Ok::<_, reqwest::Error>((response.status().as_u16(), response.bytes().await?))
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::debug!(error = %error.without_url(), "simulator: a push was not answered");
            None
        }
        Err(_) => None,
    }
}

/// Signs and seals a message as 消息推送 says: the URL with its query, the content type, the body.
fn sealed(
    shared: &Shared,
    settings: &SimulatedApp,
    behaviour: &Behaviour,
    openid: &str,
    text: &str,
) -> Option<(reqwest::Url, &'static str, String)> {
    let (timestamp, random) = {
        let now = shared.clock.now();
        (now.unix_seconds().to_string(), shared.world().fresh_bytes())
    };
    let (prefix, rest) = random.split_at_checked(16)?;
    let nonce = rest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte)).to_string();
    let token = settings.push_token.as_str();
    let mut url = reqwest::Url::parse(&settings.push_url).ok()?;
    url.query_pairs_mut()
        .append_pair("signature", &signature(&[token, &timestamp, &nonce]))
        .append_pair("timestamp", &timestamp)
        .append_pair("nonce", &nonce)
        .append_pair("openid", openid);
    let is_xml = text.starts_with('<');
    let content_type = if is_xml { "text/xml" } else { "application/json" };
    if behaviour.push_mode == PushMode::Plaintext {
        return Some((url, content_type, text.to_owned()));
    }
    let key = AesKey::parse(&settings.push_aes_key).ok()?;
    let encrypted = seal(&key, prefix.try_into().ok()?, text.as_bytes(), &settings.app_id);
    url.query_pairs_mut()
        .append_pair("encrypt_type", "aes")
        .append_pair("msg_signature", &signature(&[token, &timestamp, &nonce, &encrypted]));
    let format = if is_xml { PushFormat::Xml } else { PushFormat::Json };
    let body = match behaviour.push_mode {
        PushMode::Compatible => beside(text, format, &encrypted),
        PushMode::Safe | PushMode::Plaintext => {
            write(&json!({ "ToUserName": account_of(&settings.app_id), "Encrypt": encrypted }), format)
        }
    };
    Some((url, content_type, body))
}

/// Compatible mode: the plain fields, and `Encrypt` as one more.
fn beside(text: &str, format: PushFormat, encrypted: &str) -> String {
    match format {
        PushFormat::Xml => match text.trim_end().strip_suffix("</xml>") {
            Some(start) => format!("{start}<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>"),
            None => text.to_owned(),
        },
        PushFormat::Json => match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(mut fields)) => {
                fields.insert("Encrypt".to_owned(), json!(encrypted));
                Value::Object(fields).to_string()
            }
            _ => text.to_owned(),
        },
    }
}
