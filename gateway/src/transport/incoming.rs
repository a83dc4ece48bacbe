//! What a client sends: bytes of its socket in, whole messages and control frames out, under the limits of RFC 6455
//! and our own.
//!
//! The head of a frame is judged as soon as it is there. Whatever length a client declares, no more than one message of
//! the allowed size is ever waited for.

use std::future::poll_fn;
use std::pin::Pin;

use actix_http::ws::{CloseCode, OpCode, Parser, ProtocolError};
use actix_web::dev::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;

use super::message::{Assembler, Fragment, Kind, Message};

/// Largest payload of a control frame (RFC 6455 section 5.5).
const CONTROL_LIMIT: usize = 125;

/// One thing that a client said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong,
    Close,
}

/// Why nothing more comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The socket ended.
    Gone,
    /// The client broke RFC 6455 or a limit: the code to close with.
    Violation(CloseCode),
}

/// The receiving half of a WebSocket.
pub(super) struct Incoming {
    payload: Payload,
    buffer: BytesMut,
    assembler: Assembler,
    /// Bytes of one message.
    limit: usize,
}

impl Incoming {
    pub(super) fn new(payload: Payload, limit: usize) -> Self {
        Self {
            payload,
            buffer: BytesMut::new(),
            assembler: Assembler::default(),
            limit,
        }
    }

    /// Waits for the next event. Nothing is lost when the wait is given up.
    pub(super) async fn next(&mut self) -> Result<Event, Broken> {
        loop {
            match self.take() {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(code) => return Err(Broken::Violation(code)),
            }
            let bytes = self.read().await.ok_or(Broken::Gone)?;
            if self.buffer.is_empty() {
                self.buffer = BytesMut::from(bytes);
            } else {
                self.buffer.extend_from_slice(&bytes);
            }
        }
    }

    /// Waits until the client has closed too. What else it says is thrown away.
    pub(super) async fn closed(&mut self) {
        loop {
            match self.next().await {
                Ok(Event::Close) | Err(Broken::Gone) => return,
                Ok(_) => {}
                Err(Broken::Violation(_)) => break,
            }
        }
        self.buffer = BytesMut::new();
        while self.read().await.is_some() {}
    }

    async fn read(&mut self) -> Option<Bytes> {
        let next = poll_fn(|context| Pin::new(&mut self.payload).poll_next(context)).await;
        next?.ok()
    }

    /// Takes frames off the buffer until they make an event.
    fn take(&mut self) -> Result<Option<Event>, CloseCode> {
        loop {
            judge(&self.buffer, self.limit - self.assembler.len())?;
            let parsed = Parser::parse(&mut self.buffer, true, self.limit.max(CONTROL_LIMIT));
            let Some((last, opcode, data)) = parsed.map_err(|error| close_code(&error))? else {
                return Ok(None);
            };
            let data = data.unwrap_or_default();
            let begins = match opcode {
                OpCode::Text => Some(Kind::Text),
                OpCode::Binary => Some(Kind::Binary),
                OpCode::Continue => None,
                OpCode::Ping => return Ok(Some(Event::Ping(data.freeze()))),
                OpCode::Pong => return Ok(Some(Event::Pong)),
                OpCode::Close => {
                    let checked = Parser::try_parse_close_payload(&data);
                    return checked
                        .map(|_| Some(Event::Close))
                        .map_err(|_| CloseCode::Protocol);
                }
                OpCode::Bad => return Err(CloseCode::Protocol),
            };
            let fragment = Fragment { begins, last, data };
            if let Some(message) = self.assembler.take(fragment, self.limit)? {
                return Ok(Some(Event::Message(message)));
            }
        }
    }
}

/// Judges as much of a frame's head as is there. `room` is what its message may still have.
fn judge(buffer: &[u8], room: usize) -> Result<(), CloseCode> {
    let [first, second, rest @ ..] = buffer else {
        return Ok(());
    };
    let (last, reserved, is_control) = (first & 0x80 != 0, first & 0x70 != 0, first & 0x08 != 0);
    let length = match second & 0x7f {
        126 => rest
            .first_chunk()
            .map(|bytes| u16::from_be_bytes(*bytes).into()),
        127 => rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
        length => Some(length.into()),
    };
    // No extension is agreed on, so none may use the reserved bits (section 5.2).
    if reserved || (is_control && !last) {
        return Err(CloseCode::Protocol);
    }
    match length {
        Some(length) if is_control && length > CONTROL_LIMIT as u64 => Err(CloseCode::Protocol),
        Some(length) if length > i64::MAX.unsigned_abs() => Err(CloseCode::Protocol),
        Some(length) if !is_control && length > room as u64 => Err(CloseCode::Size),
        _ => Ok(()),
    }
}

/// The close code of RFC 6455 section 7.4.1 for what a client did wrong.
fn close_code(error: &ProtocolError) -> CloseCode {
    match error {
        ProtocolError::Overflow => CloseCode::Size,
        _ => CloseCode::Protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_judged_before_their_payload() {
        use CloseCode::{Protocol, Size};
        let cases: [(&[u8], usize, Result<(), CloseCode>); 15] = [
            (&[], 10, Ok(())),
            (&[0xff], 10, Ok(())),
            (&[0x81, 0x8a], 10, Ok(())),
            (&[0x81, 0x8b], 10, Err(Size)),
            (&[0x81, 0x80], 0, Ok(())),
            (&[0xc1, 0x80], 10, Err(Protocol)),
            // Control frames come between a message's fragments, and are no part of it.
            (&[0x89, 0x8b], 10, Ok(())),
            (&[0x09, 0x80], 10, Err(Protocol)),
            (&[0x89, 0xfe, 0], 1_000, Ok(())),
            (&[0x89, 0xfe, 0, 126], 1_000, Err(Protocol)),
            (&[0x81, 0xfe, 1, 0], 256, Ok(())),
            (&[0x81, 0xfe, 1, 1], 256, Err(Size)),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], 65_536, Ok(())),
            (
                &[0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255],
                65_536,
                Err(Size),
            ),
            (
                &[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
                65_536,
                Err(Protocol),
            ),
        ];
        for (head, room, expected) in cases {
            assert_eq!(judge(head, room), expected, "{head:x?}");
        }
    }
}
