//! What nodes and replicas say, in types that cannot be wrong.
//!
//! In: bytes from the bus, which [`decode`] checks by `proto/schema/node.proto`. Out: bytes for it, from [`encode`]. Only
//! these two know the wire's types.

pub mod decode;
pub mod encode;
mod fault;

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

pub use fault::{FAULTS, Fault, Faults};

/// The largest report and chunk, about; in bytes.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// What is partitioned, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Memberships, by channel.
    Channel,
    /// Connections, by user.
    User,
}

/// The id of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Client(pub [u8; 16]);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One client in one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    pub channel: String,
    pub client: Client,
    /// Empty for an anonymous one.
    pub user: String,
    pub conn_info: Bytes,
    pub chan_info: Bytes,
    /// Milliseconds since the Unix epoch.
    pub since: u64,
}

/// One connection of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    pub client: Client,
    pub user: String,
    /// Milliseconds since the Unix epoch.
    pub since: u64,
    pub transport: String,
    pub name: String,
    pub app_version: String,
}

/// One change of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Join(Membership),
    Leave { channel: String, client: Client },
    Connect(Connection),
    Disconnect { client: Client },
}

/// A run of a node's process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    pub node: String,
    pub number: u64,
}

/// What a node tells of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub from: Incarnation,
    pub kind: Kind,
    pub partition: u32,
    /// Milliseconds since the Unix epoch, by the node's clock.
    pub sent_at: u64,
    pub body: Body,
}

/// What a report has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// At least one, with consecutive numbers from `first`, which is at least 1.
    Changes {
        first: u64,
        changes: Vec<Change>,
    },
    Chunk(Chunk),
}

/// A part of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The last change that is in it.
    pub number: u64,
    /// Below `chunks`.
    pub chunk: u32,
    pub chunks: u32,
    /// Joins or connects, by the stream's kind.
    pub entries: Vec<Change>,
}

/// A node lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    pub from: Incarnation,
    pub number: u64,
    pub lease_ms: u32,
    /// One for each partition, unless it is the last beat.
    pub channel_numbers: Vec<u64>,
    pub user_numbers: Vec<u64>,
    pub connections: u64,
    pub is_last: bool,
}

/// A replica lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaBeat {
    pub replica: String,
    pub lease_ms: u32,
    pub ready: Vec<u32>,
    pub is_last: bool,
}

/// Some replica has told who left with a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    pub from: Incarnation,
    pub partition: u32,
    pub beat: u64,
    pub replica: String,
    pub is_last_chunk: bool,
}

/// Streams of a node that are needed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRequest {
    pub incarnation: u64,
    pub kind: Kind,
    pub partitions: Vec<u32>,
    /// Those of them whose leaves were told, though the node lives.
    pub lapses: Vec<Lapse>,
}

/// When leaves of a partition of a node were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapse {
    pub partition: u32,
    /// The last beat that had been heard.
    pub beat: u64,
    /// The last change that had been heard.
    pub number: u64,
}
