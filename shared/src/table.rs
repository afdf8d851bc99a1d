//! The one table: every item read and written here and nowhere else.
//!
//! Every change is a load, a pure step and one conditional write on `version`. Each write carries a random
//! `write_id`, so that a write whose answer was lost is recognised as one's own. Only the deeds of `moderation` write.

mod apps;
mod authors;
mod cases;
mod commit;
mod decisions;
mod desks;
mod external;
mod item;
mod keys;
mod looks;
mod moderators;
mod queues;
mod record;
mod rejected;
mod seals;
mod submissions;
mod tellings;
mod traces;
mod verdicts;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::try_join_all;

use crate::domain::retention::Retention;
use crate::error::Cause;

pub use authors::Admission;
pub(crate) use authors::Admitting;
pub use cases::{Backlog, CaseEntry, CaseFilter, Lease, MOST_COUNTED, Note, Standing};
pub use commit::{Beside, Saved};
pub use decisions::DecisionRecord;
pub use external::MOST_OF_AN_EXTERNAL_ID;
pub use item::Consistency;
pub use keys::{DUE_SHARDS, submission_of};
pub use looks::by_band;
pub use queues::{Due, DueEntry, Listed, Page, place_by_author, place_in_feed};
pub use record::is_day;
pub use rejected::{Before, Rejected};
pub use seals::Evidence;
pub use submissions::{TURNED, submission_in};
pub use tellings::Telling;
pub use traces::{Trace, TraceLink};
pub use verdicts::{Judged, KnownVerdict};

/// The table.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
    retention: Retention,
}

/// The table did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It may do it the next time: unreachable, slow, or throttled.
    #[error("the table did not answer {operation}")]
    Unavailable {
        /// Which DynamoDB action.
        operation: &'static str,
        /// What DynamoDB or the connection said.
        #[source]
        source: Cause,
    },
    /// It will not: no such table, no permission, a bad request.
    #[error("the table refused {operation}")]
    Refused {
        /// Which DynamoDB action.
        operation: &'static str,
        /// What DynamoDB said.
        #[source]
        source: Cause,
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

impl TableError {
    /// Whether it may go well the next time; if not, somebody has to look.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Contended { .. } => true,
            Self::Refused { .. } | Self::Corrupt { .. } => false,
        }
    }
}

impl Table {
    /// The table of that name, where what is written stays as long as it does by default.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into(), retention: Retention::default() }
    }

    /// The same, where what is written stays for these periods.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Opens as many connections as the first request uses at once, so that it need not: asks for an item that does not exist.
    pub async fn connect(&self, connections: usize) -> Result<(), TableError> {
        let asking = (0..connections).map(|_| self.raw_get("-", "-", Consistency::Eventual));
        try_join_all(asking).await.map(drop)
    }
}

/// Tells what a failed call means for the caller. DynamoDB's own words name keys of ours at most, no content.
fn classify<E>(operation: &'static str, error: SdkError<E>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
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
    let passing = match &error {
        SdkError::ServiceError(context) => {
            let code = context.err().code().unwrap_or("unknown");
            WORTH_A_RETRY.contains(&code) || context.raw().status().as_u16() >= 500
        }
        SdkError::ConstructionFailure(_) => false,
        _ => true,
    };
    let source = match error {
        SdkError::ServiceError(context) => context.into_err().into(),
        other => Cause::from(other),
    };
    if passing { TableError::Unavailable { operation, source } } else { TableError::Refused { operation, source } }
}

/// Waits before a call is made once more: 25 ms, doubling, half of it at random so that those who met part ways.
async fn back_off(tries: u32) {
    let longest = 25_u64 << tries.min(5);
    let mut random = [0_u8; 1];
    // Without randomness they wait alike, and meet once more at worst.
    let _ = getrandom::fill(&mut random);
    let share = u64::from(random[0]) * longest / 2 / u64::from(u8::MAX);
    tokio::time::sleep(Duration::from_millis(longest / 2 + share)).await;
}
