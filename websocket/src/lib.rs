//! WebSocket framing (RFC 6455) with permessage-deflate (RFC 7692): bytes of a socket in, messages and control frames
//! out, and the other way round.
//!
//! Sans I/O: nothing here knows sockets, HTTP, time or what the messages say. [`Decoder`] reads either side's frames
//! under [`Limits`]; the `write_…` functions append frames to a buffer. [`DeflateOptions`] negotiates compression, an
//! [`Inflater`] and a [`Deflater`] do it.

#![warn(missing_docs)]

mod close;
mod decoder;
mod deflate;
mod event;
mod frame;
mod mask;
mod violation;
mod write;

pub use close::CloseReason;
pub use decoder::{Decoder, Limits, Role};
pub use deflate::{
    Agreement, DeflateOptions, Deflater, Inflater, NegotiationError, Window, WindowBits,
};
pub use event::{Event, Message};
pub use frame::{Head, Opcode};
pub use mask::mask;
pub use violation::Violation;
pub use write::{write_close, write_deflated_frame, write_frame, write_masked_frame};
