//! The end of what was said on a connection, which later messages may refer to (RFC 7692 section 7.1, RFC 1951).

/// Base-2 logarithm of the size of a window: 8 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 256 bytes.
    pub const MIN: Self = Self(8);
    /// 32 KiB.
    pub const MAX: Self = Self(15);

    /// `None` unless `bits` is from 8 to 15.
    pub fn new(bits: u8) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&bits)
            .then_some(Self(bits))
    }

    /// From 8 to 15.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Bytes of such a window.
    pub fn size(self) -> usize {
        1 << self.0
    }
}

/// What a connection keeps of one direction between messages.
///
/// Empty it has nothing on the heap, and never more than [`WindowBits::size`] bytes.
#[derive(Debug)]
pub struct Window {
    bits: WindowBits,
    bytes: Vec<u8>,
}

impl Window {
    /// The window at the beginning of a connection.
    pub fn new(bits: WindowBits) -> Self {
        let bytes = Vec::new();
        Self { bits, bytes }
    }

    pub(super) fn bits(&self) -> WindowBits {
        self.bits
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Slides over a message.
    pub(super) fn slide(&mut self, message: &[u8]) {
        let size = self.bits.size();
        let message = &message[message.len().saturating_sub(size)..];
        let kept = self.bytes.len().min(size - message.len());
        self.bytes.drain(..self.bytes.len() - kept);
        if self.bytes.capacity() < kept + message.len() {
            let doubled = (2 * kept).min(size);
            let wanted = doubled.max(kept + message.len());
            self.bytes.reserve_exact(wanted - kept);
        }
        self.bytes.extend_from_slice(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_the_end_of_what_was_said() {
        let mut window = Window::new(WindowBits::MIN);
        let mut said = Vec::new();
        for length in [0, 1, 100, 155, 1, 0, 256, 3, 257, 1_000, 255, 1] {
            let message: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            window.slide(&message);
            said.extend_from_slice(&message);
            let end = &said[said.len().saturating_sub(256)..];
            assert_eq!(window.bytes(), end);
            assert!(window.bytes.capacity() <= 256, "after {length}");
        }
    }

    #[test]
    fn window_bits_are_from_8_to_15() {
        for bits in 0..=u8::MAX {
            let expected = (8..16).contains(&bits).then_some(bits);
            assert_eq!(WindowBits::new(bits).map(WindowBits::get), expected);
        }
    }
}
