//! Rust types of `schema/client.proto`, the messages of the Centrifugo client protocol v2.
//!
//! Generated at build time. Only a codec should touch them: it converts them to types that cannot be wrong.
//! Payload fields are [`prost::bytes::Bytes`] and maps are sorted.

include!(concat!(env!("OUT_DIR"), "/tidegate.client.v1.rs"));
