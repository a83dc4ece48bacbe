//! Bytes from the bus, checked. Everything that arrives is hostile until it has been here.

use bytes::Bytes;
use prost::Message;
use tidegate_proto::node as proto;
use tidegate_proto::node::{VERSION, partition};

use super::{
    Beat, Body, Change, Chunk, Client, Connection, Fault, Gone, Incarnation, Kind, Lapse,
    Membership, ReplicaBeat, Report, SnapshotRequest,
};

/// The longest name of a node or replica, in bytes.
const MAX_NODE_BYTES: usize = 128;

/// The longest channel or user, in bytes.
const MAX_NAME_BYTES: usize = 1024;

/// Changes or entries in one report.
const MAX_CHANGES: usize = 16_384;

/// Chunks of one snapshot.
const MAX_CHUNKS: u32 = 4_096;

/// Leases that are believed, in milliseconds.
const LEASES: std::ops::RangeInclusive<u32> = 500..=120_000;

/// Reads a report of a deployment with this many partitions.
///
/// # Errors
/// The [`Fault`].
pub fn report(bytes: Bytes, partitions: u32) -> Result<Report, Fault> {
    let it: proto::Report = read(bytes)?;
    agreed(it.version, it.partitions, partitions)?;
    if it.partition >= partitions {
        return Err(Fault::UnknownPartition);
    }
    let kind = kind(it.kind)?;
    let place = Place {
        kind,
        partition: it.partition,
        partitions,
    };
    let body = match it.body.ok_or(Fault::Malformed)? {
        proto::report::Body::Changes(changes) => changed(changes, place)?,
        proto::report::Body::Snapshot(snapshot) => Body::Chunk(chunk(snapshot, place)?),
    };
    Ok(Report {
        from: incarnation(it.node, it.incarnation)?,
        kind,
        partition: it.partition,
        sent_at: it.sent_at,
        body,
    })
}

/// Reads a beat of a node.
///
/// # Errors
/// The [`Fault`].
pub fn beat(bytes: Bytes, partitions: u32) -> Result<Beat, Fault> {
    let it: proto::Beat = read(bytes)?;
    agreed(it.version, it.partitions, partitions)?;
    let is_whole = |numbers: &Vec<u64>| numbers.len() == partitions as usize;
    let are_whole = is_whole(&it.channel_numbers) && is_whole(&it.user_numbers);
    if !it.is_last && !are_whole {
        return Err(Fault::StrangeNumbers);
    }
    Ok(Beat {
        from: incarnation(it.node, it.incarnation)?,
        number: it.number,
        lease_ms: lease(it.lease_ms, it.is_last)?,
        channel_numbers: it.channel_numbers,
        user_numbers: it.user_numbers,
        connections: it.connections,
        is_last: it.is_last,
    })
}

/// Reads a beat of a replica.
///
/// # Errors
/// The [`Fault`].
pub fn replica_beat(bytes: Bytes, partitions: u32) -> Result<ReplicaBeat, Fault> {
    let it: proto::ReplicaBeat = read(bytes)?;
    agreed(it.version, it.partitions, partitions)?;
    if it.ready.iter().any(|ready| *ready >= partitions) {
        return Err(Fault::UnknownPartition);
    }
    Ok(ReplicaBeat {
        replica: node_name(it.replica)?,
        lease_ms: lease(it.lease_ms, it.is_last)?,
        ready: it.ready,
        is_last: it.is_last,
    })
}

/// Reads who sent which leaves of a node; the leaves are for nodes.
///
/// # Errors
/// The [`Fault`].
pub fn gone(bytes: Bytes, partitions: u32) -> Result<Gone, Fault> {
    let it: proto::NodeGone = read(bytes)?;
    agreed(it.version, it.partitions, partitions)?;
    if it.partition >= partitions {
        return Err(Fault::UnknownPartition);
    }
    Ok(Gone {
        from: incarnation(it.node, it.incarnation)?,
        partition: it.partition,
        beat: it.beat,
        replica: node_name(it.replica)?,
        is_last_chunk: it.is_last_chunk,
    })
}

/// Reads a request for snapshots, as a node does.
///
/// # Errors
/// The [`Fault`].
pub fn snapshot_request(bytes: Bytes, partitions: u32) -> Result<SnapshotRequest, Fault> {
    let it: proto::SnapshotRequest = read(bytes)?;
    agreed(it.version, it.partitions, partitions)?;
    let lapses = it.lapses.iter().map(|it| it.partition);
    if it
        .partition
        .iter()
        .copied()
        .chain(lapses)
        .any(|it| it >= partitions)
    {
        return Err(Fault::UnknownPartition);
    }
    let lapse = |it: proto::Lapse| Lapse {
        partition: it.partition,
        beat: it.beat,
        number: it.number,
    };
    Ok(SnapshotRequest {
        incarnation: it.incarnation,
        kind: kind(it.kind)?,
        partitions: it.partition,
        lapses: it.lapses.into_iter().map(lapse).collect(),
    })
}

/// The stream that something stands in.
#[derive(Clone, Copy)]
struct Place {
    kind: Kind,
    partition: u32,
    partitions: u32,
}

impl Place {
    fn check(self, kind: Kind, name: &str) -> Result<(), Fault> {
        if self.kind != kind {
            return Err(Fault::WrongKind);
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(Fault::StrangeName);
        }
        match partition(name, self.partitions) == self.partition {
            true => Ok(()),
            false => Err(Fault::WrongPartition),
        }
    }
}

fn changed(it: proto::Changes, place: Place) -> Result<Body, Fault> {
    if it.changes.len() > MAX_CHANGES {
        return Err(Fault::TooLarge);
    }
    let is_counted = it.first.checked_add(it.changes.len() as u64).is_some();
    if it.first == 0 || it.changes.is_empty() || !is_counted {
        return Err(Fault::StrangeNumbers);
    }
    let changes = it.changes.into_iter().map(|it| change(it, place));
    Ok(Body::Changes {
        first: it.first,
        changes: changes.collect::<Result<_, _>>()?,
    })
}

fn change(it: proto::Change, place: Place) -> Result<Change, Fault> {
    use proto::change::What;
    match it.what.ok_or(Fault::Malformed)? {
        What::Join(it) => membership(it, place),
        What::Leave(it) => {
            place.check(Kind::Channel, &it.channel)?;
            Ok(Change::Leave {
                channel: it.channel,
                client: client(&it.client)?,
            })
        }
        What::Connect(it) => connection(it, place),
        What::Disconnect(it) if place.kind == Kind::User => Ok(Change::Disconnect {
            client: client(&it.client)?,
        }),
        What::Disconnect(_) => Err(Fault::WrongKind),
    }
}

fn membership(it: proto::Membership, place: Place) -> Result<Change, Fault> {
    place.check(Kind::Channel, &it.channel)?;
    if it.user.len() > MAX_NAME_BYTES {
        return Err(Fault::StrangeName);
    }
    Ok(Change::Join(Membership {
        client: client(&it.client)?,
        channel: it.channel,
        user: it.user,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
        since: it.since,
    }))
}

fn connection(it: proto::Connection, place: Place) -> Result<Change, Fault> {
    place.check(Kind::User, &it.user)?;
    let texts = [&it.transport, &it.name, &it.app_version];
    if texts.iter().any(|text| text.len() > MAX_NAME_BYTES) {
        return Err(Fault::StrangeName);
    }
    Ok(Change::Connect(Connection {
        client: client(&it.client)?,
        user: it.user,
        since: it.since,
        transport: it.transport,
        name: it.name,
        app_version: it.app_version,
    }))
}

fn chunk(it: proto::Snapshot, place: Place) -> Result<Chunk, Fault> {
    if it.chunks > MAX_CHUNKS || it.memberships.len() + it.connections.len() > MAX_CHANGES {
        return Err(Fault::TooLarge);
    }
    if it.chunk >= it.chunks {
        return Err(Fault::StrangeNumbers);
    }
    let memberships = it.memberships.into_iter().map(|it| membership(it, place));
    let connections = it.connections.into_iter().map(|it| connection(it, place));
    Ok(Chunk {
        number: it.number,
        chunk: it.chunk,
        chunks: it.chunks,
        entries: memberships.chain(connections).collect::<Result<_, _>>()?,
    })
}

fn read<M: Message + Default>(bytes: Bytes) -> Result<M, Fault> {
    M::decode(bytes).map_err(|_| Fault::Malformed)
}

fn agreed(version: u32, theirs: u32, ours: u32) -> Result<(), Fault> {
    match (version, theirs) {
        (VERSION, partitions) if partitions == ours => Ok(()),
        (VERSION, _) => Err(Fault::OtherPartitionCount),
        _ => Err(Fault::OtherVersion),
    }
}

fn kind(kind: i32) -> Result<Kind, Fault> {
    match proto::Kind::try_from(kind) {
        Ok(proto::Kind::Channel) => Ok(Kind::Channel),
        Ok(proto::Kind::User) => Ok(Kind::User),
        Ok(proto::Kind::Unspecified) | Err(_) => Err(Fault::Malformed),
    }
}

fn lease(lease_ms: u32, is_last: bool) -> Result<u32, Fault> {
    match is_last || LEASES.contains(&lease_ms) {
        true => Ok(lease_ms),
        false => Err(Fault::StrangeLease),
    }
}

fn incarnation(node: String, number: u64) -> Result<Incarnation, Fault> {
    Ok(Incarnation {
        node: node_name(node)?,
        number,
    })
}

fn node_name(name: String) -> Result<String, Fault> {
    match (1..=MAX_NODE_BYTES).contains(&name.len()) {
        true => Ok(name),
        false => Err(Fault::StrangeName),
    }
}

fn client(bytes: &[u8]) -> Result<Client, Fault> {
    bytes
        .try_into()
        .map(Client)
        .map_err(|_| Fault::StrangeClient)
}

#[cfg(test)]
mod tests;
