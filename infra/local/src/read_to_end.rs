//! Requests are read to their end, though a function refuses them before.
//!
//! A server that answers while a client still sends closes the connection under it, and the client never sees why: a phone whose
//! session is over would be told of a bad network. On Lambda the whole request is there before a function is.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{Stream, StreamExt, stream};

/// What is longer is not read to its end: no request that we take is.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Nor is what comes slower.
const WITHIN: Duration = Duration::from_secs(10);

/// What is left of a request's body.
#[derive(Clone)]
pub(crate) struct Rest(Arc<Mutex<BodyDataStream>>);

impl Rest {
    /// The body to give on, and what is left of it afterwards.
    pub(crate) fn of(body: Body) -> (Body, Self) {
        let rest = Self(Arc::new(Mutex::new(body.into_data_stream())));
        let given = rest.clone();
        (Body::from_stream(stream::poll_fn(move |context| given.poll(context))), rest)
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, axum::Error>>> {
        Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).poll_next(context)
    }

    /// Reads what nobody has read.
    pub(crate) async fn read(self) {
        let mut left = stream::poll_fn(|context| self.poll(context));
        let read = async {
            let mut bytes = 0;
            while let Some(Ok(more)) = left.next().await {
                bytes += more.len();
                if bytes > MOST_BYTES {
                    break;
                }
            }
        };
        // Too slow a client is hung up on, as it would be without this.
        let _ = tokio::time::timeout(WITHIN, read).await;
    }
}
