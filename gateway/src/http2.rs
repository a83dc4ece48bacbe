//! HTTP/2 (RFC 9113) for the site that HTTP/1.1 has too: many responses that do not end on one socket, where a browser would
//! open no more than six.
//!
//! In: a socket, encrypted or not, whose client speaks HTTP/2. Out: its requests as the site takes them, and their answers
//! as far as the client's windows allow. Knows no transport.

mod exchange;
mod rewound;

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use actix_http::Request;
use actix_service::Service;
use actix_web::HttpResponse;
use actix_web::dev::ServiceResponse;
use bytes::Bytes;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::node::Drain;
pub(crate) use exchange::Trailers;
pub(crate) use rewound::{Rewound, is_http2};

/// How TLS calls it (RFC 7301).
pub(crate) const PROTOCOL: &[u8] = b"h2";

/// Bytes of a request's head, as of HTTP/1.1.
const HEAD: u32 = 32 * 1024;

/// Bytes of the bodies of a client's requests that may be under way.
const WINDOW: u32 = 256 * 1024;

/// Bytes of one answer that wait for the socket.
const SEND_BUFFER: usize = 32 * 1024;

/// Time after which a client that has nothing under way is sent away.
const IDLE: Duration = Duration::from_secs(60);

/// Time for a client that is sent away to go once nothing is under way.
const FAREWELL: Duration = Duration::from_secs(5);

/// What answers requests.
pub(crate) trait Site:
    Service<Request, Response = ServiceResponse, Error = HttpResponse> + 'static
{
}

impl<S> Site for S where
    S: Service<Request, Response = ServiceResponse, Error = HttpResponse> + 'static
{
}

/// What one client may ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Requests under way; more wait at the client.
    pub(crate) streams: u32,
    /// Time for the handshake.
    pub(crate) time: Duration,
}

/// Serves a client until it leaves, has been idle for too long, or the node stops.
pub(crate) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    peer: SocketAddr,
    site: Rc<impl Site>,
    terms: Terms,
    drain: watch::Receiver<Option<Drain>>,
) {
    let served = async {
        let connection = handshake(io, terms).await?;
        let conversed = converse(connection, peer, &site, drain).await;
        conversed.map_err(io::Error::other)
    };
    if let Err(error) = served.await {
        tracing::debug!(%error, "an HTTP/2 client was cut off");
    }
}

async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    terms: Terms,
) -> io::Result<Connection<T, Bytes>> {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(terms.streams)
        .max_header_list_size(HEAD)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    let handshake = timeout(terms.time, builder.handshake::<_, Bytes>(io)).await;
    let connection = handshake.map_err(|_| io::ErrorKind::TimedOut)?;
    connection.map_err(io::Error::other)
}

async fn converse<T: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<T, Bytes>,
    peer: SocketAddr,
    site: &Rc<impl Site>,
    mut drain: watch::Receiver<Option<Drain>>,
) -> Result<(), h2::Error> {
    let mut is_leaving = false;
    loop {
        let patience = match is_leaving {
            true => FAREWELL,
            false => IDLE,
        };
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = sleep(patience), if !connection.has_streams() => {
                if is_leaving {
                    return Ok(());
                }
                is_leaving = true;
                connection.graceful_shutdown();
                continue;
            }
            _ = drain.wait_for(Option::is_some), if !is_leaving => {
                is_leaving = true;
                connection.graceful_shutdown();
                continue;
            }
        };
        let Some(accepted) = accepted else {
            return Ok(());
        };
        let (request, respond) = accepted?;
        let answer = exchange::answer(request, respond, peer, Rc::clone(site));
        actix_web::rt::spawn(answer);
    }
}
