//! A request's payload and a response's body as the two directions of a socket.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use actix_web::dev::Payload;
use bytes::{Buf, Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that may wait for the HTTP server to take them.
const CAPACITY: usize = 32 * 1024;

/// The socket's side.
pub(super) struct Pipe {
    payload: Payload,
    /// Of the payload, what was not read yet.
    rest: Bytes,
    shared: Rc<RefCell<Shared>>,
}

/// The response's side.
pub(super) struct Body(Rc<RefCell<Shared>>);

#[derive(Default)]
struct Shared {
    bytes: BytesMut,
    /// One of the sides has ended.
    is_over: bool,
    /// Of whichever side waits for the other.
    waker: Option<Waker>,
}

impl Shared {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn end(&mut self) {
        self.is_over = true;
        self.wake();
    }
}

/// A pipe over a payload, and the body that carries what is written to it.
pub(super) fn pipe(payload: Payload) -> (Pipe, Body) {
    let shared = Rc::<RefCell<Shared>>::default();
    let body = Body(Rc::clone(&shared));
    let rest = Bytes::new();
    let pipe = Pipe {
        payload,
        rest,
        shared,
    };
    (pipe, body)
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.payload).poll_next(context)) {
                Some(Ok(bytes)) => self.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error.to_string()))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let count = self.rest.len().min(buffer.remaining());
        buffer.put_slice(&self.rest[..count]);
        self.rest.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.shared.borrow_mut();
        if shared.is_over {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(shared.bytes.len());
        if room == 0 {
            shared.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        shared.bytes.extend_from_slice(&bytes[..count]);
        shared.wake();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.borrow_mut().end();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.shared.borrow_mut().end();
    }
}

impl Stream for Body {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = self.0.borrow_mut();
        if !shared.bytes.is_empty() {
            shared.wake();
            return Poll::Ready(Some(Ok(std::mem::take(&mut shared.bytes).freeze())));
        }
        if shared.is_over {
            return Poll::Ready(None);
        }
        shared.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.0.borrow_mut().end();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_is_written_leaves_and_the_body_ends_with_its_pipe() {
        let (mut pipe, mut body) = pipe(Payload::None);
        assert!(body.next().now_or_never().is_none());
        pipe.write_all(b"one").await.unwrap();
        pipe.write_all(b"two").await.unwrap();
        assert_eq!(body.next().await, Some(Ok(Bytes::from_static(b"onetwo"))));
        let written = pipe.write(&[0; 2 * CAPACITY]).await.unwrap();
        assert_eq!(written, CAPACITY);
        assert!(pipe.write(&[0]).now_or_never().is_none(), "no bound");
        drop(pipe);
        assert_eq!(body.next().await.unwrap().unwrap().len(), CAPACITY);
        assert_eq!(body.next().await, None);
    }

    #[tokio::test]
    async fn writing_fails_once_nobody_reads() {
        let (mut pipe, body) = pipe(Payload::None);
        drop(body);
        assert!(pipe.write(b"one").await.is_err());
    }

    #[tokio::test]
    async fn a_payload_is_read_in_pieces() {
        let pieces = ["hello ", "world"].map(|piece| Ok(Bytes::from_static(piece.as_bytes())));
        let payload = Box::pin(futures_util::stream::iter(pieces));
        let (mut pipe, _body) = pipe(Payload::Stream { payload });
        let mut text = String::new();
        let mut piece = [0; 4];
        while let Ok(count @ 1..) = pipe.read(&mut piece).await {
            text += &String::from_utf8_lossy(&piece[..count]);
        }
        assert_eq!(text, "hello world");
    }
}
