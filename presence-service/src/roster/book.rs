//! Everyone who is there, compactly: names and connections stand once, and all else refers to them by number.
//!
//! In: joins, leaves, connects and disconnects, each by a run of a node. Out: whether they changed something, and who is
//! where. It knows nothing of numbers, time or partitions that are held.

mod index;
mod members;
mod people;
mod reading;

use hashbrown::{DefaultHashBuilder, HashTable};
use slab::Slab;
use tidegate_proto::node::partition;

use self::index::Index;
use self::members::{ChannelEntry, Member, UserCount};
use self::people::{ConnectionEntry, UserEntry};

pub use self::reading::Counts;

/// Numbers a run of a node within this process; never used again.
pub(crate) type Run = u32;

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Done {
    /// Somebody new is there, or somebody is no more there.
    Changed,
    /// Something about somebody who is there.
    Updated,
    /// Nothing.
    Same,
    /// The client is of another user.
    OtherUser,
    /// There are as many as there may be.
    Full,
}

#[derive(Debug)]
pub(crate) struct Book {
    hasher: DefaultHashBuilder,
    /// Memberships, and connections, at most.
    maximum: usize,
    channels: Slab<ChannelEntry>,
    channels_by_name: Index,
    members: Slab<Member>,
    /// By channel and connection.
    members_by_place: Index,
    /// How many connections of a user are in a channel.
    user_counts: HashTable<UserCount>,
    users: Slab<UserEntry>,
    users_by_name: Index,
    connections: Slab<ConnectionEntry>,
    /// By run and client.
    connections_by_client: Index,
    /// How many connections are told in streams of users.
    sessions: usize,
    channels_of: Vec<Vec<u32>>,
    users_of: Vec<Vec<u32>>,
}

impl Book {
    pub(crate) fn new(partitions: u32, maximum: usize) -> Self {
        Self {
            hasher: DefaultHashBuilder::default(),
            maximum: maximum.min(u32::MAX as usize),
            channels: Slab::new(),
            channels_by_name: Index::default(),
            members: Slab::new(),
            members_by_place: Index::default(),
            user_counts: HashTable::new(),
            users: Slab::new(),
            users_by_name: Index::default(),
            connections: Slab::new(),
            connections_by_client: Index::default(),
            sessions: 0,
            channels_of: vec![Vec::new(); partitions as usize],
            users_of: vec![Vec::new(); partitions as usize],
        }
    }

    /// How many memberships there are.
    pub(crate) fn memberships(&self) -> usize {
        self.members.len()
    }

    /// How many connections of users there are.
    pub(crate) fn sessions(&self) -> usize {
        self.sessions
    }

    fn partition(&self, name: &str) -> u32 {
        partition(
            name,
            u32::try_from(self.channels_of.len()).unwrap_or(u32::MAX),
        )
    }
}

/// A key of a slab with fewer than 2^32 values, as [`Book::maximum`] sees to.
fn number(key: usize) -> u32 {
    u32::try_from(key).expect("no table has more entries than the book's maximum")
}

/// Bytes that are kept: of their own, and nothing where there are none.
fn kept(bytes: &[u8]) -> Option<Box<[u8]>> {
    (!bytes.is_empty()).then(|| bytes.into())
}

#[cfg(test)]
mod tests;
