//! What one kind of client is sent: messages in, ready-made frames out.

use std::cell::RefCell;

use tidegate_codec::{Encoded, Format};
use tidegate_websocket::{Deflater, Head, Opcode, WindowBits, write_deflated_frame, write_frame};

/// The form of everything that one client is sent. Clients of the same form share their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The format of messages.
    pub format: Format,
    /// The client's window, where messages are compressed (RFC 7692).
    pub deflate: Option<WindowBits>,
}

/// What a worker makes frames with.
#[derive(Debug)]
pub struct Press {
    deflater: RefCell<Deflater>,
    /// Bytes from which on a frame is compressed.
    threshold: usize,
    message: RefCell<Vec<u8>>,
    deflated: RefCell<Vec<u8>>,
}

/// Bytes of a scratch buffer that are kept.
const KEPT: usize = 64 * 1024;

impl Press {
    /// `level` is from 1 (fast) to 9 (small); `threshold` is the size of the smallest frame that is compressed.
    #[must_use]
    pub fn new(level: u32, threshold: usize) -> Self {
        Self {
            deflater: RefCell::new(Deflater::new(level)),
            threshold,
            message: RefCell::default(),
            deflated: RefCell::default(),
        }
    }

    /// Adds a frame to `out`, compressed unless that makes it larger.
    fn write(&self, opcode: Opcode, messages: &[Encoded], wire: Wire, out: &mut Vec<u8>) {
        let Some(window) = wire.deflate else {
            return wire.write_plain(opcode, messages, out);
        };
        if wire.size(messages) < self.threshold {
            return wire.write_plain(opcode, messages, out);
        }
        let (mut message, mut deflated) = (self.message.borrow_mut(), self.deflated.borrow_mut());
        wire.join(messages, &mut message);
        let mut deflater = self.deflater.borrow_mut();
        deflater.deflate(&message, window, &mut deflated);
        if deflated.len() < message.len() {
            write_deflated_frame(out, opcode, &deflated);
        } else {
            write_frame(out, opcode, &message);
        }
        for buffer in [&mut message, &mut deflated] {
            buffer.clear();
            buffer.shrink_to(KEPT);
        }
    }
}

impl Wire {
    /// Messages of a format, not compressed.
    #[must_use]
    pub fn plain(format: Format) -> Self {
        let deflate = None;
        Self { format, deflate }
    }

    /// Adds messages to `out` as one frame.
    pub(crate) fn write(self, messages: &[Encoded], press: &Press, out: &mut Vec<u8>) {
        let opcode = match self.format {
            Format::Json => Opcode::Text,
            Format::Protobuf => Opcode::Binary,
        };
        press.write(opcode, messages, self, out);
    }

    fn write_plain(self, opcode: Opcode, messages: &[Encoded], out: &mut Vec<u8>) {
        let head = Head {
            last: true,
            compressed: false,
            opcode,
            mask: None,
            length: self.size(messages) as u64,
        };
        head.write(out);
        self.join(messages, out);
    }

    /// Bytes of messages that are joined.
    fn size(self, messages: &[Encoded]) -> usize {
        let separators = self.format.separator().len() * messages.len().saturating_sub(1);
        messages.iter().map(Encoded::len).sum::<usize>() + separators
    }

    fn join(self, messages: &[Encoded], out: &mut Vec<u8>) {
        out.reserve(self.size(messages));
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(self.format.separator());
            }
            out.extend_from_slice(message);
        }
    }
}

/// Where the frame ends that holds the byte before `sent`. `frames` begins with a frame and holds whole ones.
pub(crate) fn frame_end(frames: &[u8], sent: usize) -> usize {
    let mut end = 0;
    while end < sent {
        let head = Head::read(&frames[end..]).ok().flatten();
        let (head, size) = head.expect("what is sent are whole frames of this node's own");
        end += size + usize::try_from(head.length).expect("it stands in memory");
    }
    end
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tidegate_websocket::{Decoder, DeflateOptions, Event, Inflater, Limits, Message, Role};

    use super::*;

    /// The messages that a client reads in frames.
    fn read(frames: &mut [u8]) -> Vec<Message> {
        let options = DeflateOptions {
            server_context_takeover: false,
            ..DeflateOptions::FULL
        };
        let agreement = options.accept(["permessage-deflate"]).unwrap();
        let mut decoder = Decoder::with_deflate(Role::Client, &agreement);
        let (mut inflater, mut input) = (Inflater::new(), frames);
        let limits = Limits {
            message: 1 << 20,
            fragments: 1,
        };
        let mut messages = Vec::new();
        while let Some(event) = decoder
            .next(&mut input, &limits, Some(&mut inflater))
            .unwrap()
        {
            match event {
                Event::Message(message) => messages.push(message),
                event => panic!("{event:?}"),
            }
        }
        messages
    }

    #[test]
    fn frames_are_compressed_from_the_threshold_on_if_that_helps() {
        let wire = Wire {
            format: Format::Json,
            deflate: Some(WindowBits::MAX),
        };
        let press = Press::new(1, 20);
        let random: Vec<u8> = (0..100u32)
            .map(|n| (n * n * 7_919 % 251) as u8 & 0x7f)
            .collect();
        for (text, is_compressed) in [
            (b"{\"a\":111111111111}".to_vec(), false),
            (vec![b'1'; 200], true),
            (random, false),
        ] {
            let mut out = Vec::new();
            wire.write(&[Bytes::from(text.clone())], &press, &mut out);
            assert_eq!(out[0] & 0x40 != 0, is_compressed, "{text:?}");
            assert_eq!(frame_end(&out, 1), out.len());
            assert_eq!(read(&mut out), [Message::Text(text.into())]);
        }
    }

    #[test]
    fn messages_of_a_frame_are_compressed_together() {
        let wire = Wire {
            format: Format::Protobuf,
            deflate: WindowBits::new(9),
        };
        let press = Press::new(9, 1);
        let message = Bytes::from(vec![7; 100]);
        let mut out = Vec::new();
        wire.write(&[message.clone(), message], &press, &mut out);
        assert!(out.len() < 20, "{}", out.len());
        assert_eq!(read(&mut out), [Message::Binary(vec![7; 200].into())]);
    }
}
