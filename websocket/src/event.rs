//! What a peer said, once it is whole.

use bytes::Bytes;

use crate::violation::{NOT_UTF_8, Violation};
use crate::{CloseReason, Opcode};

/// A message, put together and inflated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Valid UTF-8.
    Text(Bytes),
    /// Any bytes.
    Binary(Bytes),
}

/// One thing that a peer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A whole message.
    Message(Message),
    /// To be answered by a pong with the same payload.
    Ping(Bytes),
    /// An answer to a ping, or said unasked.
    Pong(Bytes),
    /// To be answered by a close frame, if none was sent. Whatever follows it has no meaning.
    Close(Option<CloseReason>),
}

/// What a message is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

impl Kind {
    /// What a frame begins. `None` unless it begins a message.
    pub(crate) fn of(opcode: Opcode) -> Option<Self> {
        match opcode {
            Opcode::Text => Some(Self::Text),
            Opcode::Binary => Some(Self::Binary),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => None,
        }
    }

    /// The message of this kind, checked.
    pub(crate) fn message(self, data: Bytes) -> Result<Message, Violation> {
        match self {
            Self::Text if std::str::from_utf8(&data).is_err() => Err(NOT_UTF_8),
            Self::Text => Ok(Message::Text(data)),
            Self::Binary => Ok(Message::Binary(data)),
        }
    }
}
