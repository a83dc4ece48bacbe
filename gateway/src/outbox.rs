//! Messages waiting to be written to one connection: shared bytes in, whole frames out.
//!
//! Bounded in bytes. Every message is charged [`MESSAGE_OVERHEAD`] besides its length, so the byte bound is a bound on
//! their number too. When it is full everything waiting is dropped and the connection ends as slow (3008): a client
//! that cannot be given every message is told so. Lives on one worker thread; nothing here locks.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use bytes::Bytes;
use tidegate_codec::{Encoded, Format};
use tokio::sync::Notify;

/// Bytes charged for a message besides its own: the handle that waits in the queue.
pub const MESSAGE_OVERHEAD: usize = size_of::<Encoded>();

/// Messages are joined into one frame up to this size; some WebSocket clients refuse frames above 1 MiB.
const FRAME_TARGET: usize = 64 * 1024;

/// The queue of one connection.
#[derive(Debug)]
pub struct Outbox {
    format: Format,
    limit: usize,
    queue: RefCell<VecDeque<Encoded>>,
    bytes: Cell<usize>,
    overflowed: Cell<bool>,
    filled: Notify,
    overflow: Notify,
}

impl Outbox {
    /// An empty queue for messages of `format`, holding at most `limit` bytes.
    #[must_use]
    pub fn new(format: Format, limit: usize) -> Self {
        Self {
            format,
            limit,
            queue: RefCell::default(),
            bytes: Cell::new(0),
            overflowed: Cell::new(false),
            filled: Notify::new(),
            overflow: Notify::new(),
        }
    }

    /// The format of its messages.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Adds a message, or drops everything and marks the outbox as overflowed when there is no room.
    pub fn push(&self, message: Encoded) {
        if self.overflowed.get() {
            return;
        }
        let bytes = self.bytes.get() + message.len() + MESSAGE_OVERHEAD;
        let mut queue = self.queue.borrow_mut();
        if bytes > self.limit {
            self.overflowed.set(true);
            *queue = VecDeque::new();
            self.bytes.set(0);
            self.overflow.notify_one();
            return;
        }
        self.bytes.set(bytes);
        queue.push_back(message);
        if queue.len() == 1 {
            self.filled.notify_one();
        }
    }

    /// Whether there was no room for a message.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        self.overflowed.get()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.borrow().is_empty()
    }

    /// Waits until something waits to be written.
    pub async fn filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// Waits until there was no room for a message.
    pub async fn overflowed(&self) {
        while !self.has_overflowed() {
            self.overflow.notified().await;
        }
    }

    /// Takes what waits, up to the size of a frame, as one frame. `None` when nothing waits.
    pub fn take_frame(&self) -> Option<Bytes> {
        let mut queue = self.queue.borrow_mut();
        let mut size = 0;
        let count = queue.iter().take_while(|message| {
            let fits = size == 0 || size + message.len() <= FRAME_TARGET;
            size += message.len() + 1;
            fits
        });
        let count = count.count();
        if count == 0 {
            return None;
        }
        let messages: Vec<Encoded> = queue.drain(..count).collect();
        if queue.is_empty() && queue.capacity() > 64 {
            queue.shrink_to(0);
        }
        let taken: usize = messages
            .iter()
            .map(|message| message.len() + MESSAGE_OVERHEAD)
            .sum();
        self.bytes.set(self.bytes.get() - taken);
        Some(self.format.join(&messages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(size: usize) -> Bytes {
        Bytes::from(vec![b'x'; size])
    }

    #[test]
    fn what_waits_leaves_as_one_frame() {
        let outbox = Outbox::new(Format::Json, 1_000);
        outbox.push(Bytes::from_static(b"{\"a\":1}"));
        outbox.push(Bytes::from_static(b"{}"));
        assert_eq!(outbox.take_frame().as_deref(), Some(&b"{\"a\":1}\n{}"[..]));
        assert_eq!(outbox.take_frame(), None);
    }

    #[test]
    fn frames_stay_under_their_target_unless_one_message_is_larger() {
        let outbox = Outbox::new(Format::Protobuf, 10 * FRAME_TARGET);
        outbox.push(message(FRAME_TARGET * 2));
        outbox.push(message(FRAME_TARGET / 2));
        outbox.push(message(FRAME_TARGET / 4));
        outbox.push(message(FRAME_TARGET / 2));
        let sizes: Vec<usize> = std::iter::from_fn(|| outbox.take_frame())
            .map(|frame| frame.len())
            .collect();
        assert_eq!(
            sizes,
            [
                FRAME_TARGET * 2,
                FRAME_TARGET / 2 + FRAME_TARGET / 4,
                FRAME_TARGET / 2
            ]
        );
    }

    #[test]
    fn overflow_drops_everything_and_stays() {
        let outbox = Outbox::new(Format::Json, 3 * (10 + MESSAGE_OVERHEAD));
        for _ in 0..3 {
            outbox.push(message(10));
        }
        assert!(!outbox.has_overflowed());
        outbox.push(message(1));
        assert!(outbox.has_overflowed());
        assert!(outbox.is_empty());
        outbox.push(message(1));
        assert_eq!(outbox.take_frame(), None);
    }

    #[test]
    fn empty_messages_are_bounded_in_number() {
        let outbox = Outbox::new(Format::Json, 100 * MESSAGE_OVERHEAD);
        for _ in 0..=100 {
            outbox.push(Bytes::new());
        }
        assert!(outbox.has_overflowed());
    }

    #[test]
    fn room_comes_back_when_a_frame_is_taken() {
        let outbox = Outbox::new(Format::Json, 2 * (10 + MESSAGE_OVERHEAD));
        for _ in 0..10 {
            outbox.push(message(10));
            outbox.push(message(10));
            assert!(outbox.take_frame().is_some());
        }
        assert!(!outbox.has_overflowed());
    }

    #[tokio::test]
    async fn filled_wakes_for_a_message_and_for_overflow() {
        let outbox = Outbox::new(Format::Json, 100);
        outbox.push(message(1));
        outbox.filled().await;
        outbox.take_frame();
        outbox.push(message(1_000));
        outbox.overflowed().await;
        assert!(outbox.is_empty());
    }
}
