//! `msg_sec_check`: texts are judged by the words in them.

use greenlight::domain::clock::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::check_request::{admit_author, is_version_2};
use crate::simulator::shared::Shared;
use crate::simulator::vocabulary::api::{Api, Refusal};
use crate::simulator::vocabulary::call::Call;
use crate::simulator::vocabulary::records::CheckRecord;
use crate::simulator::vocabulary::verdict::{ForcedVerdict, Verdict};
use crate::simulator::world::World;

/// A text with one of these words is risky, label 20006 (违法犯罪).
pub const RISKY_WORDS: [&str; 2] = ["违禁", "forbidden"];
/// A text with one of these words, and none of [`RISKY_WORDS`], is for review, label 20002 (色情).
pub const REVIEW_WORDS: [&str; 2] = ["可疑", "doubtful"];

/// 不超过2500字 (文本内容安全识别), counted in Unicode scalar values; the errcode beyond it is not
/// documented, and 45002 was reported.
const LONGEST_CONTENT: usize = 2_500;
/// Version 1: 500 KB (framework/security.msgSecCheck-v1).
const LARGEST_CONTENT_V1: usize = 500 * 1024;

#[derive(Deserialize)]
struct TextBody {
    content: Option<String>,
    version: Option<i64>,
    scene: Option<i64>,
    openid: Option<String>,
    title: Option<String>,
    nickname: Option<String>,
    signature: Option<String>,
}

impl TextBody {
    /// All that is judged. The signature counts only where the scene is a profile (文本内容安全识别).
    fn judged(&self) -> String {
        let signature = self.signature.as_ref().filter(|_| self.scene == Some(1));
        let parts = [self.content.as_ref(), self.title.as_ref(), self.nickname.as_ref(), signature];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// `POST /wxa/msg_sec_check`.
pub(crate) fn msg_sec_check(shared: &Shared, call: &Call) -> Result<Value, Refusal> {
    let now = shared.clock.now();
    let mut world = shared.world();
    let app_id = world.admit_token(call.parameter("access_token"), now)?;
    world.spend(&app_id, Api::MsgSecCheck, now)?;
    let body: TextBody = call.json()?;
    let mut record = CheckRecord::new(now, app_id, Api::MsgSecCheck);
    record.openid = body.openid.clone();
    record.scene = body.scene;
    record.content = body.content.clone();
    record.text = Some(body.judged());
    let escaped = call.body.windows(2).any(|pair| pair == br"\u");
    let outcome = judge(&mut world, &mut record, &body, escaped, now);
    record.errcode = outcome.as_ref().err().map_or(0, |refusal| refusal.errcode);
    world.remember_check(record);
    outcome
}

fn judge(
    world: &mut World,
    record: &mut CheckRecord,
    body: &TextBody,
    escaped: bool,
    now: Timestamp,
) -> Result<Value, Refusal> {
    let version_2 = is_version_2(body.version)?;
    let content = body.content.as_deref().ok_or(Refusal::of(47001))?;
    if content.is_empty() {
        return Err(Refusal::of(47001));
    }
    if version_2 {
        admit_author(world, &record.app_id, body.scene, body.openid.as_deref(), now)?;
        if content.chars().count() > LONGEST_CONTENT {
            return Err(Refusal::of(45002));
        }
    } else if content.len() > LARGEST_CONTENT_V1 {
        return Err(Refusal::of(45002));
    }

    let app = world.apps.get_mut(&record.app_id).ok_or(Refusal::of(40013))?;
    let passes_unread = escaped && app.behaviour.escaped_text_passes;
    let judged = if version_2 { body.judged() } else { content.to_owned() };
    let (verdict, word) = match app.behaviour.text_verdicts.pop_front() {
        Some(ForcedVerdict::Verdict(verdict)) => (Some(verdict), None),
        Some(ForcedVerdict::Errcode(errcode)) => return Err(Refusal::of(errcode)),
        Some(ForcedVerdict::NoResult) => (None, None),
        None if passes_unread => (Some(Verdict::pass()), None),
        None => {
            let (verdict, word) = verdict_on(&judged);
            (Some(verdict), word)
        }
    };
    record.verdict = verdict.clone();
    if !version_2 {
        let risky = verdict.is_some_and(|verdict| verdict.suggest == "risky");
        return if risky { Err(Refusal::of(87014)) } else { Ok(json!({ "errcode": 0, "errmsg": "ok" })) };
    }
    let trace_id = world.fresh_id(now);
    record.trace_id = Some(trace_id.clone());
    let Some(verdict) = verdict else {
        return Ok(json!({ "errcode": 0, "errmsg": "ok", "detail": [], "trace_id": trace_id }));
    };
    let details = details(&verdict, word);
    Ok(json!({ "errcode": 0, "errmsg": "ok", "result": verdict.as_result(), "detail": details, "trace_id": trace_id }))
}

/// What WeChat would say, and the word that made it say so.
fn verdict_on(text: &str) -> (Verdict, Option<&'static str>) {
    let found = |words: [&'static str; 2]| words.into_iter().find(|word| text.contains(word));
    if let Some(word) = found(RISKY_WORDS) {
        (Verdict::new("risky", 20006), Some(word))
    } else if let Some(word) = found(REVIEW_WORDS) {
        (Verdict::new("review", 20002), Some(word))
    } else {
        (Verdict::pass(), None)
    }
}

/// The details: as in the example of 文本内容安全识别 their labels disagree with the result's, one is not valid, and as
/// in answers reported from the field the keyword item may be bare.
fn details(verdict: &Verdict, word: Option<&str>) -> Value {
    let model_label = match verdict.label {
        Some(100) => 100,
        Some(20006) => 20001,
        _ => 20006,
    };
    let model = json!({
        "strategy": "content_model", "errcode": 0, "suggest": verdict.suggest, "label": model_label, "prob": 90
    });
    let keyword = match word {
        Some(word) => json!({
            "strategy": "keyword", "errcode": 0, "suggest": verdict.suggest, "label": 20006,
            "keyword": word, "level": 90
        }),
        None => json!({ "strategy": "keyword", "errcode": 0 }),
    };
    let failed = json!({ "strategy": "picture_model", "errcode": -1, "suggest": "risky", "label": 21000 });
    json!([model, keyword, failed])
}
