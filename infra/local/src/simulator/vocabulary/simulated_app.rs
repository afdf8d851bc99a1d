//! A mini program as the simulator is told of it.

use greenlight::domain::ids::AppId;

/// A mini program that the simulator knows.
#[derive(Clone)]
pub struct SimulatedApp {
    /// Its `appid`.
    pub app_id: AppId,
    /// Its AppSecret.
    pub app_secret: String,
    /// The Token of its message push.
    pub push_token: String,
    /// The EncodingAESKey of its message push: 43 characters.
    pub push_aes_key: String,
    /// Where its pushes go. Empty: no message push is configured, and media checks are refused with 40048.
    pub push_url: String,
}

impl std::fmt::Debug for SimulatedApp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SimulatedApp").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}
