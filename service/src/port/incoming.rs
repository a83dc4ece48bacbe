//! Connections as they come in on a port: plain, or after a handshake in time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{Stream, StreamExt, stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::tls::Tls;

/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Handshakes at a time; further clients wait in the kernel.
const MAX_HANDSHAKES: usize = 1_024;

/// How long nobody is taken in when the process has no file left for a socket.
const PAUSE: Duration = Duration::from_millis(100);

/// A client's connection.
pub(super) enum Connection {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

/// What comes in on a socket, and is ready for calls.
pub(super) fn incoming(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
) -> impl Stream<Item = io::Result<Connection>> {
    let entrance = Entrance {
        listener,
        tls,
        handshakes: FuturesUnordered::new(),
    };
    stream::unfold(entrance, async |mut entrance| {
        Some((Ok(entrance.next().await), entrance))
    })
}

struct Entrance {
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    handshakes: FuturesUnordered<BoxFuture<'static, Option<Connection>>>,
}

impl Entrance {
    async fn next(&mut self) -> Connection {
        loop {
            let has_room = self.handshakes.len() < MAX_HANDSHAKES;
            tokio::select! {
                accepted = self.listener.accept(), if has_room => {
                    if let Some(connection) = self.enter(accepted).await {
                        return connection;
                    }
                }
                Some(done) = self.handshakes.next() => {
                    if let Some(connection) = done {
                        return connection;
                    }
                }
            }
        }
    }

    /// Takes a client in; one who speaks TLS comes later.
    async fn enter(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) -> Option<Connection> {
        match accepted {
            Ok((socket, _)) => {
                // Small messages are sent at once. A socket that is gone already shows when it is read.
                let _ = socket.set_nodelay(true);
                let Some(tls) = &self.tls else {
                    return Some(Connection::Plain(socket));
                };
                let handshake = handshake(Arc::clone(tls), socket);
                self.handshakes.push(Box::pin(handshake));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take clients in");
                sleep(PAUSE).await;
            }
        }
        None
    }
}

async fn handshake(tls: Arc<Tls>, socket: TcpStream) -> Option<Connection> {
    let handshake = TlsAcceptor::from(tls.config()).accept(socket);
    match timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => return Some(Connection::Secure(Box::new(stream))),
        Ok(Err(error)) => tls.handshake_failed(&error),
        Err(late) => tls.handshake_failed(&late),
    }
    None
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(socket) => socket.connect_info(),
            Self::Secure(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Secure(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, data),
            Self::Secure(stream) => Pin::new(stream).poll_write(context, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Secure(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Secure(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
