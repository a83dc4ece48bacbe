//! What a roster wants done.

use crate::message::{Client, Kind, Lapse, Membership, SnapshotRequest};

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

/// A stream of a node that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) kind: Kind,
    pub(super) partition: u32,
    pub(super) lapse: Option<Lapse>,
}

/// Requests for what is missing of a node.
pub(super) fn asks(
    node: &str,
    incarnation: u64,
    streams: Vec<Asked>,
) -> impl Iterator<Item = Effect> {
    [Kind::Channel, Kind::User]
        .into_iter()
        .filter_map(move |kind| {
            let of_kind = || streams.iter().filter(|stream| stream.kind == kind);
            let request = SnapshotRequest {
                incarnation,
                kind,
                partitions: of_kind().map(|stream| stream.partition).collect(),
                lapses: of_kind().filter_map(|stream| stream.lapse).collect(),
            };
            (!request.partitions.is_empty()).then(|| Effect::Ask {
                node: node.to_owned(),
                request,
            })
        })
}
