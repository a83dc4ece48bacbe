//! The ready-made frames of one channel, for clients of one form, and a cursor for each of them.
//!
//! Publications are framed once, however many subscribers there are. A frame is kept until the last subscriber has been
//! written it, or was cut off as slow. While everybody is at the head, a log holds nothing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Poll, ready};

use tidegate_codec::Encoded;

use super::segments::{Segments, Spares};
use crate::outbox::Outbox;
use crate::wire::{Wire, frame_end};

/// Messages are joined into one frame up to this size; some WebSocket clients refuse frames above 1 MiB.
const FRAME_TARGET: usize = 64 * 1024;

/// One channel's frames for clients of one form.
pub(super) struct Log {
    wire: Wire,
    spares: Rc<Spares>,
    segments: RefCell<Segments>,
    cursors: RefCell<Vec<Rc<Cursor>>>,
    /// Cursors that stand behind the head.
    behind: Cell<usize>,
}

/// How far one subscriber has been written.
pub(crate) struct Cursor {
    log: Rc<Log>,
    outbox: Rc<Outbox>,
    /// Among the log's cursors.
    index: Cell<usize>,
    /// Where a frame begins; of no meaning at the head.
    position: Cell<u64>,
    is_behind: Cell<bool>,
}

impl Log {
    pub(super) fn new(wire: Wire, spares: Rc<Spares>) -> Rc<Self> {
        Rc::new(Self {
            wire,
            spares,
            segments: RefCell::default(),
            cursors: RefCell::default(),
            behind: Cell::new(0),
        })
    }

    pub(super) fn wire(&self) -> Wire {
        self.wire
    }

    /// Subscribers.
    pub(super) fn len(&self) -> usize {
        self.cursors.borrow().len()
    }

    /// Adds a subscriber, at the head.
    pub(super) fn join(self: &Rc<Self>, outbox: &Rc<Outbox>) -> Rc<Cursor> {
        let mut cursors = self.cursors.borrow_mut();
        let cursor = Rc::new(Cursor {
            log: Rc::clone(self),
            outbox: Rc::clone(outbox),
            index: Cell::new(cursors.len()),
            position: Cell::new(0),
            is_behind: Cell::new(false),
        });
        cursors.push(Rc::clone(&cursor));
        cursor
    }

    /// Adds messages for every subscriber, at most `batch` of them to a frame.
    pub(super) fn append(&self, messages: &[Encoded], batch: usize) {
        let size = messages.iter().map(Encoded::len).sum();
        if self.segments.borrow().is_full(size) {
            self.release();
        }
        let start = self.segments.borrow().head();
        for frame in frames(messages, batch) {
            let size = frame.iter().map(Encoded::len).sum();
            self.segments
                .borrow_mut()
                .append(size, &self.spares, |bytes| self.wire.write(frame, bytes));
        }
        let added = self.segments.borrow().head() - start;
        let added = usize::try_from(added).expect("it stands in memory");
        // Held, or the first subscriber to be cut off would let the frames go.
        self.behind.update(|behind| behind + 1);
        for cursor in self.cursors.borrow().iter() {
            cursor.follow(start, added);
        }
        self.caught_up();
    }

    /// One cursor less is behind.
    fn caught_up(&self) {
        self.behind.update(|behind| behind - 1);
        if self.behind.get() == 0 {
            let mut segments = self.segments.borrow_mut();
            let head = segments.head();
            segments.release(head, &self.spares);
        }
    }

    /// Lets go of what everybody has been written.
    fn release(&self) {
        let cursors = self.cursors.borrow();
        let behind = cursors.iter().filter(|cursor| cursor.is_behind.get());
        let mut segments = self.segments.borrow_mut();
        let first = behind.map(|cursor| cursor.position.get()).min();
        let first = first.unwrap_or(segments.head());
        segments.release(first, &self.spares);
    }
}

/// Parts messages into frames of at most `batch` messages, and of about [`FRAME_TARGET`] bytes if there are several.
fn frames(mut messages: &[Encoded], batch: usize) -> impl Iterator<Item = &[Encoded]> {
    std::iter::from_fn(move || {
        let mut size = 0;
        let fitting = messages.iter().take(batch.max(1)).take_while(|message| {
            let fits = size == 0 || size + message.len() <= FRAME_TARGET;
            size += message.len() + 1;
            fits
        });
        let (frame, others) = messages.split_at(fitting.count());
        messages = others;
        (!frame.is_empty()).then_some(frame)
    })
}

impl Cursor {
    fn follow(self: &Rc<Self>, start: u64, added: usize) {
        let is_first = !self.is_behind.get();
        if self.outbox.follow(self, added, is_first) && is_first {
            self.position.set(start);
            self.is_behind.set(true);
            self.log.behind.update(|behind| behind + 1);
        }
    }

    pub(super) fn log(&self) -> &Rc<Log> {
        &self.log
    }

    /// Gives what stands at the cursor to `write`, once.
    pub(crate) fn write(
        &self,
        write: &mut dyn FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let segments = self.log.segments.borrow();
        let bytes = segments.from(self.position.get());
        let taken = ready!(write(bytes))?;
        let end = if taken == bytes.len() {
            taken
        } else {
            frame_end(bytes, taken)
        };
        // Something else may have to be written before this cursor's next turn: the frame is finished apart from it.
        self.outbox.take_over(&bytes[taken..end], end - taken);
        let position = self.position.get() + end as u64;
        self.position.set(position);
        let is_at_head = position == segments.head();
        drop(segments);
        if is_at_head {
            self.outbox.forget(self);
            self.skip();
        }
        Poll::Ready(Ok(taken))
    }

    /// Goes to the head.
    pub(crate) fn skip(&self) {
        if self.is_behind.replace(false) {
            self.log.caught_up();
        }
    }

    /// Ends the subscription. What waits becomes the connection's own, so that it is written all the same.
    pub(super) fn leave(&self) {
        if self.is_behind.get() {
            self.outbox.forget(self);
            let segments = self.log.segments.borrow();
            while self.position.get() < segments.head() {
                let bytes = segments.from(self.position.get());
                self.outbox.take_over(bytes, 0);
                self.position
                    .update(|position| position + bytes.len() as u64);
            }
        }
        self.skip();
        let mut cursors = self.log.cursors.borrow_mut();
        cursors.swap_remove(self.index.get());
        if let Some(moved) = cursors.get(self.index.get()) {
            moved.index.set(self.index.get());
        }
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("position", &self.position)
            .field("is_behind", &self.is_behind)
            .finish_non_exhaustive()
    }
}
