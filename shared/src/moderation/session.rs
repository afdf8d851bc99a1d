//! Sessions: who an author is, by a code from wx.login; and what an author's return sets going again.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;

use super::ask::Checker;
use super::wechat_access::WeChatAccess;
use crate::apps::App;
use crate::domain::author::Author;
use crate::domain::ids::{AppId, AuthorId, OpenId, SubmissionId};
use crate::domain::submission::Event;
use crate::error::chain;
use crate::secrets::Secrets;
use crate::table::{Consistency, TableError};
use crate::wechat::error::{Class, WeChatError};

/// How many submissions are queued again at once.
const AT_ONCE: usize = 16;

/// Why there is no login.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The code is wrong or used.
    #[error("WeChat refused the code")]
    Refused(#[source] WeChatError),
    /// WeChat blocks this user.
    #[error("WeChat blocks the user")]
    Blocked(#[source] WeChatError),
    /// Too many logins.
    #[error("WeChat's quota for logins is used up")]
    TooMany(#[source] WeChatError),
    /// WeChat did not answer, or not as it should.
    #[error("WeChat's login is not available")]
    Unavailable(#[source] WeChatError),
    /// WeChat took too long.
    #[error("WeChat's login took too long")]
    Slow,
}

/// The user that a code from wx.login belongs to, within `wait`. Where WeChat refuses the app, its secret may have been
/// changed: it is read again, and the login tried once more.
pub async fn log_in(
    access: &WeChatAccess,
    secrets: &Secrets,
    app: &App,
    code: &str,
    wait: Duration,
) -> Result<OpenId, LoginError> {
    let login = async {
        match access.code_to_session(app, code).await {
            Err(error) if error.class == Class::Configuration => {
                let apps = secrets.fresh().await;
                match apps.as_ref().and_then(|apps| apps.get(&app.id).ok()) {
                    Some(changed) => access.code_to_session(changed, code).await,
                    None => Err(error),
                }
            }
            answer => answer,
        }
    };
    let answer = tokio::time::timeout(wait, login).await.map_err(|_| LoginError::Slow)?;
    answer.map_err(|error| {
        match error.class {
            Class::Configuration => {
                tracing::error!(event = "wechat_refuses_app", alarm = "wechat_configuration", app = %app.id, error = %error, "no login works");
            }
            Class::LoginRefused | Class::LoginBlocked => {}
            _ => tracing::warn!(event = "login_failed", app = %app.id, error = %error, "a login failed"),
        }
        match error.class {
            Class::LoginRefused | Class::Permanent => LoginError::Refused(error),
            Class::LoginBlocked => LoginError::Blocked(error),
            Class::MinuteQuota | Class::DayQuota => LoginError::TooMany(error),
            _ => LoginError::Unavailable(error),
        }
    })
}

/// Notes that an author is active now, and queues what waited for that.
pub async fn author_returns(checker: &Checker, app: &AppId, openid: &OpenId) -> Result<(), TableError> {
    let now = checker.clock.now();
    let author = checker.table.author(app, &AuthorId::of(app, openid), Consistency::Eventual).await?;
    let author = author.unwrap_or_else(|| Author::new(app.clone(), openid.clone()));
    let returns = |author: &mut Author| Ok::<_, TableError>(Some(author.return_now(now)));
    let (_, waiting) = checker.table.change(author, returns).await?;
    // What was waiting stands in the due queue besides, so a session does not fail for it.
    if let Err(error) =
        queue_again(checker, &waiting.unwrap_or_default(), Event::AuthorReturned { active_at: now }).await
    {
        let error = chain(&error);
        tracing::warn!(event = "author_queue_left", error, "what waited for an author was not all queued");
    }
    Ok(())
}

async fn queue_again(checker: &Checker, waiting: &[SubmissionId], event: Event) -> Result<(), TableError> {
    let submissions = checker.table.submissions(waiting).await?;
    let event = std::slice::from_ref(&event);
    let queued = stream::iter(submissions).map(|submission| checker.apply(submission, event));
    let queued: Vec<_> = queued.buffer_unordered(AT_ONCE).collect().await;
    queued.into_iter().try_for_each(|queued| queued.map(drop))
}
