//! The NATS client protocol, without I/O: bytes to operations, commands to bytes.
//!
//! Only what a gateway needs of it. Nothing here knows channels, publications or sockets.

mod decoder;
pub(super) mod encoder;
mod info;

pub(super) use decoder::{Decoder, Operation, WireError};
pub(super) use info::ServerInfo;
