//! DynamoDB, by dynoxide: in memory, or in one SQLite file.
//!
//! dynoxide keeps each record of the table's stream for ever and, at each write, looks for the last of them among all.
//! An index and a trigger of ours in the same database mend both, so that a write costs the same however many there were.

use std::path::Path;

use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::{GetRecordsRequest, Record};
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use dynoxide::server::serve_with_shutdown;
use dynoxide::{Database, DynoxideError};
use rusqlite::{Connection, OpenFlags};
use tokio::net::TcpListener;

use super::{Engine, EngineError};

/// The database's file in the data folder.
pub const FILE: &str = "table.sqlite";

/// The stream's records are in a ring: the last 10,000 are kept. (AWS keeps them for a day.) Whoever reads the stream is
/// seconds behind, and has to find what it missed in the table alone, as on AWS after a day. Records are deleted by the
/// hundred, which is cheaper than one by one.
const RING: &str = "
    CREATE INDEX IF NOT EXISTS greenlight_stream ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE TRIGGER IF NOT EXISTS greenlight_ring AFTER INSERT ON _stream_records WHEN NEW.id % 100 = 0
    BEGIN DELETE FROM _stream_records WHERE id <= NEW.id - 10000; END;
";

/// The database behind the engine: what AWS does by itself.
#[derive(Clone)]
pub struct Upkeep(Database);

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Upkeep")
    }
}

impl Upkeep {
    /// Deletes the items that have expired; how many. It blocks, and lets requests in between.
    pub fn delete_expired(&self) -> Result<usize, EngineError> {
        Ok(self.0.sweep_ttl()?)
    }

    /// The end of a table's stream, which has one shard. It blocks, as does the next.
    pub fn latest(&self, table: &str) -> Result<Position, EngineError> {
        let listed =
            self.0.list_streams(ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() })?;
        let stream_arn = listed.streams.into_iter().next().map(|stream| stream.stream_arn).unwrap_or_default();
        let described =
            self.0.describe_stream(DescribeStreamRequest { stream_arn: stream_arn.clone(), ..Default::default() })?;
        let shards = described.stream_description.shards;
        let shard_id = shards.into_iter().next().map(|shard| shard.shard_id).unwrap_or_default();
        let shard_iterator_type = "LATEST".to_owned();
        let asked = GetShardIteratorRequest { stream_arn, shard_id, shard_iterator_type, sequence_number: None };
        Ok(Position(self.0.get_shard_iterator(asked)?.shard_iterator.unwrap_or_default()))
    }

    /// What was changed behind a position, a thousand changes at most, and the position behind those.
    pub fn changes(&self, behind: &Position) -> Result<(Vec<Record>, Position), EngineError> {
        let asked = GetRecordsRequest { shard_iterator: behind.0.clone(), limit: None };
        let answer = self.0.get_records(asked)?;
        Ok((answer.records, Position(answer.next_shard_iterator.unwrap_or_default())))
    }
}

/// A position in a table's stream.
#[derive(Clone, Debug)]
pub struct Position(String);

/// Serves DynamoDB, and its streams, on `listener`; in memory, or in the file [`FILE`] of the folder `data`.
///
/// What was answered from a file survives a kill and a power cut: SQLite syncs its write-ahead log before each commit
/// returns. (It does so by default, and dynoxide leaves it at that.) A file that is damaged is not served.
pub async fn start(listener: TcpListener, data: Option<&Path>) -> Result<(Engine, Upkeep), EngineError> {
    let database = match data {
        None => in_memory()?,
        Some(folder) => in_file(&folder.join(FILE))?,
    };
    let upkeep = Upkeep(database.clone());
    let engine = Engine::serving(listener, |listener, stop| async move {
        if let Err(error) = serve_with_shutdown(listener, database, stop.into_future()).await {
            tracing::error!(%error, "the table's engine stopped");
        }
    })?;
    Ok((engine, upkeep))
}

/// A database in memory, into which an empty one of a file is copied: no connection but dynoxide's own reaches it.
fn in_memory() -> Result<Database, EngineError> {
    let folder = tempfile::tempdir().map_err(EngineError::Data)?;
    let template = folder.path().join(FILE);
    drop(in_file(&template)?);
    let database = Database::memory()?;
    database.restore_from(template.to_str().ok_or(EngineError::Name)?)?;
    Ok(database)
}

fn in_file(file: &Path) -> Result<Database, EngineError> {
    if file.exists() {
        check(file)?;
    }
    let name = file.to_str().ok_or(EngineError::Name)?;
    let database = Database::new(name)?;
    // Another connection to the same file, closed before anything is served: what it leaves is part of the database.
    Connection::open(file)?.execute_batch(RING)?;
    Ok(database)
}

/// Reads the whole file, about a second for each gigabyte, and finds what a broken disk or a bad copy did to it.
fn check(file: &Path) -> Result<(), EngineError> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(EngineError::Damaged { found: found.replace('\n', " ") }) }
}

/// Writes the table as it stands to `copy`, which must not exist, while an engine may be writing it.
pub fn copy_table(data: &Path, copy: &Path) -> Result<(), EngineError> {
    let name = copy.to_str().ok_or(EngineError::Name)?;
    let connection = Connection::open_with_flags(data.join(FILE), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.execute("VACUUM INTO ?1", [name])?;
    std::fs::File::open(copy).and_then(|file| file.sync_all()).map_err(EngineError::Data)
}

impl From<DynoxideError> for EngineError {
    fn from(error: DynoxideError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { found: error.to_string() }
            }
            _ => Self::Database(Box::new(error)),
        }
    }
}
