//! What waits to be written to one connection.
//!
//! Two kinds: bytes of its own (replies, and the rest of a frame that the socket took a part of), which go first, and
//! places in the logs of channels that it has not been written up to. A publication costs a subscriber no memory of its
//! own. Bounded in bytes, those in logs included: when more wait, all of it is dropped and the connection ends as slow
//! (3008), for a client that cannot be given every message is told so. Lives on one worker thread; nothing here locks.

mod unsent;

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};

use smallvec::SmallVec;
use tidegate_backbone::Channel;
use tidegate_codec::{DisconnectCode, Encoded};

use crate::control::Errand;
use crate::counters::Counter;
use crate::hub::log::Cursor;
use crate::signal::Signal;
use crate::wire::{Press, Wire};
use unsent::Unsent;

/// The queue of one connection.
#[derive(Debug)]
pub struct Outbox {
    wire: Wire,
    limit: usize,
    own: RefCell<Unsent>,
    /// Cursors that stand behind the head of their log, in the order in which they fell behind.
    behind: RefCell<SmallVec<[Rc<Cursor>; 1]>>,
    /// Bytes that wait, of both kinds.
    waiting: Cell<usize>,
    /// Of these, the ones that the node was told of.
    reported: Cell<u32>,
    state: Cell<State>,
    signal: Signal,
    asked_to_close: Cell<Option<DisconnectCode>>,
    /// What its connection has to be told; nearly always nothing.
    notes: RefCell<Option<Box<Notes>>>,
}

#[derive(Debug, Default)]
struct Notes {
    /// Channels that it cannot be given everything of any more.
    lost: Vec<Channel>,
    /// What backends want of the connection; at most [`MAX_ERRANDS`].
    errands: Vec<Arc<Errand>>,
}

/// Errands that may wait for one connection.
const MAX_ERRANDS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// More had to wait than may.
    Overflowed,
    /// Nobody is there to read it.
    Abandoned,
}

impl Outbox {
    /// An empty queue in which at most `limit` bytes may wait.
    #[must_use]
    pub fn new(wire: Wire, limit: usize) -> Self {
        Self {
            wire,
            limit,
            own: RefCell::default(),
            behind: RefCell::default(),
            waiting: Cell::new(0),
            reported: Cell::new(0),
            state: Cell::new(State::Open),
            signal: Signal::default(),
            asked_to_close: Cell::new(None),
            notes: RefCell::default(),
        }
    }

    /// The form of what is sent.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// Adds a message for this client alone.
    pub fn push(&self, message: &Encoded, press: &Press) {
        let messages = std::slice::from_ref(message);
        self.extend(|bytes| self.wire.write(messages, press, bytes));
    }

    /// Adds what precedes the first frame.
    pub(crate) fn begin_with(&self, bytes: &[u8]) {
        self.take_over(bytes, bytes.len());
        self.charge(bytes.len());
    }

    /// Adds whole frames, which `write` appends.
    pub(crate) fn extend(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.state.get() != State::Open {
            return;
        }
        let added = self.own.borrow_mut().extend(write);
        self.charge(added);
        self.signal.wake();
    }

    /// Whether more had to wait than may.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        self.state.get() == State::Overflowed
    }

    /// Bytes that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Brings `total` up to date with what waits. Asked when the connection has taken what it takes, so that an outbox that
    /// is always emptied costs a comparison.
    pub(crate) fn report(&self, total: &Counter) {
        self.report_as(self.waiting.get(), total);
    }

    /// Takes it out of `total`.
    pub(crate) fn retire(&self, total: &Counter) {
        self.report_as(0, total);
    }

    fn report_as(&self, bytes: usize, total: &Counter) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let before = self.reported.get();
        if bytes == before {
            return;
        }
        self.reported.set(bytes);
        match bytes.checked_sub(before) {
            Some(more) => total.add(more.into()),
            None => total.sub((before - bytes).into()),
        }
    }

    /// Drops what waits, but for the rest of a frame that the client has a part of, and takes nothing more.
    pub(crate) fn abandon(&self) {
        self.shut(State::Abandoned);
    }

    /// Takes what its owner has to say at the end, after an overflow too.
    pub(crate) fn reopen(&self) {
        self.state.set(State::Open);
    }

    /// Wakes the connection's task.
    pub(crate) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Asks the connection to end with a code.
    pub(crate) fn ask_to_close(&self, code: DisconnectCode) {
        self.asked_to_close.set(Some(code));
        self.signal.wake();
    }

    /// What it was asked to end with, told once.
    pub(crate) fn take_asked_to_close(&self) -> Option<DisconnectCode> {
        self.asked_to_close.take()
    }

    /// Gives the connection an errand. False when too many wait already.
    pub(crate) fn send(&self, errand: &Arc<Errand>) -> bool {
        let mut notes = self.notes.borrow_mut();
        let errands = &mut notes.get_or_insert_default().errands;
        let has_room = errands.len() < MAX_ERRANDS;
        if has_room {
            errands.push(Arc::clone(errand));
        }
        self.signal.wake();
        has_room
    }

    /// Notes that the connection cannot be given everything of a channel any more.
    pub(crate) fn lose(&self, channel: &Channel) {
        let mut notes = self.notes.borrow_mut();
        notes.get_or_insert_default().lost.push(channel.clone());
        self.signal.wake();
    }

    /// The channels of which that was noted, and the errands that were given, told once.
    pub(crate) fn take_notes(&self) -> Option<(Vec<Channel>, Vec<Arc<Errand>>)> {
        let notes = self.notes.take()?;
        Some((notes.lost, notes.errands))
    }

    /// Gives what waits to `write`, which says how many bytes it took, until nothing waits or it takes no more.
    ///
    /// # Errors
    /// Those of `write`; it is written to no more.
    pub fn poll_flush(
        &self,
        write: &mut dyn FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        loop {
            while let Some(taken) = self.own.borrow_mut().write(self.wire, write) {
                self.discharge(ready!(taken)?);
            }
            let Some(cursor) = self.behind.borrow().first().cloned() else {
                return Poll::Ready(Ok(()));
            };
            self.discharge(ready!(cursor.write(write))?);
        }
    }

    /// Whether a log's frames count for this connection; accounts for them and wakes its task if so.
    pub(crate) fn follow(&self, cursor: &Rc<Cursor>, added: usize, is_first: bool) -> bool {
        if self.state.get() != State::Open {
            return false;
        }
        if is_first {
            self.behind.borrow_mut().push(Rc::clone(cursor));
        }
        self.charge(added);
        self.signal.wake();
        self.state.get() == State::Open
    }

    /// Forgets a cursor that stands at its head.
    pub(crate) fn forget(&self, cursor: &Cursor) {
        self.behind
            .borrow_mut()
            .retain(|other| !std::ptr::eq(&raw const **other, cursor));
    }

    /// Takes over bytes of a log that were accounted for already. The first `rest` of them end a frame that was begun.
    pub(crate) fn take_over(&self, bytes: &[u8], rest: usize) {
        self.own.borrow_mut().take_over(bytes, rest);
    }

    fn charge(&self, bytes: usize) {
        let waiting = self.waiting.get() + bytes;
        self.waiting.set(waiting);
        if waiting > self.limit {
            self.shut(State::Overflowed);
        }
    }

    /// Accounts for bytes that wait no longer.
    pub(crate) fn discharge(&self, bytes: usize) {
        self.waiting.set(self.waiting.get() - bytes);
    }

    fn shut(&self, state: State) {
        self.state.set(state);
        for cursor in self.behind.take() {
            cursor.skip();
        }
        let mut own = self.own.borrow_mut();
        own.keep_rest();
        self.waiting.set(own.len());
        self.signal.wake();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidegate_codec::Format;

    use super::*;

    const JSON: Wire = Wire::plain(Format::Json);

    fn push(outbox: &Outbox, message: &'static str) {
        push_bytes(outbox, Bytes::from_static(message.as_bytes()));
    }

    fn push_bytes(outbox: &Outbox, message: Bytes) {
        outbox.push(&message, &Press::new(1, 0));
    }

    /// What is written when the socket takes as many bytes at a time as the list says, and then no more.
    fn flush(outbox: &Outbox, takes: &[usize]) -> Vec<u8> {
        let mut written = Vec::new();
        let mut takes = takes.iter().copied();
        let flushed = outbox.poll_flush(&mut |bytes| match takes.next() {
            Some(takes) => {
                let taken = takes.min(bytes.len());
                written.extend_from_slice(&bytes[..taken]);
                Poll::Ready(Ok(taken))
            }
            None => Poll::Pending,
        });
        assert_eq!(flushed.is_ready(), outbox.waiting() == 0);
        written
    }

    fn message(size: usize) -> Bytes {
        vec![b'x'; size].into()
    }

    #[test]
    fn messages_leave_in_order_as_frames() {
        let outbox = Outbox::new(JSON, 1_000);
        push(&outbox, "{\"a\":1}");
        push(&outbox, "{}");
        assert_eq!(outbox.waiting(), 13);
        assert_eq!(flush(&outbox, &[100]), b"\x81\x07{\"a\":1}\x81\x02{}");
        assert_eq!(flush(&outbox, &[100]), b"");
    }

    #[test]
    fn a_socket_may_take_a_byte_at_a_time() {
        let outbox = Outbox::new(JSON, 1_000);
        push_bytes(&outbox, message(3));
        push_bytes(&outbox, message(2));
        assert_eq!(flush(&outbox, &[1; 4]), b"\x81\x03xx");
        assert_eq!(flush(&outbox, &[1; 5]), b"x\x81\x02xx");
    }

    #[test]
    fn overflow_drops_everything_but_the_rest_of_a_frame_and_stays() {
        for (sent, rest) in [(0, 0), (1, 11), (12, 0), (13, 11)] {
            let outbox = Outbox::new(JSON, 36);
            (0..3).for_each(|_| push_bytes(&outbox, message(10)));
            assert!(!outbox.has_overflowed());
            flush(&outbox, &[sent]);
            push_bytes(&outbox, message(34));
            assert!(outbox.has_overflowed(), "{sent}");
            push_bytes(&outbox, message(1));
            assert_eq!(outbox.waiting(), rest, "{sent}");
            outbox.reopen();
            push_bytes(&outbox, message(1));
            assert_eq!(flush(&outbox, &[100]).len(), rest + 3, "{sent}");
        }
    }

    #[test]
    fn what_a_socket_does_not_take_is_in_the_total_until_it_does() {
        let (total, slow, quick) = (
            Counter::default(),
            Outbox::new(JSON, 100),
            Outbox::new(JSON, 100),
        );
        for (pushed, taken, expected) in [(10, 5, 7), (10, 0, 19), (0, 100, 0), (90, 0, 92)] {
            for (outbox, taken) in [(&slow, taken), (&quick, 1_000)] {
                if pushed > 0 {
                    push_bytes(outbox, message(pushed));
                }
                flush(outbox, &[taken]);
                outbox.report(&total);
            }
            assert_eq!(total.get(), expected, "{pushed}");
        }
        slow.retire(&total);
        assert_eq!(total.get(), 0);
    }

    #[test]
    fn empty_messages_are_bounded_in_number() {
        let outbox = Outbox::new(JSON, 200);
        (0..100).for_each(|_| push(&outbox, ""));
        assert!(!outbox.has_overflowed());
        push(&outbox, "");
        assert!(outbox.has_overflowed());
    }

    #[test]
    fn what_precedes_the_first_frame_is_whole_too() {
        let outbox = Outbox::new(JSON, 100);
        outbox.begin_with(b"HTTP/1.1 101\r\n\r\n");
        push_bytes(&outbox, message(1));
        assert_eq!(flush(&outbox, &[5]), b"HTTP/");
        outbox.abandon();
        assert_eq!(flush(&outbox, &[100]), b"1.1 101\r\n\r\n");
    }
}
