//! Checks what is not stored: texts of search boxes, hot words and nicknames; pictures that are shown once.

use std::time::Duration;

use bytes::Bytes;

use super::admit::{AdmitError, admit_check};
use super::ask::Checker;
use super::wechat_access::{AccessError, WeChatAccess};
use crate::apps::App;
use crate::domain::access_state::Api;
use crate::domain::author::{Actor, Rates};
use crate::domain::ids::OpenId;
use crate::domain::submission::Scene;
use crate::domain::text::Content;
use crate::domain::verdict::Suggest;
#[cfg(doc)]
use crate::wechat::client::WeChat;
use crate::wechat::client::{Asked, TextJudged};

/// A text to be judged, and for whom.
#[derive(Clone, Debug)]
pub struct TextToCheck {
    /// The author.
    pub openid: OpenId,
    /// Who calls.
    pub actor: Actor,
    /// The scene.
    pub scene: Scene,
    /// The text.
    pub content: Content,
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The author's call was not admitted.
    #[error(transparent)]
    Admit(#[from] AdmitError),
    /// WeChat gave no verdict.
    #[error("WeChat gave no verdict")]
    NoVerdict(#[source] AccessError),
    /// WeChat took too long.
    #[error("WeChat gave no verdict in time")]
    Slow,
}

/// WeChat's verdict on a picture, within `wait`: a JPEG such as [`WeChat::check_image`] takes.
pub async fn check_image(
    access: &WeChatAccess,
    app: &App,
    jpeg: &Bytes,
    wait: Duration,
) -> Result<Suggest, CheckError> {
    let wechat = access.wechat();
    let judged = access.call(app, Api::Image, move |token| async move { wechat.check_image(&token, jpeg).await });
    let judged = tokio::time::timeout(wait, judged).await;
    access.share(&app.id).await;
    match judged {
        Ok(Ok(suggest)) => Ok(suggest),
        Ok(Err(error)) => Err(CheckError::NoVerdict(error)),
        Err(_) => Err(CheckError::Slow),
    }
}

impl CheckError {
    /// WeChat's error code, where WeChat said no.
    pub fn errcode(&self) -> Option<i32> {
        match self {
            Self::NoVerdict(AccessError::NoToken(error) | AccessError::Failed(error)) => {
                error.errcode.and_then(|errcode| errcode.try_into().ok())
            }
            Self::NoVerdict(_) | Self::Admit(_) | Self::Slow => None,
        }
    }
}

/// WeChat's verdict on a text, within `wait`.
pub async fn check_text(
    checker: &Checker,
    app: &App,
    text: &TextToCheck,
    rates: &Rates,
    wait: Duration,
) -> Result<TextJudged, CheckError> {
    let by = (text.actor, rates);
    admit_check(&checker.table, &checker.access, &checker.clock, &app.id, &text.openid, by).await?;
    let asked = Asked::default();
    let judged = checker.judge_text(app, &text.content, text.scene, &text.openid, &asked);
    let judged = tokio::time::timeout(wait, judged).await;
    checker.access.share(&app.id).await;
    match judged {
        Ok(Ok(judged)) => Ok(judged),
        Ok(Err(error)) => Err(CheckError::NoVerdict(error)),
        Err(_) => Err(CheckError::Slow),
    }
}
