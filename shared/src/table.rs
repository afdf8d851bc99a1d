//! The one table: every item read and written here and nowhere else.
//!
//! Every change is a load, a pure step and one conditional write on `version`. Each write carries a random
//! `write_id`, so that a write whose answer was lost is recognised as one's own.

mod document;
mod queues;
mod trace;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};

pub use document::{Consistency, Document, Item, Saved};
pub use queues::{DueEntry, DueKind, Listed, Page};
pub use trace::{Outcome, TraceLink};

/// How many shards the due queue has.
///
/// A partition of an index takes 1,000 writes a second; a media check costs two in the due queue, and WeChat allows
/// an app 33 of them a second (2,000 a minute). N shards carry N x 1000 / (2 x 33) = 15 N apps at full quota: 4
/// shards carry 60. More apps at full quota: raise it by that formula; the sweep reads what the number says.
pub const DUE_SHARDS: u8 = 4;
/// How long a trace is kept; a push comes within half an hour, its repeats soon after.
const TRACE_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// The table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

/// The table did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It may do it the next time: unreachable, slow, or throttled.
    #[error("the table did not answer {operation}: {reason}")]
    Unavailable {
        /// Which DynamoDB action.
        operation: &'static str,
        /// What DynamoDB or the connection said.
        reason: String,
    },
    /// It will not: no such table, no permission, a bad request.
    #[error("the table refused {operation}: {reason}")]
    Refused {
        /// Which DynamoDB action.
        operation: &'static str,
        /// What DynamoDB said.
        reason: String,
    },
    /// An item is not what was written.
    #[error("the item {key} cannot be read: {reason}")]
    Corrupt {
        /// The item's partition key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Too many writers at once; each try found a newer version.
    #[error("the item {key} was changed by others each time")]
    Contended {
        /// The item's partition key.
        key: String,
    },
}

impl Table {
    /// The table of that name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Opens the connection, so that the first request need not: asks for an item that does not exist.
    ///
    /// # Errors
    /// When the table cannot be reached or read.
    pub async fn connect(&self) -> Result<(), TableError> {
        self.raw_get("-", "-", Consistency::Eventual).await.map(drop)
    }
}

/// Tells what a failed call means for the caller. DynamoDB's own words name keys of ours at most, no content.
fn classify<E>(operation: &'static str, error: SdkError<E>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    const WORTH_A_RETRY: [&str; 8] = [
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "Throttling",
        "InternalServerError",
        "ServiceUnavailable",
        "TransactionConflictException",
        "TransactionInProgressException",
    ];
    match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("unknown");
            let reason = format!("{code}: {}", context.err().message().unwrap_or("no message"));
            if WORTH_A_RETRY.contains(&code) || context.raw().status().as_u16() >= 500 {
                TableError::Unavailable { operation, reason }
            } else {
                TableError::Refused { operation, reason }
            }
        }
        SdkError::ConstructionFailure(_) => TableError::Refused { operation, reason: chain(&error) },
        _ => TableError::Unavailable { operation, reason: chain(&error) },
    }
}

/// An error and its sources on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
