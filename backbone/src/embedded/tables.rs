//! Sorted tables of bytes, changed in one step and read as of one moment: what a [`Log`](super::log::Log) is kept in.
//!
//! Knows nothing of channels. [`Disk`] keeps them in files, [`Memory`] as long as the process lives.

mod disk;
mod memory;

use std::collections::BTreeMap;

use bytes::Bytes;

pub(super) use disk::Disk;
pub(super) use memory::Memory;

/// A table by its contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Table {
    /// Of the log as a whole.
    Meta,
    /// What is known of each channel.
    Channels,
    /// Publications, by channel and offset.
    Publications,
    /// When each was stored and in which channel, by namespace and offset.
    Order,
    /// Ids of publishers' own, by namespace and offset.
    Ids,
}

impl Table {
    const ALL: [Self; 5] = [
        Self::Meta,
        Self::Channels,
        Self::Publications,
        Self::Order,
        Self::Ids,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Channels => "channels",
            Self::Publications => "publications",
            Self::Order => "order",
            Self::Ids => "ids",
        }
    }
}

/// Rows to write, and with `None` to remove.
pub(super) type Changes = BTreeMap<(Table, Vec<u8>), Option<Bytes>>;

/// Key and value.
pub(super) type Row = (Bytes, Bytes);

/// Rows in the order of their keys.
pub(super) type Rows<'a> = Box<dyn DoubleEndedIterator<Item = Result<Row, Failure>> + 'a>;

/// Why tables could not be read or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(pub(super) String);

/// The tables of a log.
pub(super) trait Tables: Send + Sync {
    /// All of them as of now.
    fn view(&self) -> Box<dyn View + '_>;

    /// Makes all of these changes or none; after a failure nothing more is accepted.
    fn apply(&self, changes: Changes) -> Result<(), Failure>;

    /// Makes sure that what was applied survives a power cut.
    fn sync(&self) -> Result<(), Failure>;
}

/// Tables as of one moment.
pub(super) trait View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Failure>;

    /// The rows from one key to before another.
    fn rows(&self, table: Table, from: &[u8], to: &[u8]) -> Rows<'_>;
}
