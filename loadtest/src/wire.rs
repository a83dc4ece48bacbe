//! A client's messages on the wire: frames behind each other in one buffer, or bare where the transport is a byte stream.

use tidegate_websocket::{Opcode, write_masked_frame};

/// What carries a dialect's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    WebSocket,
    /// No frames: the messages mark their own ends.
    Stream,
}

/// What is written, and what writing it needs.
#[derive(Debug)]
pub struct Outgoing {
    /// Whole frames.
    pub bytes: Vec<u8>,
    message: Vec<u8>,
    /// The state of the generator of masks. They need to differ, not to be secret, as no proxy is attacked here.
    mask: u32,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            message: Vec::new(),
            mask: 0x9e37_79b9,
        }
    }
}

impl Outgoing {
    /// To append messages in this framing.
    pub fn frames(&mut self, framing: Framing) -> Frames<'_> {
        Frames {
            framing,
            outgoing: self,
        }
    }
}

/// Appends messages to [`Outgoing`].
#[derive(Debug)]
pub struct Frames<'a> {
    framing: Framing,
    outgoing: &'a mut Outgoing,
}

impl Frames<'_> {
    /// One text message, its bytes pushed by `write`.
    pub fn text(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.frame(Opcode::Text, write);
    }

    /// One binary message, its bytes pushed by `write`.
    pub fn binary(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.frame(Opcode::Binary, write);
    }

    /// The answer to a WebSocket ping.
    pub(crate) fn pong(&mut self, payload: &[u8]) {
        self.frame(Opcode::Pong, |message| message.extend_from_slice(payload));
    }

    fn frame(&mut self, opcode: Opcode, write: impl FnOnce(&mut Vec<u8>)) {
        let Outgoing {
            bytes,
            message,
            mask,
        } = self.outgoing;
        match self.framing {
            Framing::Stream => write(bytes),
            Framing::WebSocket => {
                message.clear();
                write(message);
                *mask = xorshift(*mask);
                write_masked_frame(bytes, opcode, message, mask.to_le_bytes());
            }
        }
    }
}

/// Marsaglia's generator, which never reaches zero from another state.
fn xorshift(mut state: u32) -> u32 {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    state
}

#[cfg(test)]
mod tests {
    use tidegate_websocket::Head;

    use super::*;

    #[test]
    fn messages_are_framed_masked_and_in_order() {
        let mut outgoing = Outgoing::default();
        let mut frames = outgoing.frames(Framing::WebSocket);
        frames.text(|message| message.extend_from_slice(b"one"));
        frames.binary(|message| message.resize(300, 7));
        let (first, size) = Head::read(&outgoing.bytes).unwrap().unwrap();
        assert_eq!((first.opcode, first.length), (Opcode::Text, 3));
        let (second, _) = Head::read(&outgoing.bytes[size + 3..]).unwrap().unwrap();
        assert_eq!((second.opcode, second.length), (Opcode::Binary, 300));
        assert_ne!(first.mask, second.mask);
        assert!(first.mask.is_some());
    }

    #[test]
    fn a_stream_has_no_frames() {
        let mut outgoing = Outgoing::default();
        let mut frames = outgoing.frames(Framing::Stream);
        frames.text(|message| message.extend_from_slice(b"one"));
        frames.binary(|message| message.extend_from_slice(b"two"));
        assert_eq!(outgoing.bytes, b"onetwo");
    }
}
