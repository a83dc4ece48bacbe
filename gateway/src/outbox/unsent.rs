//! Bytes that are for one connection alone, and how much of a frame its client has.

use std::io;
use std::task::Poll;

use crate::wire::Wire;

/// Bytes to be written in order. No memory while there are none.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    bytes: Vec<u8>,
    /// Of these, the ones that are written.
    sent: usize,
    /// Of the others, the ones that end what was begun.
    rest: usize,
}

impl Unsent {
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    /// Adds whole frames, which `write` appends; gives their size.
    pub(super) fn extend(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        let before = self.bytes.len();
        write(&mut self.bytes);
        self.bytes.len() - before
    }

    /// Takes bytes over, of which the first `rest` end a frame that was begun.
    pub(super) fn take_over(&mut self, bytes: &[u8], rest: usize) {
        if rest > 0 {
            debug_assert!(self.bytes.is_empty(), "one frame is begun at a time");
            self.rest = rest;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Drops all but the end of what was begun.
    pub(super) fn keep_rest(&mut self) {
        self.bytes.truncate(self.sent + self.rest);
        self.bytes.shrink_to_fit();
        self.free();
    }

    /// Gives bytes to `write`; `None` when there are none.
    pub(super) fn write(
        &mut self,
        wire: Wire,
        write: &mut dyn FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Option<Poll<io::Result<usize>>> {
        let bytes = &self.bytes[self.sent..];
        if bytes.is_empty() {
            return None;
        }
        let outcome = write(bytes);
        if let Poll::Ready(Ok(taken)) = outcome {
            self.advance(taken, wire);
        }
        Some(outcome)
    }

    fn advance(&mut self, taken: usize, wire: Wire) {
        let end = if taken <= self.rest {
            self.rest
        } else {
            let after = self.sent + self.rest;
            // Whole frames were given as a whole: only a part of them needs a closer look.
            match taken == self.len() {
                true => taken,
                false => self.rest + wire.frame_end(&self.bytes[after..], taken - self.rest),
            }
        };
        self.rest = end - taken;
        self.sent += taken;
        self.free();
    }

    fn free(&mut self) {
        if self.len() == 0 {
            *self = Self::default();
        }
    }
}
