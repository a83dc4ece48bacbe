//! TLS towards clients: handshakes that cost an idle client little, with the certificate that the port has now.
//!
//! One for all workers of a node; a handshake runs on the worker that took the client in.

mod backlog;
mod handshake;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use tidegate_service::{Tls as Port, TlsError};

use crate::config::HttpServerConfig;
use crate::http2;
pub(crate) use stream::{Scratch, Stream};

/// What is spoken inside.
const HTTP1: &[u8] = b"http/1.1";

/// The node's end of TLS.
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
    Both,
}

impl Tls {
    /// Loads certificate and key; `None` when TLS is off.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn load(http: &HttpServerConfig, offer: Offer) -> Result<Option<Self>, Vec<String>> {
        let Some(options) = http.tls.options("http_server.tls") else {
            return Ok(None);
        };
        let protocols: &[&[u8]] = match offer {
            Offer::Http1 => &[HTTP1],
            Offer::Both => &[http2::PROTOCOL, HTTP1],
        };
        Ok(Some(Self {
            port: Arc::new(Port::load(options, protocols).map_err(|TlsError(faults)| faults)?),
            timeout: http.request_timeout,
        }))
    }
}
