//! The extension permessage-deflate (RFC 7692): what two ends agree on, and how messages are shrunk by it.
//!
//! An [`Inflater`] and a [`Deflater`] hold the large tables and no connection's data, so that one of each serves all
//! connections of a worker. What a connection keeps between messages is a [`Window`], and only where "context takeover"
//! was agreed on: at most 2^n bytes for n window bits, growing with what was said.

mod deflater;
mod extension;
mod inflater;
mod negotiation;
mod window;

pub use deflater::Deflater;
pub use inflater::Inflater;
pub use negotiation::{Agreement, DeflateOptions, NegotiationError};
pub use window::{Window, WindowBits};

/// What every deflated message would end with, and is sent without (section 7.2.1): an empty block that is stored.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
