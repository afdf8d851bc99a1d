//! A check of a medium: as it is taken, and as its verdict is pushed.

use greenlight::domain::clock::Timestamp;
use greenlight::domain::ids::AppId;
use serde::{Deserialize, Serialize};

use super::behaviour::PushShape;
use super::verdict::Outcome;

/// What `media_type` says a medium is (多媒体内容安全识别).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MediaKind {
    /// 1
    Audio,
    /// 2
    Image,
}

/// A check that was taken, and whose verdict has not been sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OpenCheck {
    pub(crate) openid: String,
    pub(crate) media_url: String,
    pub(crate) kind: MediaKind,
    pub(crate) shape: PushShape,
}

/// A verdict on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MediaEvent {
    pub(crate) app_id: AppId,
    pub(crate) trace_id: String,
    pub(crate) openid: String,
    pub(crate) shape: PushShape,
    pub(crate) created_at: Timestamp,
    pub(crate) outcome: Outcome,
}
