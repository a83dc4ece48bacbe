//! What a roster wants done.

use crate::message::{Client, Kind, Membership, SnapshotRequest};

pub use crate::message::encode::Leaves;

/// Something for the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask a node for these streams.
    Ask {
        node: String,
        request: SnapshotRequest,
    },
    /// Tell nodes who left with another.
    Gone(Leaves),
    /// Tell backends that a user came, or went.
    Online {
        user: String,
        is_online: bool,
        /// Milliseconds since the Unix epoch.
        at: u64,
    },
    /// Somebody has come into a channel that is watched, or is otherwise described now.
    Joined(Membership),
    /// Somebody has left a channel that is watched.
    Left { channel: String, client: Client },
}

/// Requests for what is missing of a node.
pub(super) fn asks(
    node: &str,
    incarnation: u64,
    streams: Vec<(Kind, u32)>,
) -> impl Iterator<Item = Effect> {
    [Kind::Channel, Kind::User]
        .into_iter()
        .filter_map(move |kind| {
            let of_kind = streams.iter().filter(|stream| stream.0 == kind);
            let partitions: Vec<_> = of_kind.map(|stream| stream.1).collect();
            (!partitions.is_empty()).then(|| Effect::Ask {
                node: node.to_owned(),
                request: SnapshotRequest {
                    incarnation,
                    kind,
                    partitions,
                },
            })
        })
}
