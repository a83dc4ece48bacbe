//! What the node tells the presence service, as messages.

use bytes::Bytes;
use prost::Message;
use tidegate_proto::node::{
    Beat, Change as ChangeMessage, Changes, Connection, Disconnect, Kind, Leave, Membership,
    Report, Snapshot, VERSION, change, report,
};

use super::entry::{ClientId, Member, Online, Place};
use super::stream::{Change, Due};

/// Changes in one report.
const MAX_CHANGES: usize = 1_024;

/// About the most bytes of one report.
const MAX_BYTES: usize = 256 * 1024;

/// One node's part of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    pub(super) is_of_users: bool,
    pub(super) partition: u32,
}

impl StreamId {
    pub(super) fn kind(self) -> Kind {
        match self.is_of_users {
            false => Kind::Channel,
            true => Kind::User,
        }
    }
}

/// A run of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) node: String,
    pub(super) incarnation: u64,
    pub(super) partitions: u32,
}

/// What stands in a stream.
pub(super) trait Entry: Sized {
    type Key;
    /// How it is told.
    type Told: Message;
    fn told(key: &Self::Key, value: &Self) -> Self::Told;
    fn set(told: Self::Told) -> change::What;
    fn remove(key: &Self::Key) -> change::What;
    fn snapshot(told: Vec<Self::Told>) -> Snapshot;
}

impl Entry for Member {
    type Key = Place;
    type Told = Membership;

    fn told((channel, client): &Place, member: &Self) -> Membership {
        Membership {
            channel: channel.to_string(),
            client: Bytes::copy_from_slice(&client.0),
            user: member.card.user.to_string(),
            conn_info: member.card.conn_info.clone(),
            chan_info: member.chan_info(),
            since: member.since,
        }
    }

    fn set(told: Membership) -> change::What {
        change::What::Join(told)
    }

    fn remove((channel, client): &Place) -> change::What {
        change::What::Leave(Leave {
            channel: channel.to_string(),
            client: Bytes::copy_from_slice(&client.0),
        })
    }

    fn snapshot(memberships: Vec<Membership>) -> Snapshot {
        Snapshot {
            memberships,
            ..Snapshot::default()
        }
    }
}

impl Entry for Online {
    type Key = ClientId;
    type Told = Connection;

    fn told(client: &ClientId, online: &Self) -> Connection {
        let (name, app_version) = online.names.as_deref().cloned().unwrap_or_default();
        Connection {
            client: Bytes::copy_from_slice(&client.0),
            user: online.card.user.to_string(),
            since: online.since,
            transport: online.transport.to_owned(),
            name,
            app_version,
        }
    }

    fn set(told: Connection) -> change::What {
        change::What::Connect(told)
    }

    fn remove(client: &ClientId) -> change::What {
        change::What::Disconnect(Disconnect {
            client: Bytes::copy_from_slice(&client.0),
        })
    }

    fn snapshot(connections: Vec<Connection>) -> Snapshot {
        Snapshot {
            connections,
            ..Snapshot::default()
        }
    }
}

/// The reports that tell what is due, in their order.
pub(super) fn reports<E: Entry>(due: Due<E::Key, E>) -> Vec<report::Body> {
    match due {
        Due::Changes(first, changes) => changes_of(first, &changes),
        Due::Everything(number, entries) => everything_of(number, &entries),
    }
}

fn changes_of<E: Entry>(mut first: u64, changes: &[Change<E::Key, E>]) -> Vec<report::Body> {
    let what = changes.iter().map(|change| match change {
        Change::Set(key, value) => E::set(E::told(key, value)),
        Change::Remove(key) => E::remove(key),
    });
    let messages = what.map(|what| ChangeMessage { what: Some(what) });
    let reports = parts(messages, MAX_CHANGES).into_iter().map(|changes| {
        let body = Changes { first, changes };
        first += body.changes.len() as u64;
        report::Body::Changes(body)
    });
    reports.collect()
}

fn everything_of<E: Entry>(number: u64, entries: &[(E::Key, E)]) -> Vec<report::Body> {
    let told = entries.iter().map(|(key, value)| E::told(key, value));
    let mut parts = parts(told, usize::MAX);
    if parts.is_empty() {
        parts.push(Vec::new());
    }
    let chunks = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let reports = (0..chunks).zip(parts).map(|(chunk, told)| {
        report::Body::Snapshot(Snapshot {
            number,
            chunk,
            chunks,
            ..E::snapshot(told)
        })
    });
    reports.collect()
}

/// Divides messages so that each part has at most `count` of them, and about [`MAX_BYTES`].
fn parts<M: Message>(messages: impl Iterator<Item = M>, count: usize) -> Vec<Vec<M>> {
    let mut parts: Vec<Vec<M>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let size = message.encoded_len() + 8;
        match parts.last_mut() {
            Some(part) if part.len() < count && bytes + size <= MAX_BYTES => part.push(message),
            _ => {
                bytes = 0;
                parts.push(vec![message]);
            }
        }
        bytes += size;
    }
    parts
}

impl Identity {
    /// One report as it is sent at `sent_at`.
    pub(super) fn report(&self, stream: StreamId, body: report::Body, sent_at: u64) -> Bytes {
        let report = Report {
            version: VERSION,
            node: self.node.clone(),
            incarnation: self.incarnation,
            partitions: self.partitions,
            kind: stream.kind().into(),
            partition: stream.partition,
            sent_at,
            body: Some(body),
        };
        report.encode_to_vec().into()
    }

    /// A beat with what the caller sets of it.
    pub(super) fn beat(&self, beat: Beat) -> Bytes {
        let beat = Beat {
            version: VERSION,
            node: self.node.clone(),
            incarnation: self.incarnation,
            partitions: self.partitions,
            ..beat
        };
        beat.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_backbone::Channel;

    use super::super::entry::Card;
    use super::*;

    fn member(info: usize) -> Member {
        let card = Card {
            client: ClientId([7; 16]),
            user: "u".into(),
            conn_info: vec![b'1'; info].into(),
        };
        Member {
            card: Arc::new(card),
            chan_info: Some(Arc::from(&b"2"[..])),
            since: 5,
            is_announced: true,
        }
    }

    fn place(number: usize) -> Place {
        let channel = Channel::parse(&format!("c{number}")).unwrap();
        (channel, ClientId([7; 16]))
    }

    #[test]
    fn changes_are_divided_by_number_and_size_and_their_numbers_go_on() {
        for (count, info, expected) in [
            (1, 0, vec![(9, 1)]),
            (2_500, 0, vec![(9, 1_024), (1_033, 1_024), (2_057, 452)]),
            (5, 100_000, vec![(9, 2), (11, 2), (13, 1)]),
            (2, 300_000, vec![(9, 1), (10, 1)]),
        ] {
            let changes = (0..count).map(|number| Change::Set(place(number), member(info)));
            let reports = reports(Due::Changes(9, changes.collect()));
            let seen: Vec<_> = reports
                .iter()
                .map(|body| match body {
                    report::Body::Changes(it) => (it.first, it.changes.len()),
                    report::Body::Snapshot(_) => panic!("no snapshot was due"),
                })
                .collect();
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_snapshot_has_at_least_one_chunk_and_each_says_how_many() {
        for (count, info, expected) in [(0, 0, vec![0]), (3, 0, vec![3]), (3, 150_000, vec![1; 3])]
        {
            let entries = (0..count).map(|number| (place(number), member(info)));
            let reports = reports(Due::Everything(4, entries.collect()));
            for (index, body) in reports.iter().enumerate() {
                let report::Body::Snapshot(it) = body else {
                    panic!("changes were not due");
                };
                assert_eq!(
                    (it.number, it.chunk as usize, it.chunks as usize),
                    (4, index, expected.len())
                );
                assert_eq!(it.memberships.len(), expected[index]);
            }
            assert_eq!(reports.len(), expected.len());
        }
    }
}
