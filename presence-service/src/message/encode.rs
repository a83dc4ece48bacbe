//! Messages as bytes for the bus.

use bytes::Bytes;
use prost::Message;
use tidegate_proto::node as proto;
use tidegate_proto::node::VERSION;

use super::{
    Beat, Body, CHUNK_BYTES, Change, Client, Connection, Incarnation, Kind, Lapse, Membership,
    ReplicaBeat, Report, SnapshotRequest,
};

/// What a membership or connection takes beyond its texts, at most.
const OVERHEAD: usize = 64;

/// Leaves of one partition that a node cannot tell of any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaves {
    pub from: Incarnation,
    pub partition: u32,
    pub beat: u64,
    pub left: Vec<Membership>,
}

/// A report.
#[must_use]
pub fn report(it: Report, partitions: u32) -> Bytes {
    let body = match it.body {
        Body::Changes { first, changes } => proto::report::Body::Changes(proto::Changes {
            first,
            changes: changes.into_iter().map(change).collect(),
        }),
        Body::Chunk(it) => {
            let mut snapshot = proto::Snapshot {
                number: it.number,
                chunk: it.chunk,
                chunks: it.chunks,
                ..proto::Snapshot::default()
            };
            for entry in it.entries {
                match entry {
                    Change::Join(it) => snapshot.memberships.push(membership(it)),
                    Change::Connect(it) => snapshot.connections.push(connection(it)),
                    Change::Leave { .. } | Change::Disconnect { .. } => {}
                }
            }
            proto::report::Body::Snapshot(snapshot)
        }
    };
    let message = proto::Report {
        version: VERSION,
        node: it.from.node,
        incarnation: it.from.number,
        partitions,
        kind: kind(it.kind),
        partition: it.partition,
        sent_at: it.sent_at,
        body: Some(body),
    };
    message.encode_to_vec().into()
}

/// A beat of a node.
#[must_use]
pub fn beat(it: Beat, partitions: u32, sent_at: u64) -> Bytes {
    let message = proto::Beat {
        version: VERSION,
        node: it.from.node,
        incarnation: it.from.number,
        partitions,
        number: it.number,
        lease_ms: it.lease_ms,
        channel_numbers: it.channel_numbers,
        user_numbers: it.user_numbers,
        connections: it.connections,
        is_last: it.is_last,
        sent_at,
    };
    message.encode_to_vec().into()
}

/// A beat of a replica.
#[must_use]
pub fn replica_beat(it: ReplicaBeat, partitions: u32) -> Bytes {
    let message = proto::ReplicaBeat {
        version: VERSION,
        replica: it.replica,
        partitions,
        lease_ms: it.lease_ms,
        ready: it.ready,
        is_last: it.is_last,
    };
    message.encode_to_vec().into()
}

/// Asks a node for snapshots.
#[must_use]
pub fn snapshot_request(it: SnapshotRequest, partitions: u32) -> Bytes {
    let message = proto::SnapshotRequest {
        version: VERSION,
        incarnation: it.incarnation,
        partitions,
        kind: kind(it.kind),
        partition: it.partitions,
        lapses: it.lapses.into_iter().map(lapse).collect(),
    };
    message.encode_to_vec().into()
}

/// Asks every node for a beat.
#[must_use]
pub fn call() -> Bytes {
    proto::Call { version: VERSION }.encode_to_vec().into()
}

/// Leaves in chunks.
#[must_use]
pub fn gone(leaves: Leaves, replica: &str, partitions: u32) -> Vec<Bytes> {
    let parts = chunks(leaves.left, size_of_membership);
    let count = parts.len();
    let part = |(at, left): (usize, Vec<Membership>)| {
        let message = proto::NodeGone {
            version: VERSION,
            node: leaves.from.node.clone(),
            incarnation: leaves.from.number,
            partitions,
            partition: leaves.partition,
            beat: leaves.beat,
            replica: replica.to_owned(),
            chunk: u32::try_from(at).unwrap_or(u32::MAX),
            is_last_chunk: at + 1 == count,
            left: left.into_iter().map(membership).collect(),
        };
        message.encode_to_vec().into()
    };
    parts.into_iter().enumerate().map(part).collect()
}

/// Cuts a list where [`CHUNK_BYTES`] are reached; at least one chunk.
#[must_use]
pub fn chunks<T>(all: Vec<T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut chunks = vec![Vec::new()];
    let mut room = CHUNK_BYTES;
    for one in all {
        let needed = size(&one);
        if needed > room && room < CHUNK_BYTES {
            chunks.push(Vec::new());
            room = CHUNK_BYTES;
        }
        room = room.saturating_sub(needed);
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(one);
        }
    }
    chunks
}

/// About how many bytes an entry takes.
#[must_use]
pub fn size(entry: &Change) -> usize {
    match entry {
        Change::Join(it) => size_of_membership(it),
        Change::Connect(it) => {
            OVERHEAD + it.user.len() + it.transport.len() + it.name.len() + it.app_version.len()
        }
        Change::Leave { channel, .. } => OVERHEAD + channel.len(),
        Change::Disconnect { .. } => OVERHEAD,
    }
}

fn size_of_membership(it: &Membership) -> usize {
    OVERHEAD + it.channel.len() + it.user.len() + it.conn_info.len() + it.chan_info.len()
}

fn change(change: Change) -> proto::Change {
    use proto::change::What;
    let what = match change {
        Change::Join(it) => What::Join(membership(it)),
        Change::Leave { channel, client } => What::Leave(proto::Leave {
            channel,
            client: id(client),
        }),
        Change::Connect(it) => What::Connect(connection(it)),
        Change::Disconnect { client } => What::Disconnect(proto::Disconnect { client: id(client) }),
    };
    proto::Change { what: Some(what) }
}

/// A membership as the wire has it.
#[must_use]
pub fn membership(it: Membership) -> proto::Membership {
    proto::Membership {
        channel: it.channel,
        client: id(it.client),
        user: it.user,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
        since: it.since,
    }
}

/// A connection as the wire has it.
#[must_use]
pub fn connection(it: Connection) -> proto::Connection {
    proto::Connection {
        client: id(it.client),
        user: it.user,
        since: it.since,
        transport: it.transport,
        name: it.name,
        app_version: it.app_version,
    }
}

fn lapse(it: Lapse) -> proto::Lapse {
    proto::Lapse {
        partition: it.partition,
        beat: it.beat,
        number: it.number,
    }
}

fn kind(kind: Kind) -> i32 {
    match kind {
        Kind::Channel => proto::Kind::Channel.into(),
        Kind::User => proto::Kind::User.into(),
    }
}

fn id(client: Client) -> Bytes {
    Bytes::copy_from_slice(&client.0)
}
