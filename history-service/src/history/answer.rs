//! What is answered.

use std::collections::BTreeMap;

use tidegate_backbone::{Channel, Epoch, Error, Position};

use crate::store::{ArchivedStream, Count, Record, StoreError};

/// A page of a channel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The epoch that was read.
    pub epoch: Epoch,
    /// Whether publications are still added to this epoch.
    pub is_current: bool,
    /// In the order that was asked for.
    pub records: Vec<Record>,
    /// Where to go on, when there is more in this direction: behind this offset, or before it.
    pub next: Option<u64>,
    /// Where the page ends: everything up to this offset, or from it on, has been read.
    pub end: u64,
    /// Whether it is proved that nothing is missing between where the page begins and its last record; forward up to `end`.
    pub is_gapless: bool,
}

/// The newest place of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newest {
    /// Everything is at this position or before it.
    pub position: Position,
    /// Epochs that the archive knows, the oldest first.
    pub epochs: Vec<Epoch>,
}

/// How much is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Each stream, with what it is ahead of the archive where that is known.
    pub streams: Vec<(Option<u64>, ArchivedStream)>,
    /// On disk.
    pub disk_bytes: u64,
}

/// How much is archived of a namespace, all its streams together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceStats {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// How much.
    pub count: Count,
    /// What its streams are ahead of the archive, as far as that is known of any.
    pub lag: Option<u64>,
}

impl Stats {
    /// By namespace, in their order.
    #[must_use]
    pub fn namespaces(&self) -> Vec<NamespaceStats> {
        let mut namespaces: BTreeMap<_, NamespaceStats> = BTreeMap::new();
        for (lag, archived) in &self.streams {
            let namespace = &archived.stream.namespace;
            let all = namespaces.entry(namespace.clone()).or_default();
            all.namespace.clone_from(namespace);
            all.count.publications += archived.count.publications;
            all.count.bytes += archived.count.bytes;
            all.lag = lag.map(|lag| lag + all.lag.unwrap_or(0)).or(all.lag);
        }
        namespaces.into_values().collect()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// There is no log.
    #[error("channel {0} is not kept")]
    NotKept(Channel),
    /// Neither archive nor stream knows the epoch.
    #[error("epoch is not known")]
    UnknownEpoch,
    /// The channel has another epoch than it had.
    #[error("the channel has got a new epoch")]
    NewEpoch,
    /// There is no publication at this place.
    #[error("there is no publication at this position")]
    NoPublication,
    /// The position is above everything that was stored.
    #[error("position is above the newest offset, {newest}")]
    Ahead {
        /// The newest.
        newest: u64,
    },
    /// The stream or the archive does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The archive cannot be read.
    #[error("{0}")]
    Broken(String),
}

impl From<Error> for HistoryError {
    fn from(error: Error) -> Self {
        match error {
            Error::NotKept(channel) => Self::NotKept(channel),
            Error::Unavailable(_) | Error::TooLarge { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Broken(_) => Self::Broken(error.to_string()),
            StoreError::EpochTooLong => Self::UnknownEpoch,
            StoreError::Unavailable(_) | StoreError::Closed => Self::Unavailable(error.to_string()),
        }
    }
}
