//! What one kind of client is sent: messages in, ready-made frames out.

use std::cell::RefCell;

use smallvec::SmallVec;
use tidegate_codec::{Encoded, Format, grpc};
use tidegate_websocket::{Deflater, Head, Opcode, WindowBits, write_deflated_frame, write_frame};

/// The form of everything that one client is sent. Clients of the same form share their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The format of messages.
    pub format: Format,
    /// What tells where messages begin and end.
    pub framing: Framing,
    /// What stands around a push.
    pub envelope: Envelope,
    /// The client's window, where messages are compressed (RFC 7692).
    pub deflate: Option<WindowBits>,
}

/// What tells a client where messages begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Frames of a WebSocket, each with some messages (RFC 6455 section 5.2).
    WebSocket,
    /// The format's own marks: line breaks, or lengths.
    Stream,
    /// Server-sent events, one a message (HTML Living Standard section 9.2).
    Events,
    /// Protobuf messages as gRPC delimits them: a byte that says that they are not compressed, and their length in four.
    Grpc,
}

/// What stands around a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// A reply, as on connections where the client can ask for something.
    Reply,
    /// Nothing. WebSocket frames hold one push each.
    Bare,
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
    /// The name of the transport, as backends know it.
    #[must_use]
    pub const fn transport(self) -> &'static str {
        match (self.envelope, self.framing) {
            (Envelope::Reply, Framing::WebSocket) => "websocket",
            (Envelope::Reply, Framing::Stream) => "http_stream",
            (Envelope::Reply, Framing::Events) => "sse",
            (Envelope::Bare, Framing::WebSocket) => "uni_websocket",
            (Envelope::Bare, Framing::Stream) => "uni_http_stream",
            (Envelope::Bare, Framing::Events) => "uni_sse",
            (_, Framing::Grpc) => "uni_grpc",
        }
    }

    /// Messages of a format, not compressed.
    #[must_use]
    pub const fn plain(format: Format) -> Self {
        Self::new(format, Framing::WebSocket, Envelope::Reply)
    }

    /// Messages of a format, not compressed.
    #[must_use]
    pub const fn new(format: Format, framing: Framing, envelope: Envelope) -> Self {
        Self {
            format,
            framing,
            envelope,
            deflate: None,
        }
    }

    /// Adds messages to `out` as whole frames: as one where several messages may share it.
    pub(crate) fn write(self, messages: &[Encoded], press: &Press, out: &mut Vec<u8>) {
        match self.envelope {
            Envelope::Reply => self.write_frames(messages, press, out),
            Envelope::Bare => {
                let bare = messages.iter().map(|message| self.format.bare(message));
                let bare: SmallVec<[Encoded; 4]> = bare.collect();
                bare.chunks(1)
                    .for_each(|message| self.write_frames(message, press, out));
            }
        }
    }

    fn write_frames(self, messages: &[Encoded], press: &Press, out: &mut Vec<u8>) {
        let opcode = match self.format {
            Format::Json => Opcode::Text,
            Format::Protobuf => Opcode::Binary,
        };
        match self.framing {
            Framing::WebSocket => press.write(opcode, messages, self, out),
            Framing::Stream => messages.iter().for_each(|message| {
                out.extend_from_slice(message);
                out.extend_from_slice(self.format.separator());
            }),
            Framing::Events => messages.iter().for_each(|message| {
                out.extend_from_slice(b"data: ");
                out.extend_from_slice(message);
                out.extend_from_slice(EVENT_END);
            }),
            Framing::Grpc => messages.iter().for_each(|message| write_grpc(message, out)),
        }
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

impl Wire {
    /// Where the frame ends that holds the byte before `sent`. `frames` begins with a frame and holds whole ones.
    pub(crate) fn frame_end(self, frames: &[u8], sent: usize) -> usize {
        match (self.framing, self.format) {
            (Framing::WebSocket, _) => end_by_length(frames, sent, websocket_frame),
            (Framing::Stream, Format::Protobuf) => end_by_length(frames, sent, delimited_message),
            (Framing::Stream, Format::Json) => end_by_mark(frames, sent, b"\n"),
            (Framing::Events, _) => end_by_mark(frames, sent, EVENT_END),
            (Framing::Grpc, _) => end_by_length(frames, sent, grpc_message),
        }
    }
}

/// The line break of an event's last line, and the empty line behind it.
const EVENT_END: &[u8] = b"\n\n";

fn end_by_length(frames: &[u8], sent: usize, size: fn(&[u8]) -> Option<usize>) -> usize {
    let mut end = 0;
    while end < sent {
        end += size(&frames[end..]).expect("what is sent are whole frames of this node's own");
    }
    end
}

/// Size of the WebSocket frame that stands there.
fn websocket_frame(frames: &[u8]) -> Option<usize> {
    let (head, size) = Head::read(frames).ok()??;
    Some(size + usize::try_from(head.length).ok()?)
}

/// Size of the Protobuf message that stands there, after its length as a varint.
fn delimited_message(frames: &[u8]) -> Option<usize> {
    let (head, length) = varint(frames)?;
    Some(head + length)
}

/// The size of the varint that stands there, and what it says.
fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    let digits = bytes[..=last].iter().rev();
    let value = digits.fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f));
    Some((last + 1, value))
}

/// Adds a Protobuf message that stands after its length.
fn write_grpc(message: &Encoded, out: &mut Vec<u8>) {
    let (head, length) = varint(message).expect("a message begins with its length");
    let size = u32::try_from(length).expect("messages are bounded far below 4 GiB");
    out.push(0);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(&message[head..]);
}

/// Size of the message of gRPC that stands there.
fn grpc_message(frames: &[u8]) -> Option<usize> {
    let length = frames.get(1..grpc::HEAD)?.try_into().ok()?;
    Some(grpc::HEAD + u32::from_be_bytes(length) as usize)
}

/// The end of the first mark that does not end before `sent`. Nothing within a frame looks like it.
fn end_by_mark(frames: &[u8], sent: usize, mark: &[u8]) -> usize {
    if sent == 0 {
        return 0;
    }
    let from = sent.saturating_sub(mark.len());
    let at = frames[from..]
        .windows(mark.len())
        .position(|window| window == mark);
    from + at.expect("what is sent are whole frames of this node's own") + mark.len()
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
            deflate: Some(WindowBits::MAX),
            ..Wire::plain(Format::Json)
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
            assert_eq!(wire.frame_end(&out, 1), out.len());
            assert_eq!(read(&mut out), [Message::Text(text.into())]);
        }
    }

    #[test]
    fn messages_of_a_frame_are_compressed_together() {
        let wire = Wire {
            deflate: WindowBits::new(9),
            ..Wire::plain(Format::Protobuf)
        };
        let press = Press::new(9, 1);
        let message = Bytes::from(vec![7; 100]);
        let mut out = Vec::new();
        wire.write(&[message.clone(), message], &press, &mut out);
        assert!(out.len() < 20, "{}", out.len());
        assert_eq!(read(&mut out), [Message::Binary(vec![7; 200].into())]);
    }

    #[test]
    fn each_byte_belongs_to_a_frame_that_is_found_again() {
        let press = Press::new(1, 1_000);
        let message = |format, size| match format {
            Format::Json => Bytes::from("7".repeat(size)),
            Format::Protobuf => {
                let mut message = vec![0x80 | (size & 0x7f) as u8, (size >> 7) as u8];
                message.resize(2 + size, b'\n');
                message.into()
            }
        };
        for format in [Format::Json, Format::Protobuf] {
            let own = match format {
                Format::Json => Framing::Events,
                Format::Protobuf => Framing::Grpc,
            };
            for framing in [Framing::WebSocket, Framing::Stream, own] {
                let wire = Wire::new(format, framing, Envelope::Reply);
                let (mut out, mut ends) = (Vec::new(), vec![0]);
                for size in [130, 300, 1_000] {
                    wire.write(&[message(format, size)], &press, &mut out);
                    ends.push(out.len());
                }
                for sent in 0..=out.len() {
                    let expected = ends.iter().find(|end| **end >= sent);
                    let found = wire.frame_end(&out, sent);
                    assert_eq!(Some(&found), expected, "{wire:?} {sent}");
                }
            }
        }
    }

    #[test]
    fn messages_of_grpc_are_the_push_alone() {
        let wire = Wire::new(Format::Protobuf, Framing::Grpc, Envelope::Bare);
        let long = [&[0x82, 2, 4 << 3 | 2, 0xff, 1][..], &[b'x'; 0xff]].concat();
        let short = Bytes::from_static(b"\x05\x22\x03abc");
        let press = Press::new(1, 1_000);
        let mut out = Vec::new();
        wire.write(&[short, Format::Protobuf.ping()], &press, &mut out);
        assert_eq!(out, b"\0\0\0\0\x03abc\0\0\0\0\0");
        out.clear();
        wire.write(&[long.into()], &press, &mut out);
        assert_eq!(&out[..grpc::HEAD], b"\0\0\0\0\xff");
        assert_eq!(out.len(), grpc::HEAD + 0xff);
    }

    #[test]
    fn pushes_leave_in_the_form_that_their_client_reads() {
        let push = || Bytes::from_static(b"{\"push\":{\"pub\":1}}");
        let reply = Bytes::from_static(b"{\"id\":1}");
        let table = [
            (
                Framing::Stream,
                Envelope::Reply,
                "{\"push\":{\"pub\":1}}\n{\"id\":1}\n",
            ),
            (Framing::Stream, Envelope::Bare, "{\"pub\":1}\n{\"id\":1}\n"),
            (
                Framing::Events,
                Envelope::Bare,
                "data: {\"pub\":1}\n\ndata: {\"id\":1}\n\n",
            ),
            (
                Framing::WebSocket,
                Envelope::Bare,
                "\u{81}\u{9}{\"pub\":1}\u{81}\u{8}{\"id\":1}",
            ),
        ];
        for (framing, envelope, expected) in table {
            let wire = Wire::new(Format::Json, framing, envelope);
            let mut out = Vec::new();
            wire.write(&[push(), reply.clone()], &Press::new(1, 1_000), &mut out);
            let text: String = out.into_iter().map(char::from).collect();
            assert_eq!(text, expected);
        }
    }
}
