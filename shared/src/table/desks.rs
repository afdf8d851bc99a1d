//! What the moderators of an app share, as items.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{Document, text_of};
use super::{Consistency, Table, TableError, keys};
use crate::domain::desk::Desk;
use crate::domain::ids::AppId;

/// The sort key.
const DESK: &str = "D";

impl Document for Desk {
    fn key(&self) -> (String, &'static str) {
        (keys::access_state(&self.app), DESK)
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn set_version(&mut self, version: u64) {
        self.version = version;
    }

    fn complete(document: &mut serde_json::Map<String, serde_json::Value>, item: &HashMap<String, AttributeValue>) {
        let partition = text_of(item, "pk").unwrap_or_default();
        if let Some(app) = partition.strip_prefix("K#") {
            document.insert("app".to_owned(), app.into());
        }
    }
}

impl Table {
    /// What the moderators of an app share.
    pub async fn desk(&self, app: &AppId) -> Result<Desk, TableError> {
        let desk = self.load(&keys::access_state(app), DESK, Consistency::Strong).await?;
        Ok(desk.unwrap_or_else(|| Desk::new(app.clone())))
    }
}
