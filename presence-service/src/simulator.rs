//! A node without sockets: it has clients, numbers its changes and answers for them, as `proto/schema/node.proto` says.
//!
//! In: what its clients do. Out: messages, which the caller carries, or loses.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidegate_proto::node::partition;

use crate::message::encode::{chunks, size};
use crate::message::{
    Beat, Body, Change, Chunk, Client, Connection, Incarnation, Kind, Membership, Report,
};

/// One run of a node.
#[derive(Debug, Clone)]
pub struct SimulatedNode {
    incarnation: Incarnation,
    partitions: u32,
    lease_ms: u32,
    beats: u64,
    numbers: BTreeMap<(Kind, u32), u64>,
    /// By partition, channel and client.
    members: BTreeMap<(u32, String, Client), Membership>,
    connections: BTreeMap<(u32, Client), Connection>,
    /// Entries in a chunk at most, besides its size.
    chunk_entries: usize,
}

impl SimulatedNode {
    /// A node without clients.
    #[must_use]
    pub fn new(name: &str, incarnation: u64, partitions: u32, lease_ms: u32) -> Self {
        Self {
            incarnation: Incarnation {
                node: name.to_owned(),
                number: incarnation,
            },
            partitions,
            lease_ms,
            beats: 0,
            numbers: BTreeMap::new(),
            members: BTreeMap::new(),
            connections: BTreeMap::new(),
            chunk_entries: 1_024,
        }
    }

    /// The same with chunks of so many entries.
    #[must_use]
    pub fn with_chunks_of(mut self, entries: usize) -> Self {
        self.chunk_entries = entries.max(1);
        self
    }

    /// Who it is.
    #[must_use]
    pub fn incarnation(&self) -> &Incarnation {
        &self.incarnation
    }

    /// Everyone in its channels.
    pub fn members(&self) -> impl Iterator<Item = &Membership> {
        self.members.values()
    }

    /// Every connection of its users.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.values()
    }

    /// Does one thing, and tells of it.
    pub fn change(&mut self, change: Change, sent_at: u64) -> Report {
        let (kind, partition) = self.place(&change);
        self.changes(kind, partition, vec![change], sent_at)
    }

    /// Does several things of one stream, and tells of them in one report.
    pub fn changes(
        &mut self,
        kind: Kind,
        partition: u32,
        changes: Vec<Change>,
        sent_at: u64,
    ) -> Report {
        for change in &changes {
            self.apply(partition, change);
        }
        let number = self.numbers.entry((kind, partition)).or_default();
        let first = *number + 1;
        *number += changes.len() as u64;
        self.report(kind, partition, sent_at, Body::Changes { first, changes })
    }

    /// In which stream a change stands.
    #[must_use]
    pub fn place(&self, change: &Change) -> (Kind, u32) {
        match change {
            Change::Join(Membership { channel, .. }) | Change::Leave { channel, .. } => {
                (Kind::Channel, partition(channel, self.partitions))
            }
            Change::Connect(it) => (Kind::User, partition(&it.user, self.partitions)),
            Change::Disconnect { client } => {
                let known = self.connections.keys().find(|(_, it)| it == client);
                (Kind::User, known.map_or(0, |(partition, _)| *partition))
            }
        }
    }

    fn apply(&mut self, partition: u32, change: &Change) {
        match change.clone() {
            Change::Join(it) => {
                self.members
                    .insert((partition, it.channel.clone(), it.client), it);
            }
            Change::Leave { channel, client } => {
                self.members.remove(&(partition, channel, client));
            }
            Change::Connect(it) => {
                self.connections.insert((partition, it.client), it);
            }
            Change::Disconnect { client } => {
                self.connections.remove(&(partition, client));
            }
        }
    }

    /// Says that it lives.
    pub fn beat(&mut self) -> Beat {
        self.beats += 1;
        let numbers = |kind| {
            let number = |at| self.numbers.get(&(kind, at)).copied().unwrap_or_default();
            (0..self.partitions).map(number).collect()
        };
        Beat {
            from: self.incarnation.clone(),
            number: self.beats,
            lease_ms: self.lease_ms,
            channel_numbers: numbers(Kind::Channel),
            user_numbers: numbers(Kind::User),
            connections: self.connections.len() as u64,
            is_last: false,
        }
    }

    /// Says that it ends.
    pub fn last_beat(&mut self) -> Beat {
        Beat {
            channel_numbers: Vec::new(),
            user_numbers: Vec::new(),
            connections: 0,
            is_last: true,
            ..self.beat()
        }
    }

    /// Everything of a stream.
    #[must_use]
    pub fn snapshot(&self, kind: Kind, partition: u32, sent_at: u64) -> Vec<Report> {
        let entries: Vec<Change> = match kind {
            Kind::Channel => {
                let from = (partition, String::new(), Client::default());
                let range = self.members.range(from..);
                let of_partition = range.take_while(|(place, _)| place.0 == partition);
                of_partition
                    .map(|(_, it)| Change::Join(it.clone()))
                    .collect()
            }
            Kind::User => {
                let range = self.connections.range((partition, Client::default())..);
                let of_partition = range.take_while(|(place, _)| place.0 == partition);
                of_partition
                    .map(|(_, it)| Change::Connect(it.clone()))
                    .collect()
            }
        };
        let number = self
            .numbers
            .get(&(kind, partition))
            .copied()
            .unwrap_or_default();
        let by_count = crate::message::CHUNK_BYTES / self.chunk_entries;
        let parts = chunks(entries, |it| size(it).max(by_count));
        let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let report = |(chunk, entries)| {
            let chunk = Chunk {
                number,
                chunk,
                chunks: count,
                entries,
            };
            self.report(kind, partition, sent_at, Body::Chunk(chunk))
        };
        (0..count).zip(parts).map(report).collect()
    }

    fn report(&self, kind: Kind, partition: u32, sent_at: u64, body: Body) -> Report {
        Report {
            from: self.incarnation.clone(),
            kind,
            partition,
            sent_at,
            body,
        }
    }
}

/// A client's id from a number.
#[must_use]
pub fn client(number: u64) -> Client {
    // As mixed as the random ids of real clients, and reproducible.
    let mixed = u128::from(number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Client(mixed.to_be_bytes())
}

/// A membership of a client with a number, whose user has another.
#[must_use]
pub fn membership(channel: &str, number: u64, user: u64) -> Membership {
    Membership {
        channel: channel.to_owned(),
        client: client(number),
        user: format!("user-{user}"),
        conn_info: Bytes::new(),
        chan_info: Bytes::new(),
        since: 1,
    }
}

/// A connection of a client with a number, whose user has another.
#[must_use]
pub fn connection(number: u64, user: u64) -> Connection {
    Connection {
        client: client(number),
        user: format!("user-{user}"),
        since: 1,
        transport: "websocket".to_owned(),
        name: "js".to_owned(),
        app_version: "5".to_owned(),
    }
}
