//! How a function starts: its settings from the environment, and what it needs built from them, once.

use std::fmt;
use std::time::Duration;

use crate::aws::AwsSettings;
use crate::bucket::Bucket;
use crate::domain::base_url::BaseUrl;
use crate::domain::clock::Clock;
use crate::error::{Cause, chain};
use crate::moderation::ask::Checker;
use crate::moderation::wechat_access::WeChatAccess;
use crate::outbound::{Fetcher, Outbound, OutboundError, Poster, extra_ca_pem};
use crate::secrets::{SecretError, Secrets};
use crate::settings::{Lookup, SettingError, flag, optional_url, required, retention, url};
use crate::table::{Table, TableError};
use crate::wechat::client::WeChat;

/// WeChat's own servers.
const WECHAT_URL: &str = "https://api.weixin.qq.com";

/// Why a function does not start: one line that says what to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The HTTP client.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The secret.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The table.
    #[error("GREENLIGHT_TABLE cannot be used")]
    Table(#[from] TableError),
}

/// The end of a program that cannot go on: what a `main` returns, so that its one line reads as it should.
pub struct Fatal(String);

impl Fatal {
    /// Ends with what this error and its sources say.
    pub fn new(error: impl Into<Cause>) -> Self {
        Self(chain(error.into().as_ref()))
    }
}

impl fmt::Debug for Fatal {
    /// Rust prints the debug form of what a `main` returns.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Builds what functions need. Each reads only the settings of what it asks for.
pub struct Start<'a> {
    lookup: &'a Lookup<'a>,
    outbound: Outbound,
    http: reqwest::Client,
    aws: AwsSettings,
    clock: Clock,
}

impl fmt::Debug for Start<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Start").finish_non_exhaustive()
    }
}

impl<'a> Start<'a> {
    /// Reads what all of it is built on: AWS, and what HTTP clients are made of.
    pub fn new(lookup: &'a Lookup<'a>, clock: Clock) -> Result<Self, StartError> {
        let outbound = Outbound::new(extra_ca_pem(lookup)?.as_deref())?;
        let http = outbound.aws_client()?;
        Ok(Self { lookup, outbound, http, aws: AwsSettings::from_lookup(lookup)?, clock })
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The table that `GREENLIGHT_TABLE` names.
    pub fn table(&self) -> Result<Table, StartError> {
        Ok(Table::new(self.aws.dynamodb(&self.http), required(self.lookup, "GREENLIGHT_TABLE")?))
    }

    /// The same for whoever writes what is kept for a while: as long as the settings say.
    pub fn keeping_table(&self) -> Result<Table, StartError> {
        Ok(self.table()?.keeping(retention(self.lookup)?))
    }

    /// The bucket that `GREENLIGHT_BUCKET` names.
    pub fn bucket(&self) -> Result<Bucket, StartError> {
        Ok(Bucket::new(&self.aws, &self.http, required(self.lookup, "GREENLIGHT_BUCKET")?))
    }

    /// The secret that `GREENLIGHT_SECRET` names, read.
    pub async fn secrets(&self) -> Result<Secrets, StartError> {
        let id = required(self.lookup, "GREENLIGHT_SECRET")?;
        Ok(Secrets::open(self.aws.secrets_manager(&self.http), id, self.clock()).await?)
    }

    /// Access to WeChat at `GREENLIGHT_WECHAT_URL`, or at its own address, with the tokens that `table` holds.
    pub fn wechat_access(&self, table: &Table) -> Result<WeChatAccess, StartError> {
        const NAME: &str = "GREENLIGHT_WECHAT_URL";
        let base = match optional_url(self.lookup, NAME)? {
            Some(base) => base,
            None => BaseUrl::parse(WECHAT_URL).map_err(|_| SettingError::Missing { name: NAME })?,
        };
        let wechat = WeChat::new(self.outbound.wechat_client()?, base);
        Ok(WeChatAccess::new(table.clone(), wechat, self.clock()))
    }

    /// What fetches URLs that an owner names, each within that time; from public addresses alone, unless
    /// `GREENLIGHT_ALLOW_PRIVATE` says otherwise.
    pub fn fetcher(&self, within: Duration) -> Result<Fetcher, StartError> {
        Ok(Fetcher::new(&self.outbound, flag(self.lookup, "GREENLIGHT_ALLOW_PRIVATE")?, within)?)
    }

    /// What posts to the servers that an owner's settings name; to public addresses alone, unless
    /// `GREENLIGHT_ALLOW_PRIVATE` says otherwise.
    pub fn poster(&self) -> Result<Poster, StartError> {
        Ok(Poster::new(&self.outbound, flag(self.lookup, "GREENLIGHT_ALLOW_PRIVATE")?)?)
    }

    /// All that it takes to have content judged, with WeChat reaching us at `GREENLIGHT_PUBLIC_URL`.
    pub fn checker(&self) -> Result<Checker, StartError> {
        let table = self.keeping_table()?;
        Ok(Checker {
            access: self.wechat_access(&table)?,
            table,
            public_url: url(self.lookup, "GREENLIGHT_PUBLIC_URL")?,
            clock: self.clock(),
        })
    }
}
