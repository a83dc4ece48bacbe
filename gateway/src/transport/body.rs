//! The body of a response that does not end by itself, and the side that writes it.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use crate::admission::Admitted;

/// Bytes that may wait for the HTTP server to take them.
const CAPACITY: usize = 16 * 1024;

/// Writes a body; dropping it ends the body.
pub(super) struct Writer(Rc<RefCell<Shared>>);

/// A body, as the HTTP server takes it. Who has it counts as a connection.
pub(super) struct Body {
    shared: Rc<RefCell<Shared>>,
    _admitted: Admitted,
}

#[derive(Default)]
struct Shared {
    bytes: BytesMut,
    /// Nothing more is written.
    is_done: bool,
    /// Nobody reads any more.
    is_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

pub(super) fn body(admitted: Admitted) -> (Writer, Body) {
    let shared = Rc::<RefCell<Shared>>::default();
    let writer = Writer(Rc::clone(&shared));
    let body = Body {
        shared,
        _admitted: admitted,
    };
    (writer, body)
}

impl Writer {
    /// Says whom to wake when something was taken, or nobody reads any more.
    pub(super) fn watch(&self, context: &Context<'_>) {
        self.0.borrow_mut().writer = Some(context.waker().clone());
    }

    /// Whether nobody reads any more.
    pub(super) fn is_gone(&self) -> bool {
        self.0.borrow().is_gone
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().bytes.is_empty()
    }

    /// Adds as many of the bytes as there is room for.
    pub(super) fn poll_write(&self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        if shared.is_gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = CAPACITY.saturating_sub(shared.bytes.len());
        if room == 0 {
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        shared.bytes.extend_from_slice(&bytes[..count]);
        wake(&mut shared.reader);
        Poll::Ready(Ok(count))
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
        wake(&mut shared.reader);
    }
}

impl Stream for Body {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut shared = self.shared.borrow_mut();
        if !shared.bytes.is_empty() {
            wake(&mut shared.writer);
            return Poll::Ready(Some(Ok(std::mem::take(&mut shared.bytes).freeze())));
        }
        if shared.is_done {
            return Poll::Ready(None);
        }
        shared.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut shared = self.shared.borrow_mut();
        shared.is_gone = true;
        wake(&mut shared.writer);
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
        body(admission.admit(Instant::now()).unwrap())
    }

    fn write(writer: &Writer, bytes: &[u8]) -> Option<io::Result<usize>> {
        match writer.poll_write(bytes) {
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
        assert!(writer.is_gone());
        assert!(write(&writer, b"one").unwrap().is_err());
    }
}
