//! The bytes of a head that came in pieces.

use super::take_front;
use crate::frame::HEAD_LIMIT;
use crate::{Head, Violation};

#[derive(Debug, Default)]
pub(super) struct PendingHead {
    bytes: [u8; HEAD_LIMIT],
    count: usize,
}

impl PendingHead {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Takes the rest of a head off the input, or all of the input when even that is not enough.
    pub(super) fn take(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, Violation> {
        let before = self.count;
        let more = input.len().min(HEAD_LIMIT - before);
        let filled = &mut self.bytes[..before + more];
        filled[before..].copy_from_slice(&input[..more]);
        match Head::read(filled)? {
            Some((head, size)) => {
                self.count = 0;
                take_front(input, size - before);
                Ok(Some(head))
            }
            None => {
                self.count += more;
                take_front(input, more);
                Ok(None)
            }
        }
    }
}
