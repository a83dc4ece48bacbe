//! A client's handshake: in time, or not at all.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Tls;
use super::stream::{Scratch, Stream};

/// What a client hears that speaks plain HTTP.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 45\r\n\
    Connection: close\r\n\r\nthis port speaks TLS: use https:// or wss://\n";

impl Tls {
    /// Speaks TLS on a client's socket.
    ///
    /// # Errors
    /// Whatever the client did wrong, the time that it took too much included.
    pub(crate) async fn handshake(
        &self,
        socket: TcpStream,
        scratch: Scratch,
    ) -> io::Result<Stream> {
        let handshake = async {
            let mut first = [0];
            socket.peek(&mut first).await?;
            // A handshake begins with its number (RFC 8446 section 5.1), a request with its method.
            if first[0].is_ascii_uppercase() {
                return refuse(socket).await;
            }
            Stream::accept(socket, self.port.config(), scratch).await
        };
        let outcome = match timeout(self.timeout, handshake).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "it took too long")),
        };
        outcome.inspect_err(|error| self.port.handshake_failed(error))
    }
}

/// Tells a client that speaks no TLS.
async fn refuse(mut socket: TcpStream) -> io::Result<Stream> {
    // The kernel throws an answer away when it closes a socket on which something is unread.
    let _request = socket.read(&mut [0; 4 * 1024]).await?;
    socket.write_all(PLAIN).await?;
    socket.shutdown().await?;
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        "it is plain HTTP",
    ))
}
