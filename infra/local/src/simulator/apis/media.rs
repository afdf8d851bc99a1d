//! `media_check_async`: takes a URL, downloads what is there, and pushes what it thinks of it.

use std::sync::Arc;
use std::time::Duration;

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::check_request::{admit_author, is_version_2};
use super::media_judge;
use crate::simulator::pushes;
use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::behaviour::{Behaviour, MediaReading, PushShape, RepeatBy};
use crate::simulator::vocabulary::call::Call;
use crate::simulator::vocabulary::ids::{digest_of_bytes, openid_of};
use crate::simulator::vocabulary::media_check::{MediaEvent, MediaKind, OpenCheck};
use crate::simulator::vocabulary::records::CheckRecord;
use crate::simulator::vocabulary::verdict::{DOWNLOAD_ERROR, ForcedVerdict, Outcome, Verdict};

/// 单个文件大小不超过10M (多媒体内容安全识别).
const LARGEST_MEDIUM: usize = 10 << 20;

#[derive(Deserialize)]
struct MediaBody {
    media_url: Option<String>,
    media_type: Option<i64>,
    version: Option<i64>,
    scene: Option<i64>,
    openid: Option<String>,
}

/// A check that was found in order.
struct Admitted {
    url: reqwest::Url,
    kind: MediaKind,
    openid: String,
    shape: PushShape,
}

/// `POST /wxa/media_check_async`.
pub(crate) async fn media_check_async(shared: &Arc<Shared>, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let (mut record, body) = {
        let mut world = shared.world();
        let app_id = world.admit_token(call.parameter("access_token"), now)?;
        world.spend(&app_id, Api::MediaCheckAsync, now)?;
        let body: MediaBody = call.json()?;
        let mut record = CheckRecord::new(now, app_id, Api::MediaCheckAsync);
        record.openid = body.openid.clone();
        record.scene = body.scene;
        record.media_url = body.media_url.clone();
        record.media_type = body.media_type;
        (record, body)
    };
    match accept(shared, &mut record, &body, now).await {
        Err(refusal) => {
            record.errcode = refusal.errcode;
            shared.world().remember_check(record);
            Err(refusal)
        }
        Ok((trace_id, mut done, wait)) => {
            if wait {
                // An error means that the simulator stopped, and then nobody hears the answer anyway.
                let _stopped = done.wait_for(|done| *done).await;
            }
            Ok(json!({ "errcode": 0, "errmsg": "ok", "trace_id": trace_id }))
        }
    }
}

type Accepted = (String, tokio::sync::watch::Receiver<bool>, bool);

/// Takes the check: its trace id, when its push is done, and whether the answer waits for that.
async fn accept(
    shared: &Arc<Shared>,
    record: &mut CheckRecord,
    body: &MediaBody,
    now: Timestamp,
) -> Result<Accepted, Refusal> {
    let admitted = admit(shared, &record.app_id, body, now)?;
    let behaviour = behaviour(shared, &record.app_id)?;
    let mut reading = None;
    if let Some(limit) = behaviour.repeat_limit {
        let key = match limit.by {
            RepeatBy::Url => admitted.url.to_string(),
            RepeatBy::Bytes => {
                let read = read(&shared.client, &admitted.url, &behaviour).await;
                let key = read.as_ref().map_or_else(|_| admitted.url.to_string(), |bytes| digest_of_bytes(bytes));
                reading = Some(read);
                key
            }
        };
        let mut world = shared.world();
        world.apps.get_mut(&record.app_id).ok_or(Refusal::of(40013))?.note_submission(&key, now)?;
    }

    let mut world = shared.world();
    let trace_id = match admitted.shape {
        PushShape::V1 => world.fresh_id_v1(),
        PushShape::V2 => world.fresh_id(now),
    };
    record.trace_id = Some(trace_id.clone());
    world.remember_check(record.clone());
    let app = world.apps.get_mut(&record.app_id).ok_or(Refusal::of(40013))?;
    let forced = app.behaviour.media_verdicts.pop_front();
    let open = OpenCheck {
        openid: admitted.openid.clone(),
        media_url: admitted.url.to_string(),
        kind: admitted.kind,
        shape: admitted.shape,
    };
    app.open.insert(trace_id.clone(), open);
    drop(world);
    // Before it is answered: what was taken is owed.
    shared.save();
    let check =
        Check { app_id: record.app_id.clone(), trace_id: trace_id.clone(), admitted, behaviour, forced, reading };
    let wait = check.behaviour.push_before_answer;
    let done = shared.spawn(check.run(Arc::clone(shared)));
    Ok((trace_id, done, wait))
}

/// Begins a check again that an earlier simulator had taken.
pub(crate) fn resume(shared: &Arc<Shared>, app_id: &AppId, trace_id: String, check: OpenCheck) {
    let Ok(url) = reqwest::Url::parse(&check.media_url) else { return };
    let open = OpenCheck { media_url: url.to_string(), ..check };
    let mut record = CheckRecord::new(shared.clock.now(), app_id.clone(), Api::MediaCheckAsync);
    record.openid = Some(open.openid.clone());
    record.media_url = Some(open.media_url.to_string());
    record.trace_id = Some(trace_id.clone());
    let Ok(behaviour) = behaviour(shared, app_id) else { return };
    shared.world().remember_check(record);
    shared.change(app_id, |app| app.open.insert(trace_id.clone(), open.clone()));
    let admitted = Admitted { url, kind: open.kind, openid: open.openid, shape: open.shape };
    let check = Check { app_id: app_id.clone(), trace_id, admitted, behaviour, forced: None, reading: None };
    shared.spawn(check.run(Arc::clone(shared)));
}

fn behaviour(shared: &Shared, app_id: &AppId) -> Result<Behaviour, Refusal> {
    shared.world().apps.get(app_id).map(|app| app.behaviour.clone()).ok_or(Refusal::of(40013))
}

/// Refuses what WeChat refuses in its answer: 40004, 40048, 40129, 40003, 43104, 61010.
fn admit(shared: &Shared, app_id: &AppId, body: &MediaBody, now: Timestamp) -> Result<Admitted, Refusal> {
    let world = shared.world();
    let version_2 = is_version_2(body.version)?;
    let kind = match body.media_type {
        Some(1) => MediaKind::Audio,
        Some(2) => MediaKind::Image,
        _ => return Err(Refusal::of(40004)),
    };
    // 40048 stands for both in the field: a URL that is none, and an app without a push URL.
    let url = body.media_url.as_deref().and_then(|text| reqwest::Url::parse(text).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).ok_or(Refusal::of(40048))?;
    let app = world.apps.get(app_id).ok_or(Refusal::of(40013))?;
    if app.settings.push_url.is_empty() {
        return Err(Refusal::of(40048));
    }
    if !version_2 {
        // Version 1 names nobody, yet its push comes from somebody.
        return Ok(Admitted { url, kind, openid: openid_of(app_id, "nobody"), shape: PushShape::V1 });
    }
    let openid = admit_author(&world, app_id, body.scene, body.openid.as_deref(), now)?;
    Ok(Admitted { url, kind, openid: openid.to_owned(), shape: app.behaviour.push_shape })
}

/// A check that was taken, with what it was to do when it was.
struct Check {
    app_id: AppId,
    trace_id: String,
    admitted: Admitted,
    behaviour: Behaviour,
    forced: Option<ForcedVerdict>,
    reading: Option<Result<Vec<u8>, Unreadable>>,
}

impl Check {
    async fn run(self, shared: Arc<Shared>) {
        let found = self.judge_url(&shared).await;
        let outcome = self.forced.as_ref().map_or(found, Outcome::forced);
        if let Some(record) = shared.world().check(&self.app_id, &self.trace_id) {
            record.push_errcode = Some(outcome.errcode);
            record.verdict = outcome.verdict.clone();
        }
        let event = MediaEvent {
            app_id: self.app_id,
            trace_id: self.trace_id,
            openid: self.admitted.openid,
            shape: self.admitted.shape,
            created_at: shared.clock.now(),
            outcome,
        };
        tokio::time::sleep(Duration::from_millis(self.behaviour.push_delay_ms)).await;
        pushes::deliver(&shared, event).await;
    }

    async fn judge_url(&self, shared: &Shared) -> Outcome {
        if self.behaviour.media_reading == MediaReading::Skip {
            return Outcome::found(Verdict::pass());
        }
        let bytes = match &self.reading {
            Some(Ok(bytes)) => Ok(bytes.clone()),
            Some(Err(Unreadable)) => Err(Unreadable),
            None => read(&shared.client, &self.admitted.url, &self.behaviour).await,
        };
        let unreadable = match self.behaviour.media_reading {
            MediaReading::PassUnreadable => Outcome::found(Verdict::pass()),
            MediaReading::Download | MediaReading::Skip => Outcome::failed(DOWNLOAD_ERROR),
        };
        let Ok(bytes) = bytes else { return unreadable };
        if let Some(record) = shared.world().check(&self.app_id, &self.trace_id) {
            record.media_sha256 = Some(digest_of_bytes(&bytes));
            record.media_bytes = Some(bytes.len());
        }
        if self.behaviour.download_stops_after_bytes > 0 {
            return Outcome::found(Verdict::pass());
        }
        let kind = self.admitted.kind;
        let judged = tokio::task::spawn_blocking(move || media_judge::judge(kind, &bytes)).await;
        judged.ok().flatten().map_or(unreadable, Outcome::found)
    }
}

/// A medium that could not be downloaded.
#[derive(Debug)]
struct Unreadable;

impl From<reqwest::Error> for Unreadable {
    fn from(error: reqwest::Error) -> Self {
        tracing::debug!(error = %error.without_url(), "simulator: a medium cannot be read");
        Self
    }
}

/// Downloads a medium, in time and in ranges as the behaviour says.
async fn read(client: &reqwest::Client, url: &reqwest::Url, behaviour: &Behaviour) -> Result<Vec<u8>, Unreadable> {
    let limit = Duration::from_millis(behaviour.download_timeout_ms);
    tokio::time::timeout(limit, read_ranges(client, url, behaviour)).await.unwrap_or(Err(Unreadable))
}

async fn read_ranges(
    client: &reqwest::Client,
    url: &reqwest::Url,
    behaviour: &Behaviour,
) -> Result<Vec<u8>, Unreadable> {
    let step = behaviour.download_range_bytes;
    let stop = usize::try_from(behaviour.download_stops_after_bytes).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    loop {
        let mut request = client.get(url.clone());
        if step > 0 {
            let from = bytes.len() as u64;
            request = request.header(header::RANGE, format!("bytes={from}-{}", from + step - 1));
        }
        let mut response = request.send().await?;
        let whole = match response.status() {
            StatusCode::PARTIAL_CONTENT if step > 0 => Some(whole_length(&response)?),
            status if status.is_success() => {
                bytes.clear();
                None
            }
            _ => return Err(Unreadable),
        };
        let before = bytes.len();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST_MEDIUM {
                return Err(Unreadable);
            }
            if stop > 0 && bytes.len() >= stop {
                bytes.truncate(stop);
                return Ok(bytes);
            }
        }
        match whole {
            Some(whole) if bytes.len() < whole && bytes.len() > before => {}
            Some(whole) if bytes.len() < whole => return Err(Unreadable),
            _ => return Ok(bytes),
        }
    }
}

/// The length of the whole, from `Content-Range: bytes 0-9/120`.
fn whole_length(response: &reqwest::Response) -> Result<usize, Unreadable> {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| range.rsplit_once('/')?.1.parse().ok()).ok_or(Unreadable)
}
