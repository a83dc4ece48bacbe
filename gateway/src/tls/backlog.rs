//! Bytes on their way through a stream. No memory while there are none.

use std::io;

/// Bytes to be taken in order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    /// Of these, the ones that are taken.
    taken: usize,
}

impl Backlog {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds what `write` writes, `limit` bytes at the most; it says how many.
    ///
    /// # Errors
    /// Those of `write`; then nothing is added.
    pub(super) fn write(
        &mut self,
        limit: usize,
        write: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        let before = self.bytes.len();
        self.bytes.resize(before + limit, 0);
        let outcome = write(&mut self.bytes[before..]);
        let written = *outcome.as_ref().unwrap_or(&0);
        self.bytes.truncate(before + written);
        outcome.map(|_| ())
    }

    /// Takes bytes off the front.
    pub(super) fn advance(&mut self, taken: usize) {
        self.taken += taken;
        if self.is_empty() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_and_then_cost_nothing() {
        let mut backlog = Backlog::default();
        backlog.push(b"ab");
        let write = |out: &mut [u8]| {
            assert_eq!(out.len(), 9);
            out[..2].copy_from_slice(b"cd");
            Ok(2)
        };
        backlog.write(9, write).unwrap();
        let refused = backlog.write(9, |_| Err(io::ErrorKind::Other.into()));
        assert!(refused.is_err());
        assert_eq!(backlog.bytes(), b"abcd");
        backlog.advance(3);
        assert_eq!(backlog.bytes(), b"d");
        backlog.advance(1);
        assert!(backlog.is_empty());
        assert_eq!(backlog.bytes.capacity(), 0);
    }
}
