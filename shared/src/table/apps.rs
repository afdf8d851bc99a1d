//! Apps' access to WeChat as items.

use super::item::Document;
use super::{Consistency, Table, TableError, keys};
use crate::domain::access_state::AccessState;
use crate::domain::ids::AppId;

impl Document for AccessState {
    fn key(&self) -> (String, &'static str) {
        (keys::access_state(&self.app), "K")
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }
}

impl Table {
    /// What is known of an app's access to WeChat.
    pub async fn access_state(&self, app: &AppId, consistency: Consistency) -> Result<AccessState, TableError> {
        let state = self.load(&keys::access_state(app), "K", consistency).await?;
        Ok(state.unwrap_or_else(|| AccessState::new(app.clone())))
    }
}
