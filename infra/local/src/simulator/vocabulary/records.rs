//! The record of what was asked and pushed.

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use serde::Serialize;

use super::api::Api;
use super::verdict::Verdict;

/// One check, as it was asked and answered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckRecord {
    /// When it was asked, by the simulator's clock.
    pub at: Timestamp,
    /// The app whose token it carried.
    pub app_id: AppId,
    /// `msg_sec_check`, `media_check_async` or `img_sec_check`.
    pub api: Api,
    /// Whose content it is; none in version 1.
    pub openid: Option<String>,
    /// 1–4; none in version 1.
    pub scene: Option<i64>,
    /// What was judged of a text: content, title, nickname and signature, a line each.
    pub text: Option<String>,
    /// The content alone, as it came.
    pub content: Option<String>,
    /// Where a medium was to be found.
    pub media_url: Option<String>,
    /// 1 audio, 2 image.
    pub media_type: Option<i64>,
    /// SHA-256, in hexadecimal, of the bytes that were read; none before, and none if they were not.
    pub media_sha256: Option<String>,
    /// How many bytes were read.
    pub media_bytes: Option<usize>,
    /// The errcode of the answer; a check that was refused has one other than 0.
    pub errcode: i64,
    /// WeChat's name for the check.
    pub trace_id: Option<String>,
    /// The errcode that was pushed for a medium; none before there is a verdict.
    pub push_errcode: Option<i64>,
    /// What was found; none before, and none if the check failed.
    pub verdict: Option<Verdict>,
}

impl CheckRecord {
    /// A check of which nothing is known yet but when, for whom and by which API.
    pub(crate) fn new(at: Timestamp, app_id: AppId, api: Api) -> Self {
        Self {
            at,
            app_id,
            api,
            openid: None,
            scene: None,
            text: None,
            content: None,
            media_url: None,
            media_type: None,
            media_sha256: None,
            media_bytes: None,
            errcode: 0,
            trace_id: None,
            push_errcode: None,
            verdict: None,
        }
    }
}

/// One sending of a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PushRecord {
    /// When it was sent, by the simulator's clock.
    pub at: Timestamp,
    /// The app it was for.
    pub app_id: AppId,
    /// The check it told of; none for a message that was pushed by hand.
    pub trace_id: Option<String>,
    /// 1 for the first sending, more for repetitions.
    pub attempt: u32,
    /// The HTTP status of the answer; none if there was no answer, or if the push was dropped.
    pub status: Option<u16>,
    /// Whether the answer was 2xx with an empty body or `success`.
    pub accepted: bool,
    /// The push was lost on purpose (`Behaviour::drop_pushes`).
    pub dropped: bool,
}
