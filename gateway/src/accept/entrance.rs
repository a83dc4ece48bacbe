//! What happens to a socket before a request is read from it.

use std::sync::Arc;
use std::time::Duration;

use actix_http::Protocol;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http2::{Rewound, is_http2};
use crate::tls::{Scratch, Stream, Tls};

/// The way in of one port.
pub(super) trait Entrance: 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + 'static;

    /// The socket, and what is spoken on it; `None` when the client may not come in.
    async fn enter(&self, socket: TcpStream) -> Option<(Self::Io, Protocol)>;
}

/// Without TLS.
pub(super) struct Plain;

impl Entrance for Plain {
    type Io = TcpStream;

    async fn enter(&self, socket: TcpStream) -> Option<(TcpStream, Protocol)> {
        Some((socket, Protocol::Http1))
    }
}

/// For clients that may speak HTTP/2 without asking.
pub(super) struct Either {
    pub(super) time: Duration,
}

impl Entrance for Either {
    type Io = Rewound<TcpStream>;

    async fn enter(&self, socket: TcpStream) -> Option<(Self::Io, Protocol)> {
        let looked = timeout(self.time, is_http2(socket)).await;
        let (is_http2, socket) = looked.ok()?.ok()?;
        Some((socket, protocol(is_http2)))
    }
}

fn protocol(is_http2: bool) -> Protocol {
    match is_http2 {
        true => Protocol::Http2,
        false => Protocol::Http1,
    }
}

/// With TLS.
pub(super) struct Secure {
    tls: Arc<Tls>,
    scratch: Scratch,
}

impl Secure {
    pub(super) fn new(tls: Arc<Tls>) -> Self {
        let scratch = Scratch::new();
        Self { tls, scratch }
    }
}

impl Entrance for Secure {
    type Io = Stream;

    async fn enter(&self, socket: TcpStream) -> Option<(Self::Io, Protocol)> {
        // Who failed is counted.
        let stream = self.tls.handshake(socket, self.scratch.clone()).await;
        let stream = stream.ok()?;
        let protocol = protocol(stream.is_http2());
        Some((stream, protocol))
    }
}
