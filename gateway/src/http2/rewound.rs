//! A socket of which some bytes were read to find out what its client speaks.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// How a client begins that speaks HTTP/2 without having asked (RFC 9113 section 3.4). No method of HTTP/1.1 does.
const PREFACE: &[u8; 4] = b"PRI ";

/// A socket that gives what was read of it once more.
pub(crate) struct Rewound<T> {
    io: T,
    read: [u8; PREFACE.len()],
    /// Of these, the ones that are given once more.
    from: usize,
    to: usize,
}

/// Reads as much as it takes to know whether the client speaks HTTP/2.
///
/// # Errors
/// Those of the socket.
pub(crate) async fn is_http2<T: AsyncRead + Unpin>(mut io: T) -> io::Result<(bool, Rewound<T>)> {
    let (mut read, mut to) = ([0; PREFACE.len()], 0);
    while to < read.len() && read[..to] == PREFACE[..to] {
        match io.read(&mut read[to..]).await? {
            0 => break,
            count => to += count,
        }
    }
    let is_http2 = read == *PREFACE;
    let from = 0;
    Ok((is_http2, Rewound { io, read, from, to }))
}

impl<T: AsyncRead + Unpin> AsyncRead for Rewound<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.from < self.to {
            let count = buffer.remaining().min(self.to - self.from);
            buffer.put_slice(&self.read[self.from..self.from + count]);
            self.from += count;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Rewound<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_of_what_was_looked_at_is_lost() {
        for (text, expected) in [
            ("PRI * HTTP/2.0\r\n\r\n", true),
            ("POST / HTTP/1.1\r\n\r\n", false),
            ("PRX", false),
            ("PR", false),
            ("", false),
        ] {
            let (found, mut rewound) = is_http2(text.as_bytes()).await.unwrap();
            assert_eq!(found, expected, "{text}");
            let mut read = String::new();
            let mut byte = [0];
            while rewound.read(&mut byte).await.unwrap() > 0 {
                read.push(byte[0].into());
            }
            assert_eq!(read, text);
        }
    }
}
