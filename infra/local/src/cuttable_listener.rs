//! A server whose connections can be cut: a handler has no other way to give no answer at all.

use std::future::IntoFuture;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::engines::{Engine, EngineError};

/// Serves `router` on `listener` until `stopped` turns true or its sender is gone; then every connection is cut.
///
/// A handler that takes a `ConnectInfo<Connection>` can cut the connection on which its call came.
pub async fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let service = router.into_make_service_with_connect_info::<Connection>();
    let listener = CuttableListener { listener, stopped: stopped.clone() };
    tokio::select! {
        () = stop(stopped) => {}
        _ = axum::serve(listener, service) => {}
    }
}

/// Serves `router` in the same way, and until what is returned is stopped: by then all that was read on its connections
/// has been answered, or dropped because its caller is gone, and what was not read is lost. So a caller that died and
/// had a way in of its own has nothing under way any more.
pub fn way_in(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) -> Result<Engine, EngineError> {
    let service = router.into_make_service_with_connect_info::<Connection>();
    Engine::serving(listener, |listener, stop| async move {
        let listener = CuttableListener { listener, stopped };
        if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(stop.into_future()).await {
            tracing::error!(%error, "a way in was closed");
        }
    })
}

async fn stop(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _gone = stopped.wait_for(|stopped| *stopped).await;
}

/// The connection on which a call came.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    is_cut: Arc<AtomicBool>,
}

impl Connection {
    /// Nothing is written on the connection any more; the server drops it at its next write.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, CuttableListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> Self {
        stream.io().connection.clone()
    }
}

struct CuttableListener {
    listener: TcpListener,
    stopped: watch::Receiver<bool>,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // Axum's own accept, which goes on after errors.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Small answers would wait for each other otherwise; an error means that the peer has already gone.
        let _ = stream.set_nodelay(true);
        let stopped = Box::pin(stop(self.stopped.clone()));
        (CuttableStream { stream, connection: Connection::default(), stopped }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

struct CuttableStream {
    stream: TcpStream,
    connection: Connection,
    stopped: BoxFuture<'static, ()>,
}

impl CuttableStream {
    fn check(&self) -> io::Result<()> {
        if self.connection.is_cut.load(Ordering::SeqCst) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        // A connection always reads ahead, so this is where it hears of the stop.
        if self.stopped.as_mut().poll(cx).is_ready() {
            self.connection.cut();
            self.check()?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
