//! WebSocket framing (RFC 6455): bytes of a socket in, messages and control frames out, and the other way round.
//!
//! Sans I/O: nothing here knows sockets, HTTP, time or what the messages say. [`Decoder`] reads either side's frames
//! under [`Limits`]; the `write_…` functions append frames to a buffer.

#![warn(missing_docs)]

mod close;
mod decoder;
mod event;
mod frame;
mod inflate;
mod mask;
mod violation;
mod write;

pub use close::CloseReason;
pub use decoder::{Decoder, Limits, Role};
pub use event::{Event, Message};
pub use frame::{Head, Opcode};
pub use inflate::Inflater;
pub use mask::mask;
pub use violation::Violation;
pub use write::{write_close, write_frame, write_masked_frame};
