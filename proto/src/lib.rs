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

/// A module of what is generated from a schema with a service; the schema itself, where server reflection tells it.
macro_rules! service {
    ($(#[$about:meta])* $module:ident, $package:literal $(, $description:literal)?) => {
        $(#[$about])*
        pub mod $module {
            #![expect(
                clippy::allow_attributes_without_reason,
                clippy::too_many_lines,
                unused_qualifications,
                reason = "tonic's generator writes so"
            )]

            include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));

            $(
                /// The schema itself, for server reflection.
                pub const DESCRIPTION: &[u8] =
                    include_bytes!(concat!(env!("OUT_DIR"), "/", $description));
            )?
        }
    };
}

service! {
    /// `schema/history.proto`: the history service.
    #[cfg(feature = "history")]
    history, "tidegate.history.v1", "history.bin"
}
service! {
    /// `schema/presence.proto`: the presence service.
    #[cfg(feature = "presence")]
    presence, "tidegate.presence.v1", "presence.bin"
}
service! {
    /// `schema/gateway.proto`: the gateway's server API.
    #[cfg(feature = "gateway")]
    gateway, "tidegate.gateway.v1", "gateway.bin"
}
service! {
    /// `schema/proxy.proto`: what the application's backend is asked.
    #[cfg(feature = "hooks")]
    proxy, "centrifugal.centrifugo.proxy"
}
service! {
    /// `schema/hook.proto`: what the application's backend is told.
    #[cfg(feature = "hooks")]
    hook, "tidegate.hook.v1"
}
