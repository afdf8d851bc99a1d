//! Watches whether people keep up with what waits for them, and tells the owner when they do not.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::apps::App;
use crate::domain::clock::Clock;
use crate::domain::desk::Desk;
use crate::error::chain;
use crate::outbound::Poster;
use crate::table::{Table, TableError};

/// How long the owner's backend may take.
const WITHIN: Duration = Duration::from_secs(5);
/// While it stays late, the owner is told so often.
const TOLD_EVERY: Duration = Duration::from_secs(3600);

/// Looks at the oldest case of an app. Says whether it has waited longer than the app's limit; then somebody has to look, and the
/// owner's backend is told, once an hour at most.
pub async fn watch_queue(table: &Table, poster: &Poster, clock: &Clock, app: &App) -> Result<bool, TableError> {
    let Some(oldest) = table.oldest_case(&app.id).await? else { return Ok(false) };
    let (now, desk) = (clock.now(), table.desk(&app.id).await?);
    let waited = now.since(oldest);
    if waited <= desk.late_after() {
        return Ok(false);
    }
    let waited_s = waited.as_secs();
    tracing::error!(event = "queue_late", alarm = "queue_late", app = %app.id, waited_s, "a case has waited longer for people than it may");
    let Some(decisions) = &app.decisions else { return Ok(true) };
    if desk.late_told_at.is_some_and(|told| now.is_within(TOLD_EVERY, told)) {
        return Ok(true);
    }
    let waiting = table.backlog(&app.id).await?.cases;
    let body = json!({
        "type": "queue_late",
        "timestamp": now.to_string(),
        "data": {
            "app_id": app.id, "waiting": waiting, "oldest_since": oldest.to_string(),
            "late_after_s": desk.late_after().as_secs(),
        },
    });
    let (name, body) = (format!("msg_queue_late_{}_{}", app.id, now.unix_seconds()), Bytes::from(body.to_string()));
    let headers = decisions.key.headers(&name, now.unix_seconds(), &body);
    match poster.tell(decisions.url.clone(), headers, body, WITHIN).await {
        Ok(status) if status.is_success() => {
            let told = |desk: &mut Desk| {
                desk.late_told_at = Some(now);
                Ok::<_, TableError>(Some(()))
            };
            table.change(desk, told).await?;
        }
        Ok(status) => {
            tracing::warn!(event = "queue_late_not_told", app = %app.id, status = status.as_u16(), "the owner is told again in a minute");
        }
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(event = "queue_late_not_told", app = %app.id, error, "the owner is told again in a minute");
        }
    }
    Ok(true)
}
