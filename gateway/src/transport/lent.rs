//! A client's socket as the HTTP server has it: until a response takes it over, and with it nothing of the HTTP server's is
//! kept for the client.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket, encrypted or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Io for T {}

/// A socket that is the HTTP server's for a while.
pub(crate) struct Lent<T> {
    /// `None` once it was taken over.
    io: Option<T>,
    claim: Rc<Claim>,
}

type Heir = Box<dyn FnOnce(Box<dyn Io>)>;

/// Who takes the socket over.
#[derive(Default)]
pub(crate) struct Claim(RefCell<Option<Heir>>);

impl Claim {
    /// Gives the socket to `heir` as soon as everything that was written has left. The HTTP server is told that it broke.
    pub(super) fn stake(&self, heir: impl FnOnce(Box<dyn Io>) + 'static) {
        *self.0.borrow_mut() = Some(Box::new(heir));
    }
}

impl<T> Lent<T> {
    pub(crate) fn new(io: T) -> Self {
        Self {
            io: Some(io),
            claim: Rc::default(),
        }
    }

    pub(crate) fn claim(&self) -> Rc<Claim> {
        Rc::clone(&self.claim)
    }

    /// The socket, if nobody took it over.
    pub(super) fn into_inner(self) -> Option<T> {
        self.io
    }

    fn io(&mut self) -> io::Result<&mut T> {
        self.io.as_mut().ok_or_else(taken)
    }
}

fn taken() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "a response took the socket over")
}

impl<T: Io> AsyncRead for Lent<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.io()?).poll_read(context, buffer)
    }
}

impl<T: Io> AsyncWrite for Lent<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.io()?).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(self.io()?).poll_flush(context))?;
        let heir = self.claim.0.take();
        match heir.and_then(|heir| Some((heir, self.io.take()?))) {
            Some((heir, io)) => {
                heir(Box::new(io));
                Poll::Ready(Err(taken()))
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.io()?).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_socket_changes_hands_once_all_is_written() {
        let (mut client, server) = tokio::io::duplex(4);
        let mut lent = Lent::new(server);
        let claim = lent.claim();
        let heir: Rc<Cell<Option<Box<dyn Io>>>> = Rc::default();
        let slot = Rc::clone(&heir);
        lent.write_all(b"head").await.unwrap();
        claim.stake(move |io| slot.set(Some(io)));
        assert!(heir.take().is_none(), "before it is flushed");
        assert!(lent.flush().await.is_err(), "the HTTP server goes on");
        assert!(lent.read(&mut [0]).await.is_err());
        let mut read = [0; 4];
        client.read_exact(&mut read).await.unwrap();
        heir.take().unwrap().write_all(b"body").await.unwrap();
        client.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"body");
    }
}
