//! A question that has been checked.

use tidegate_backbone::{Channel, Epoch};

/// Which publications are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Of which channel.
    pub channel: Channel,
    /// In which epoch; `None` for the newest.
    pub epoch: Option<Epoch>,
    /// From where, and in which direction.
    pub start: Start,
    /// How many at most.
    pub limit: usize,
}

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Behind this offset, the oldest first.
    After(u64),
    /// Before this offset, the newest first.
    Before(u64),
    /// With the first that was stored at this time or later, the oldest first. Milliseconds since the Unix epoch.
    Since(u64),
    /// With the last that was stored before this time, the newest first. Milliseconds since the Unix epoch.
    Until(u64),
}
