//! A message put together from pieces, within a bound on bytes and one on frames.

use bytes::Bytes;

use super::Limits;
use crate::event::Kind;
use crate::violation::{NOT_UTF_8, RESERVED_BIT};
use crate::{Head, Inflater, Message, Violation, Window};

/// The message under way.
#[derive(Debug)]
pub(super) struct Assembly {
    kind: Kind,
    compressed: bool,
    frames: usize,
    /// As it came: still deflated when `compressed`.
    data: Vec<u8>,
    /// Bytes at the front of `data` that are whole characters.
    checked: usize,
}

/// Bytes that a message may still have after `held` of them. What deflate makes of data that it cannot shrink is a
/// little longer than the data.
pub(super) fn room(limits: &Limits, compressed: bool, held: usize) -> usize {
    let limit = match compressed {
        true => limits.message.saturating_add(limits.message / 8 + 64),
        false => limits.message,
    };
    limit.saturating_sub(held)
}

impl Assembly {
    /// A message whose first frame has this head.
    pub(super) fn begin(head: &Head) -> Self {
        Self {
            kind: Kind::of(head.opcode).unwrap_or(Kind::Binary),
            compressed: head.compressed,
            frames: 0,
            data: Vec::new(),
            checked: 0,
        }
    }

    pub(super) fn count(&mut self) {
        self.frames += 1;
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.data.capacity()
    }

    /// Bytes that one more frame may have.
    pub(super) fn room(&self, limits: &Limits) -> Result<usize, Violation> {
        if self.frames >= limits.fragments {
            return Err(Violation::too_big("message has too many fragments"));
        }
        Ok(room(limits, self.compressed, self.data.len()))
    }

    /// Takes a piece of a frame. `missing` is what the message lacks yet, as far as that is known.
    pub(super) fn append(
        &mut self,
        payload: &[u8],
        missing: usize,
        limits: &Limits,
    ) -> Result<(), Violation> {
        self.grow(
            payload.len(),
            missing.min(room(limits, self.compressed, self.data.len())),
        );
        self.data.extend_from_slice(payload);
        if self.kind == Kind::Binary || self.compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.checked..]) {
            Ok(_) => self.checked = self.data.len(),
            // The end may be the beginning of a character.
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF_8),
        }
        Ok(())
    }

    /// Makes room for `more` bytes: by what has arrived, whatever was declared, and never beyond `most`.
    fn grow(&mut self, more: usize, most: usize) {
        if self.data.capacity() - self.data.len() < more {
            let doubled = self.data.len().min(most);
            self.data.reserve_exact(doubled.max(more));
        }
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The message, all of whose frames are there, inflated.
    pub(super) fn inflate(
        self,
        inflater: &mut Inflater,
        window: Option<&mut Window>,
        limits: &Limits,
    ) -> Result<Message, Violation> {
        let data = inflater.inflate(&self.data, window, limits.message)?;
        self.kind.message(data)
    }

    /// The message, all of whose frames are there.
    pub(super) fn finish(self) -> Result<Message, Violation> {
        let is_whole = self.checked == self.data.len();
        match self.kind {
            _ if self.compressed => Err(RESERVED_BIT),
            Kind::Binary => Ok(Message::Binary(Bytes::from(self.data))),
            Kind::Text if is_whole => Ok(Message::Text(Bytes::from(self.data))),
            Kind::Text => Err(NOT_UTF_8),
        }
    }
}
