//! A response's body on a socket of its own: in chunks (RFC 9112 section 7.1), or as it is for clients of HTTP/1.0.

use std::io::{self, Cursor, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::ReadBuf;

use super::lent::Io;

/// Bytes around a chunk: its size in hex, and two line breaks.
const AROUND: usize = 16 + 2 + 2;

/// The chunk that ends a body, and no trailers.
const LAST: &[u8] = b"0\r\n\r\n";

/// Reads in a row after which others get a turn.
const READS: usize = 8;

/// How a client knows where a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Chunked,
    /// By the end of the connection.
    Plain,
}

/// A body that is being written.
pub(super) struct Chunks {
    io: Box<dyn Io>,
    coding: Coding,
    /// Of a chunk that was begun, what the socket has not taken: no more than the scratch buffer holds.
    rest: BytesMut,
    is_ended: bool,
}

impl Chunks {
    pub(super) fn new(io: Box<dyn Io>, coding: Coding) -> Self {
        Self {
            io,
            coding,
            rest: BytesMut::new(),
            is_ended: false,
        }
    }

    /// Writes some of the bytes as a chunk, which is put together in `scratch`.
    pub(super) fn poll_write(
        &mut self,
        bytes: &[u8],
        scratch: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.coding == Coding::Plain {
            return Pin::new(&mut *self.io).poll_write(context, bytes);
        }
        ready!(self.poll_rest(context))?;
        let (count, size) = chunk(bytes, scratch)?;
        let chunk = &scratch[..size];
        // What it does not take now is kept: a chunk that was begun has to be whole.
        let taken = match Pin::new(&mut *self.io).poll_write(context, chunk)? {
            Poll::Ready(taken) => taken,
            Poll::Pending => return Poll::Pending,
        };
        self.rest.extend_from_slice(&chunk[taken..]);
        Poll::Ready(Ok(count))
    }

    /// Writes what is kept.
    pub(super) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_rest(context))?;
        Pin::new(&mut *self.io).poll_flush(context)
    }

    /// Ends the body, and this side of the connection.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_ended {
            self.is_ended = true;
            if self.coding == Coding::Chunked {
                self.rest.extend_from_slice(LAST);
            }
        }
        ready!(self.poll_flush(context))?;
        Pin::new(&mut *self.io).poll_shutdown(context)
    }

    /// Whether the client has gone. What it says has no meaning.
    pub(super) fn is_gone(&mut self, scratch: &mut [u8], context: &mut Context<'_>) -> bool {
        for _ in 0..READS {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut *self.io).poll_read(context, &mut buffer) {
                Poll::Pending => return false,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return true,
            }
        }
        context.waker().wake_by_ref();
        false
    }

    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            match ready!(Pin::new(&mut *self.io).poll_write(context, &self.rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => self.rest.advance(taken),
            }
        }
        self.rest = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

/// Puts a chunk together; tells how many bytes are in it, and its size.
fn chunk(bytes: &[u8], scratch: &mut [u8]) -> io::Result<(usize, usize)> {
    let count = bytes.len().min(scratch.len() - AROUND);
    let mut chunk = Cursor::new(scratch);
    write!(chunk, "{count:x}\r\n")?;
    chunk.write_all(&bytes[..count])?;
    chunk.write_all(b"\r\n")?;
    let size = usize::try_from(chunk.position()).expect("it lies within the buffer");
    Ok((count, size))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// What a client reads of a body, through a socket that takes `room` bytes at a time.
    async fn written(coding: Coding, room: usize, scratch: usize, pieces: &[&[u8]]) -> String {
        let (mut client, server) = tokio::io::duplex(room);
        let read = tokio::spawn(async move {
            let mut text = String::new();
            client.read_to_string(&mut text).await.unwrap();
            text
        });
        let mut chunks = Chunks::new(Box::new(server), coding);
        let mut scratch = vec![0; scratch];
        for piece in pieces {
            let mut piece = *piece;
            while !piece.is_empty() {
                let write = poll_fn(|it| chunks.poll_write(piece, &mut scratch, it));
                piece = &piece[write.await.unwrap()..];
            }
        }
        poll_fn(|it| chunks.poll_end(it)).await.unwrap();
        read.await.unwrap()
    }

    #[tokio::test]
    async fn chunks_are_whole_however_little_the_socket_takes() {
        let pieces: &[&[u8]] = &[b"one\n", b"0123456789abcdefg"];
        for room in [1, 2, 3, 7, 1_000] {
            assert_eq!(
                written(Coding::Chunked, room, 1_000, pieces).await,
                "4\r\none\n\r\n11\r\n0123456789abcdefg\r\n0\r\n\r\n",
            );
            assert_eq!(
                written(Coding::Chunked, room, AROUND + 10, pieces).await,
                "4\r\none\n\r\na\r\n0123456789\r\n7\r\nabcdefg\r\n0\r\n\r\n",
            );
            assert_eq!(
                written(Coding::Plain, room, AROUND, pieces).await,
                "one\n0123456789abcdefg",
            );
        }
    }

    #[tokio::test]
    async fn what_a_client_says_is_thrown_away_until_it_goes() {
        let (mut client, server) = tokio::io::duplex(1_000);
        let mut chunks = Chunks::new(Box::new(server), Coding::Chunked);
        let mut is_gone =
            async || poll_fn(|it| Poll::Ready(chunks.is_gone(&mut [0; 10], it))).await;
        assert!(!is_gone().await);
        client.write_all(&[0; 1_000]).await.unwrap();
        assert!(!is_gone().await);
        drop(client);
        // One look was before it went, and the last one finds the end.
        for _ in 1..1_000 / (10 * READS) {
            assert!(!is_gone().await, "before all is read");
        }
        assert!(is_gone().await);
    }
}
