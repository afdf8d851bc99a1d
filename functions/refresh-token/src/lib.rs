//! Scheduled: keeps each app's access_token fresh.

use futures_util::future::join_all;
use greenlight::apps::App;
use greenlight::domain::clock::Clock;
use greenlight::domain::ids::AppId;
use greenlight::error::chain;
use greenlight::metrics::{self, Metric};
use greenlight::moderation::wechat_access::{AccessError, Refreshed, WeChatAccess};
use greenlight::secrets::Secrets;
use greenlight::settings::Lookup;
use greenlight::start::{Start, StartError};
use greenlight::table::Table;
use greenlight::wechat::error::Class;

/// What the function holds while it lives.
#[derive(Clone, Debug)]
pub struct RefreshToken {
    /// Tokens and quotas.
    pub access: WeChatAccess,
    /// The table.
    pub table: Table,
    /// The secret.
    pub secrets: Secrets,
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refresh {
    /// Apps that have a new token.
    pub renewed: usize,
    /// Apps whose token was good enough.
    pub still_good: usize,
    /// Apps that somebody else is refreshing.
    pub in_other_hands: usize,
    /// Apps that have no new token though it is time for one.
    pub failed: Vec<AppId>,
    /// How much of the secret is wrong, so that an app is switched off.
    pub faults: usize,
}

impl RefreshToken {
    /// Reads the settings, reads the secret, and opens the connection to the table.
    pub async fn start(lookup: &Lookup<'_>, clock: Clock) -> Result<Self, StartError> {
        let start = Start::new(lookup, clock)?;
        let table = start.table()?;
        let access = start.wechat_access(&table)?;
        let (secrets, connected) = tokio::join!(start.secrets(), table.connect(1));
        connected?;
        Ok(Self { access, table, secrets: secrets? })
    }

    /// Renews an app's token if it is time to. Where WeChat gives none, the app's secret may have been changed: it is read
    /// again, and WeChat asked once more.
    async fn refresh(&self, app: &App) -> Result<Refreshed, AccessError> {
        match self.access.refresh(app).await {
            Err(AccessError::NoToken(error)) if error.class == Class::Configuration => {
                let apps = self.secrets.fresh().await;
                match apps.as_ref().and_then(|apps| apps.get(&app.id).ok()) {
                    Some(changed) => self.access.refresh_now(changed).await,
                    None => Err(AccessError::NoToken(error)),
                }
            }
            refreshed => refreshed,
        }
    }

    /// Renews each token that it is time for, all at once: one app's bad secret does not stop the others.
    pub async fn run(&self) -> Refresh {
        let apps = self.secrets.apps().await;
        let refreshed = join_all(apps.iter().map(|app| async move { (app, self.refresh(app).await) })).await;
        let mut refresh = Refresh { faults: apps.faults().len(), ..Refresh::default() };
        for (app, refreshed) in refreshed {
            match refreshed {
                Ok(Refreshed::Renewed) => refresh.renewed += 1,
                Ok(Refreshed::StillGood) => refresh.still_good += 1,
                Ok(Refreshed::InOtherHands) => refresh.in_other_hands += 1,
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(event = "token_not_refreshed", alarm = "refresh", app = %app.id, error, "a token was not refreshed");
                    refresh.failed.push(app.id.clone());
                }
            }
        }
        let lives = apps.iter().map(|app| self.access.token_lives_for(&app.id)).min();
        metrics::record(lives.map(|lives| (Metric::TokenLifetime, lives.as_secs_f64())).as_slice());
        refresh
    }
}
