//! DynamoDB, by dynoxide: in memory, or in one SQLite file.

use std::path::Path;

use dynoxide::Database;
use dynoxide::server::serve_with_shutdown;
use tokio::net::TcpListener;

use super::{Engine, EngineError};

/// The database's file in the data directory.
const FILE: &str = "table.sqlite";

/// Serves DynamoDB, and its streams, on `listener`; in memory, or in the file `table.sqlite` of the directory `data`.
///
/// What was answered from a file survives a kill: SQLite's write-ahead log is synced before each commit returns. What
/// has expired is deleted when a file is opened, for nothing else does it here.
pub async fn start(listener: TcpListener, data: Option<&Path>) -> Result<Engine, EngineError> {
    let database = match data {
        None => Database::memory().map_err(refused)?,
        Some(directory) => {
            tokio::fs::create_dir_all(directory).await.map_err(EngineError::Data)?;
            let file = directory.join(FILE);
            let file = file.to_str().ok_or_else(|| EngineError::Database("its path is not UTF-8".to_owned()))?;
            let database = Database::new(file).map_err(refused)?;
            database.sweep_ttl().map_err(refused)?;
            database
        }
    };
    Engine::serving(listener, |listener, stop| async move {
        if let Err(error) = serve_with_shutdown(listener, database, stop.into_future()).await {
            tracing::error!(%error, "the table's engine stopped");
        }
    })
}

fn refused(error: dynoxide::DynoxideError) -> EngineError {
    EngineError::Database(error.to_string())
}
