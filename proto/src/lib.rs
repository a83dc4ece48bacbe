//! Rust types of the schemas, generated at build time. Only the files that read and write a format should touch them: they
//! convert them to types that cannot be wrong. Payload fields are [`prost::bytes::Bytes`] and maps are sorted.
//!
//! At the root stands `schema/client.proto`, the messages of the Centrifugo client protocol v2.

mod partition;

include!(concat!(env!("OUT_DIR"), "/tidegate.client.v1.rs"));

/// `schema/node.proto`: what gateway nodes and the presence service say to each other.
pub mod node {
    pub use crate::partition::{DEFAULT_PARTITIONS, MAX_PARTITIONS, VERSION, fnv1a, partition};

    include!(concat!(env!("OUT_DIR"), "/tidegate.node.v1.rs"));
}

/// `schema/archive.proto`: what the history service's archives hold.
#[cfg(feature = "history")]
pub mod archive {
    include!(concat!(env!("OUT_DIR"), "/tidegate.archive.v1.rs"));
}

/// `schema/history.proto`: the history service.
#[cfg(feature = "history")]
pub mod history {
    #![expect(
        clippy::allow_attributes_without_reason,
        clippy::excessive_nesting,
        clippy::too_many_lines,
        unused_qualifications,
        reason = "tonic's generator writes so"
    )]

    include!(concat!(env!("OUT_DIR"), "/tidegate.history.v1.rs"));

    /// The schema itself, for server reflection.
    pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/history.bin"));
}

/// `schema/presence.proto`: the presence service.
#[cfg(feature = "presence")]
pub mod presence {
    #![expect(
        clippy::allow_attributes_without_reason,
        clippy::excessive_nesting,
        clippy::too_many_lines,
        unused_qualifications,
        reason = "tonic's generator writes so"
    )]

    include!(concat!(env!("OUT_DIR"), "/tidegate.presence.v1.rs"));

    /// The schema itself, for server reflection.
    pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/presence.bin"));
}

/// `schema/gateway.proto`: the gateway's server API.
#[cfg(feature = "gateway")]
pub mod gateway {
    #![expect(
        clippy::allow_attributes_without_reason,
        clippy::excessive_nesting,
        clippy::too_many_lines,
        unused_qualifications,
        reason = "tonic's generator writes so"
    )]

    include!(concat!(env!("OUT_DIR"), "/tidegate.gateway.v1.rs"));

    /// The schema itself, for server reflection.
    pub const DESCRIPTION: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/gateway.bin"));
}
