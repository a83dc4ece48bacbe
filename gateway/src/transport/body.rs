//! The body of a response that does not end by itself, and the side that writes it. Over HTTP/1 it takes the client's socket
//! over once its head has left; over HTTP/2 the HTTP server takes the bytes.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::chunks::{Chunks, Coding};
use super::lent::{Claim, Io};
use crate::admission::Admitted;

/// Bytes that may wait for the HTTP server to take them.
const CAPACITY: usize = 16 * 1024;

/// Writes a body; dropping it ends the body.
pub(super) struct Writer(Rc<RefCell<Shared>>);

/// A body, as the HTTP server takes it.
pub(super) struct Body {
    shared: Rc<RefCell<Shared>>,
    /// Staked when the head has been written.
    claim: Option<(Rc<Claim>, Coding)>,
}

struct Shared {
    outlet: Outlet,
    /// Nothing more is written.
    is_done: bool,
    writer: Option<Waker>,
    /// A client counts as a connection for as long as either side is there.
    _admitted: Admitted,
}

/// Where bytes go.
enum Outlet {
    /// To the HTTP server, which may wait for them.
    Server(BytesMut, Option<Waker>),
    /// To a socket that will come.
    Awaited,
    Socket(Chunks),
    /// Nobody reads any more.
    Gone,
}

pub(super) fn body(admitted: Admitted, claim: Option<(Rc<Claim>, Coding)>) -> (Writer, Body) {
    let outlet = match claim {
        None => Outlet::Server(BytesMut::new(), None),
        Some(_) => Outlet::Awaited,
    };
    let shared = Rc::new(RefCell::new(Shared {
        outlet,
        is_done: false,
        writer: None,
        _admitted: admitted,
    }));
    let writer = Writer(Rc::clone(&shared));
    (writer, Body { shared, claim })
}

impl Writer {
    /// Says whom to wake when something can be written, or nobody reads any more.
    pub(super) fn watch(&self, context: &Context<'_>) {
        self.0.borrow_mut().writer = Some(context.waker().clone());
    }

    /// Whether nobody reads any more.
    pub(super) fn is_gone(&self, scratch: &mut [u8], context: &mut Context<'_>) -> bool {
        match &mut self.0.borrow_mut().outlet {
            Outlet::Server(..) | Outlet::Awaited => false,
            Outlet::Socket(chunks) => chunks.is_gone(scratch, context),
            Outlet::Gone => true,
        }
    }

    /// Adds as many of the bytes as there is room for.
    pub(super) fn poll_write(
        &self,
        bytes: &[u8],
        scratch: &mut [u8],
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match &mut self.0.borrow_mut().outlet {
            Outlet::Server(waiting, reader) => {
                let room = CAPACITY.saturating_sub(waiting.len());
                if room == 0 {
                    return Poll::Pending;
                }
                let count = room.min(bytes.len());
                waiting.extend_from_slice(&bytes[..count]);
                wake(reader);
                Poll::Ready(Ok(count))
            }
            Outlet::Awaited => Poll::Pending,
            Outlet::Socket(chunks) => chunks.poll_write(bytes, scratch, context),
            Outlet::Gone => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Sends what was written on its way.
    pub(super) fn poll_flush(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0.borrow_mut().outlet {
            Outlet::Socket(chunks) => chunks.poll_flush(context),
            Outlet::Server(..) | Outlet::Awaited | Outlet::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Ends the body; ready when everything was taken, or nobody takes it.
    pub(super) fn poll_end(&self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0.borrow_mut().outlet {
            Outlet::Server(waiting, _) if waiting.is_empty() => Poll::Ready(()),
            Outlet::Server(..) | Outlet::Awaited => Poll::Pending,
            Outlet::Socket(chunks) => chunks.poll_end(context).map(|_| ()),
            Outlet::Gone => Poll::Ready(()),
        }
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.is_done = true;
        if let Outlet::Server(_, reader) = &mut shared.outlet {
            wake(reader);
        }
    }
}

impl Shared {
    /// Goes on with the socket itself.
    fn inherit(&mut self, io: Box<dyn Io>, coding: Coding) {
        if !self.is_done {
            self.outlet = Outlet::Socket(Chunks::new(io, coding));
            wake(&mut self.writer);
        }
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((claim, coding)) = self.claim.take() {
            let shared = Rc::clone(&self.shared);
            claim.stake(move |io| shared.borrow_mut().inherit(io, coding));
        }
        let mut shared = self.shared.borrow_mut();
        let shared = &mut *shared;
        match &mut shared.outlet {
            Outlet::Server(waiting, _) if !waiting.is_empty() => {
                wake(&mut shared.writer);
                Poll::Ready(Some(Ok(std::mem::take(waiting).freeze())))
            }
            _ if shared.is_done => Poll::Ready(None),
            Outlet::Server(_, reader) => {
                *reader = Some(context.waker().clone());
                Poll::Pending
            }
            Outlet::Awaited | Outlet::Socket(_) | Outlet::Gone => Poll::Pending,
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        if !matches!(shared.outlet, Outlet::Socket(_)) {
            shared.outlet = Outlet::Gone;
            wake(&mut shared.writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures_util::task::noop_waker_ref;
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::admission::Admission;
    use crate::config::ClientConfig;

    fn new() -> (Writer, Body) {
        let admission = Admission::new(&ClientConfig::default(), Instant::now());
        body(admission.admit(Instant::now()).unwrap(), None)
    }

    fn write(writer: &Writer, bytes: &[u8]) -> Option<io::Result<usize>> {
        let mut context = Context::from_waker(noop_waker_ref());
        match writer.poll_write(bytes, &mut [], &mut context) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    #[test]
    fn what_is_written_leaves_within_bounds_and_the_body_ends_with_its_writer() {
        let (writer, mut body) = new();
        writer.watch(&Context::from_waker(noop_waker_ref()));
        assert!(body.next().now_or_never().is_none());
        assert_eq!(write(&writer, b"one").unwrap().unwrap(), 3);
        assert_eq!(write(&writer, b"two").unwrap().unwrap(), 3);
        let taken = body.next().now_or_never().unwrap();
        assert_eq!(taken, Some(Ok(Bytes::from_static(b"onetwo"))));
        let written = write(&writer, &[0; 2 * CAPACITY]).unwrap().unwrap();
        assert_eq!(written, CAPACITY);
        assert!(write(&writer, &[0]).is_none(), "no bound");
        drop(writer);
        let rest = body.next().now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(rest.len(), CAPACITY);
        assert_eq!(body.next().now_or_never(), Some(None));
    }

    #[test]
    fn writing_fails_once_nobody_reads() {
        let (writer, body) = new();
        drop(body);
        let mut context = Context::from_waker(noop_waker_ref());
        assert!(writer.is_gone(&mut [], &mut context));
        assert!(write(&writer, b"one").unwrap().is_err());
    }
}
