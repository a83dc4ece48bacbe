//! The ready-made frames of one channel, for clients of one form, and a cursor for each of them.
//!
//! Publications are framed once, however many subscribers there are. A frame is kept until the last subscriber has been
//! written it, or was cut off as slow; or, where only the newest count, until a newer one takes its place. While
//! everybody is at the head, a log holds nothing.

use std::cell::{Cell, RefCell, RefMut};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};

use tidegate_backbone::Channel;
use tidegate_codec::Encoded;

use super::newest::{Dropped, Newest};
use super::segments::{Segments, Spares};
use crate::broadcast::{Broadcast, Form};
use crate::outbox::Outbox;
use crate::presence::Hearing;
use crate::wire::{Press, Wire};

/// Messages are joined into one frame up to this size; some WebSocket clients refuse frames above 1 MiB.
const FRAME_TARGET: usize = 64 * 1024;

/// One channel's frames for clients of one form.
pub(super) struct Log {
    wire: Wire,
    /// Whether its messages are patches of those before them.
    is_delta: bool,
    /// Whether what its subscribers had last is not what the next message is a patch of.
    is_astray: Cell<bool>,
    /// Where its subscribers are told of joins and leaves.
    hearing: Option<Arc<Hearing>>,
    /// Cursors that need a whole message first.
    fresh: Cell<usize>,
    spares: Rc<Spares>,
    frames: RefCell<Frames>,
    cursors: RefCell<Vec<Rc<Cursor>>>,
    /// Cursors that stand behind the head.
    behind: Cell<usize>,
}

enum Frames {
    Every(Segments),
    Newest(Newest),
}

/// How far one subscriber has been written.
pub(crate) struct Cursor {
    log: Rc<Log>,
    outbox: Rc<Outbox>,
    /// Among the log's cursors.
    index: Cell<usize>,
    /// In the log's own terms; of no meaning at the head.
    position: Cell<u64>,
    is_behind: Cell<bool>,
    /// Of patches: it has not had what the next one is a patch of.
    is_fresh: Cell<bool>,
}

impl Log {
    /// A log of every frame, or of the newest ones only.
    pub(super) fn new(
        wire: Wire,
        is_delta: bool,
        hearing: Option<Arc<Hearing>>,
        spares: Rc<Spares>,
        is_newest: bool,
    ) -> Rc<Self> {
        let frames = match is_newest {
            true => Frames::Newest(Newest::default()),
            false => Frames::Every(Segments::default()),
        };
        Rc::new(Self {
            wire,
            is_delta,
            is_astray: Cell::new(false),
            hearing,
            fresh: Cell::new(0),
            spares,
            frames: RefCell::new(frames),
            cursors: RefCell::default(),
            behind: Cell::new(0),
        })
    }

    pub(super) fn wire(&self) -> Wire {
        self.wire
    }

    pub(super) fn is_for(&self, wire: Wire, is_delta: bool, is_hearing: bool) -> bool {
        (self.wire, self.is_delta, self.is_hearing()) == (wire, is_delta, is_hearing)
    }

    /// Whether joins and leaves belong in it.
    pub(super) fn is_hearing(&self) -> bool {
        self.hearing.is_some()
    }

    /// The message of what is next; `None` if clients of its form cannot read it. Of what is stored each is a patch of the one
    /// before it there, while clients patch what they had last: behind one that is not stored comes a whole one.
    pub(super) fn message<'a>(&self, broadcast: &'a Broadcast) -> Option<&'a Encoded> {
        let format = self.wire.format;
        let form = match (self.is_delta, self.is_astray.get()) {
            (false, _) => Form::Plain(format),
            (true, true) => Form::Whole(format),
            (true, false) => Form::Patch(format),
        };
        let message = broadcast.encoded(form)?;
        if !broadcast.is_happening() {
            self.is_astray.set(broadcast.offset() == 0);
        }
        Some(message)
    }

    /// Whether somebody needs a whole message first.
    pub(super) fn needs_whole(&self) -> bool {
        self.fresh.get() > 0
    }

    /// Tells every subscriber that they cannot be given everything any more.
    pub(super) fn lose(&self, channel: &Channel) {
        for cursor in self.cursors.borrow().iter() {
            cursor.outbox.lose(channel);
        }
    }

    /// Shows every subscriber.
    pub(super) fn each(&self, show: impl Fn(&Rc<Outbox>)) {
        self.cursors
            .borrow()
            .iter()
            .for_each(|cursor| show(&cursor.outbox));
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
            is_fresh: Cell::new(self.is_delta),
        });
        self.fresh
            .update(|fresh| fresh + usize::from(self.is_delta));
        cursors.push(Rc::clone(&cursor));
        cursor
    }

    /// Adds messages for every subscriber, at most `batch` of them to a frame. Every one of them counts. Who needs a whole
    /// message first is given `whole` in place of the first one, which then is a frame of its own.
    pub(super) fn append(
        &self,
        messages: &[Encoded],
        batch: usize,
        press: &Press,
        whole: Option<&Encoded>,
    ) {
        let size = messages.iter().map(Encoded::len).sum();
        if self.segments().is_full(size) {
            self.release();
        }
        let (first, rest) = messages.split_at(usize::from(whole.is_some()));
        let start = self.segments().head();
        self.write(first, 1, press);
        let second = self.segments().head();
        self.write(rest, batch, press);
        let added = |since| usize::try_from(self.segments().head() - since);
        let (all, others) = (added(start), added(second));
        let all = all.expect("it stands in memory");
        let others = others.expect("it stands in memory");
        self.lead(|cursor| {
            if let Some(whole) = whole
                && cursor.is_fresh.get()
            {
                cursor.has_base();
                cursor.outbox.push(whole, press);
                if others > 0 {
                    cursor.follow(second, others, None);
                }
            } else {
                cursor.follow(start, all, None);
            }
        });
    }

    fn write(&self, messages: &[Encoded], batch: usize, press: &Press) {
        for frame in frames(messages, batch) {
            let size = frame.iter().map(Encoded::len).sum();
            self.segments().append(size, &self.spares, |bytes| {
                self.wire.write(frame, press, bytes);
            });
        }
    }

    /// Adds a message, of which only the newest with this key counts.
    pub(super) fn put(&self, key: &str, message: &Encoded, press: &Press) {
        let mut frame = Vec::new();
        self.wire
            .write(std::slice::from_ref(message), press, &mut frame);
        let added = frame.len();
        let (start, dropped) = {
            let mut frames = self.frames.borrow_mut();
            let Frames::Newest(newest) = &mut *frames else {
                return;
            };
            (newest.head(), newest.put(key, frame))
        };
        self.lead(|cursor| cursor.follow(start, added, dropped));
    }

    /// Tells every subscriber of a new frame.
    fn lead(&self, follow: impl Fn(&Rc<Cursor>)) {
        // Held, or the first subscriber to be cut off would let the frames go.
        self.behind.update(|behind| behind + 1);
        self.cursors.borrow().iter().for_each(follow);
        self.caught_up();
    }

    /// One cursor less is behind.
    fn caught_up(&self) {
        self.behind.update(|behind| behind - 1);
        if self.behind.get() > 0 {
            return;
        }
        match &mut *self.frames.borrow_mut() {
            Frames::Every(segments) => segments.release(segments.head(), &self.spares),
            Frames::Newest(newest) => newest.clear(),
        }
    }

    /// Lets go of what everybody has been written.
    fn release(&self) {
        let cursors = self.cursors.borrow();
        let behind = cursors.iter().filter(|cursor| cursor.is_behind.get());
        let first = behind.map(|cursor| cursor.position.get()).min();
        let mut segments = self.segments();
        let first = first.unwrap_or(segments.head());
        segments.release(first, &self.spares);
    }

    fn segments(&self) -> RefMut<'_, Segments> {
        RefMut::map(self.frames.borrow_mut(), |frames| match frames {
            Frames::Every(segments) => segments,
            Frames::Newest(_) => unreachable!("a log is of one kind"),
        })
    }
}

impl Frames {
    fn head(&self) -> u64 {
        match self {
            Self::Every(segments) => segments.head(),
            Self::Newest(newest) => newest.head(),
        }
    }

    /// Whole frames that stand at a position.
    fn from(&mut self, position: u64) -> &[u8] {
        match self {
            Self::Every(segments) => segments.from(position),
            Self::Newest(newest) => newest.from(position),
        }
    }

    /// The position once so many bytes from another one were had, which end with a frame.
    fn after(&self, position: u64, size: usize) -> u64 {
        match self {
            Self::Every(_) => position + size as u64,
            Self::Newest(newest) => newest.after(position, size),
        }
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
    /// Hears of a frame that was added, and of one that is not to be had any more.
    fn follow(self: &Rc<Self>, start: u64, added: usize, dropped: Option<Dropped>) {
        let is_first = !self.is_behind.get();
        if let Some(Dropped { number, size }) = dropped
            && !is_first
            && self.position.get() < number
        {
            self.outbox.discharge(size);
        }
        if self.outbox.follow(self, added, is_first) && is_first {
            self.position.set(start);
            self.is_behind.set(true);
            self.log.behind.update(|behind| behind + 1);
        }
    }

    pub(super) fn log(&self) -> &Rc<Log> {
        &self.log
    }

    /// It has what the next message is a patch of.
    pub(super) fn has_base(&self) {
        if self.is_fresh.replace(false) {
            self.log.fresh.update(|fresh| fresh - 1);
        }
    }

    /// Gives what stands at the cursor to `write`, once.
    pub(crate) fn write(
        &self,
        write: &mut dyn FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let mut frames = self.log.frames.borrow_mut();
        let bytes = frames.from(self.position.get());
        let taken = ready!(write(bytes))?;
        let end = if taken == bytes.len() {
            taken
        } else {
            self.log.wire.frame_end(bytes, taken)
        };
        // Something else may have to be written before this cursor's next turn: the frame is finished apart from it.
        self.outbox.take_over(&bytes[taken..end], end - taken);
        let position = frames.after(self.position.get(), end);
        self.position.set(position);
        let is_at_head = position == frames.head();
        drop(frames);
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
            let mut frames = self.log.frames.borrow_mut();
            while self.position.get() < frames.head() {
                let bytes = frames.from(self.position.get());
                self.outbox.take_over(bytes, 0);
                let size = bytes.len();
                self.position
                    .update(|position| frames.after(position, size));
            }
        }
        self.skip();
        self.has_base();
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

#[cfg(test)]
mod tests;
