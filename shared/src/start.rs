//! How a function starts: its settings from the environment, and what it needs built from them, once.

use std::fmt;

use crate::aws::AwsSettings;
use crate::bucket::Bucket;
use crate::checks::Checks;
use crate::clock::Clock;
use crate::outbound::{self, OutboundError, OutboundSettings};
use crate::secrets::{SecretError, Secrets};
use crate::settings::{Lookup, PublicUrl, SettingError, optional_url, required, url};
use crate::table::{Table, TableError};
use crate::wechat::access::Access;
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
    #[error("GREENLIGHT_TABLE cannot be used: {0}")]
    Table(#[from] TableError),
}

/// The end of a program that cannot go on: what a `main` returns, so that its one line reads as it should.
pub struct Fatal(String);

impl Fatal {
    /// Ends with what this error says.
    pub fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string())
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
    /// Reads what all of it is built on: AWS and the one HTTP client.
    ///
    /// # Errors
    /// When a setting is missing or wrong.
    pub fn new(lookup: &'a Lookup<'a>, clock: Clock) -> Result<Self, StartError> {
        let http = outbound::client(&OutboundSettings::from_lookup(lookup)?)?;
        Ok(Self { lookup, http, aws: AwsSettings::from_lookup(lookup)?, clock })
    }

    /// The clock.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// The table that `GREENLIGHT_TABLE` names.
    ///
    /// # Errors
    /// When the setting is missing.
    pub fn table(&self) -> Result<Table, StartError> {
        Ok(Table::new(self.aws.dynamodb(&self.http), required(self.lookup, "GREENLIGHT_TABLE")?))
    }

    /// The bucket that `GREENLIGHT_BUCKET` names.
    ///
    /// # Errors
    /// When the setting is missing.
    pub fn bucket(&self) -> Result<Bucket, StartError> {
        Ok(Bucket::new(&self.aws, &self.http, required(self.lookup, "GREENLIGHT_BUCKET")?))
    }

    /// The secret that `GREENLIGHT_SECRET` names, read.
    ///
    /// # Errors
    /// When the setting is missing, or the secret cannot be used.
    pub async fn secrets(&self) -> Result<Secrets, StartError> {
        let id = required(self.lookup, "GREENLIGHT_SECRET")?;
        Ok(Secrets::open(self.aws.secrets_manager(&self.http), id, self.clock()).await?)
    }

    /// WeChat at `GREENLIGHT_WECHAT_URL`, or at its own address.
    ///
    /// # Errors
    /// When the setting is wrong.
    pub fn wechat(&self) -> Result<WeChat, StartError> {
        let base = match optional_url(self.lookup, "GREENLIGHT_WECHAT_URL")? {
            Some(base) => base,
            None => {
                PublicUrl::parse(WECHAT_URL).map_err(|_| SettingError::Missing { name: "GREENLIGHT_WECHAT_URL" })?
            }
        };
        Ok(WeChat::new(self.http.clone(), base))
    }

    /// Where WeChat and readers reach us: `GREENLIGHT_PUBLIC_URL`.
    ///
    /// # Errors
    /// When the setting is missing or wrong.
    pub fn public_url(&self) -> Result<PublicUrl, StartError> {
        Ok(url(self.lookup, "GREENLIGHT_PUBLIC_URL")?)
    }

    /// All that it takes to check content.
    ///
    /// # Errors
    /// When a setting is missing or wrong.
    pub fn checks(&self) -> Result<Checks, StartError> {
        let (table, wechat) = (self.table()?, self.wechat()?);
        Ok(Checks {
            access: Access::new(table.clone(), wechat.clone(), self.clock()),
            table,
            bucket: self.bucket()?,
            wechat,
            public_url: self.public_url()?,
            clock: self.clock(),
        })
    }
}
