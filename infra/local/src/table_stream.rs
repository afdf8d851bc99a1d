//! The table's changes, as they are made, to publish-decisions: what an event source mapping is on AWS.
//!
//! It begins with what changes from its start on. What was written before and is not told, the sweep tells; what was not recorded
//! by then is missing from the record.

use std::time::Duration;

use greenlight::error::{Cause, chain};
use publish_decisions::PublishDecisions;
use publish_decisions::changes::Changes;
use serde_json::json;

use crate::engines::EngineError;
use crate::engines::dynamodb::{Position, Upkeep};

/// How often the stream is read.
pub const EVERY: Duration = Duration::from_millis(200);

/// Where in the table's stream we are.
#[derive(Debug)]
pub struct TableStream {
    upkeep: Upkeep,
    position: Position,
}

impl TableStream {
    /// The stream of what changes from now on.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub fn start(upkeep: Upkeep, table: &str) -> Result<Self, EngineError> {
        let position = upkeep.latest(table)?;
        Ok(Self { upkeep, position })
    }

    /// The changes since the last time that tell of a decision or change a state; the others nobody here waits for.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn next(&mut self) -> Result<Changes, Cause> {
        let (upkeep, position) = (self.upkeep.clone(), self.position.clone());
        // SQLite is not for the async threads.
        let read = tokio::task::spawn_blocking(move || upkeep.changes(&position)).await?;
        let (records, position) = read?;
        self.position = position;
        let mut changes: Changes = serde_json::from_value(json!({ "Records": records }))?;
        changes.records.retain(publish_decisions::changes::Change::is_ours);
        Ok(changes)
    }

    /// Reads the stream, and has told what it is about.
    pub async fn turn(&mut self, publish_decisions: &PublishDecisions) {
        match self.next().await {
            Ok(changes) if changes.records.is_empty() => {}
            // What could not be read is logged there, and told by the sweep.
            Ok(changes) => drop(publish_decisions.run(changes).await),
            Err(error) => tracing::error!(error = chain(error.as_ref()), "the table's stream was not read"),
        }
    }
}
