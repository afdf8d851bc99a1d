//! The real engines on this machine: DynamoDB, S3 and Secrets Manager over their own wire protocols.
//!
//! Each is started on a listener that the caller has bound, so that port 0 works and nothing races for a port. What
//! differs between AWS, a local run and a test is the address that the functions talk to, never their code.

use std::future::IntoFuture;
use std::io;

use axum::serve::{ListenerExt, TapIo};
use greenlight::error::Cause;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub mod dynamodb;
pub mod s3;
pub mod secrets_manager;

/// What serves requests until it is stopped or dropped.
#[derive(Debug)]
pub struct Engine {
    /// Where it listens, as `http://address:port`.
    pub url: String,
    /// Dropping it is the signal to stop: no more connections, what is being answered is answered.
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Engine {
    /// Serves on `listener` with `serve`, which is given the signal to stop.
    pub(crate) fn serving<F, S>(listener: TcpListener, serve: F) -> Result<Self, EngineError>
    where
        F: FnOnce(TcpListener, StopSignal) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let url = format!("http://{}", listener.local_addr().map_err(EngineError::Listener)?);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(listener, StopSignal(stopped)));
        Ok(Self { url, stop, serving })
    }

    /// Serves `router` on `listener`.
    fn routing(listener: TcpListener, router: axum::Router) -> Result<Self, EngineError> {
        Self::serving(listener, |listener, stop| async move {
            if let Err(error) =
                axum::serve(undelayed(listener), router).with_graceful_shutdown(stop.into_future()).await
            {
                tracing::error!(%error, "an engine stopped");
            }
        })
    }

    /// Stops, once every request that has begun is answered and its connection closed. What had been sent and not been
    /// read by then is lost.
    pub async fn stop(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "an engine did not stop in order");
        }
    }
}

/// `listener`, whose connections send each part of an answer at once. Else what follows an answer's head, as a file does,
/// waits until the head's receipt is confirmed, which a peer puts off for 40 ms.
pub fn undelayed(listener: TcpListener) -> TapIo<TcpListener, impl FnMut(&mut TcpStream) + Send + 'static> {
    listener.tap_io(|stream| {
        // An error means that the peer has already gone.
        let _ = stream.set_nodelay(true);
    })
}

/// Resolves when the engine's handle is gone.
pub(crate) struct StopSignal(oneshot::Receiver<()>);

impl IntoFuture for StopSignal {
    type Output = ();
    type IntoFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            // Nothing is ever sent: the sender going away is the signal.
            let _gone = self.0.await;
        })
    }
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The listener has no address.
    #[error("the listener has no address")]
    Listener(#[source] io::Error),
    /// The data folder could not be made or read.
    #[error("the data folder cannot be used")]
    Data(#[source] io::Error),
    /// SQLite takes names in UTF-8 only.
    #[error("the data folder's path is not UTF-8: name another")]
    Name,
    /// The table's file is not what it was.
    #[error("the table's file, {}, is damaged ({found}): restore a backup", dynamodb::FILE)]
    Damaged {
        /// What SQLite found first.
        found: String,
    },
    /// The table's engine could not open its database.
    #[error("the table's database cannot be used")]
    Database(#[source] Cause),
}

#[cfg(test)]
mod tests;
