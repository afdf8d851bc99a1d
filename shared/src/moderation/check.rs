//! Checks a text that is not stored: search boxes, hot words, nicknames.

use std::time::Duration;

use super::admit::{AdmitError, admit_call};
use super::ask::Checker;
use super::wechat_access::AccessError;
use crate::apps::App;
use crate::domain::author::{Actor, Rates};
use crate::domain::ids::OpenId;
use crate::domain::submission::Scene;
use crate::domain::text::Content;
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

/// Why a text was not checked.
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
    admit_call(&checker.table, &checker.clock, &app.id, &text.openid, text.actor, rates).await?;
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
