//! TLS towards clients: handshakes that cost an idle client little, with the certificate that a port has now.
//!
//! One a port, for all workers of a node; a handshake runs on the worker that took the client in.

mod backlog;
mod handshake;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tidegate_service::{Tls as Port, TlsError, TlsOptions};

use crate::http2;
pub(crate) use stream::{Scratch, Stream};

/// What is spoken inside.
const HTTP1: &[u8] = b"http/1.1";

/// The node's end of TLS on one port.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) port: Arc<Port>,
    /// Time for a handshake.
    timeout: Duration,
}

/// The versions of HTTP that clients may choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
    Both,
}

impl Tls {
    /// Loads certificate and key; `timeout` is for a handshake.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn load(
        options: TlsOptions,
        timeout: Duration,
        offer: Offer,
    ) -> Result<Self, Vec<String>> {
        let protocols: &[&[u8]] = match offer {
            Offer::Http1 => &[HTTP1],
            Offer::Http2 => &[http2::PROTOCOL],
            Offer::Both => &[http2::PROTOCOL, HTTP1],
        };
        let port = Port::load(options, protocols).map_err(|TlsError(faults)| faults)?;
        Ok(Self {
            port: Arc::new(port),
            timeout,
        })
    }
}
