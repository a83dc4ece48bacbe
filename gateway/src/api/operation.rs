//! What can be asked, and what comes of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use tidegate_backbone::{ClientInfo, Position, Publication, Version};
use tidegate_codec::Failure;

use crate::cluster::NodeInfo;
use crate::control::{Connected, Order};
use crate::revocation::Entry;

/// Something that a backend wants done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    Publish(Publish),
    Broadcast(Broadcast),
    /// Subscribe, unsubscribe, disconnect or refresh connections of a user, on every node.
    Control(Target, Order),
    Connections(Connections),
    Presence {
        channel: String,
    },
    PresenceStats {
        channel: String,
    },
    History(HistoryQuery),
    HistoryRemove {
        channel: String,
    },
    Channels {
        pattern: String,
    },
    Info,
    /// Block a user, or revoke tokens.
    Revoke(Entry),
    Unblock {
        user: String,
    },
    /// Who is blocked, and which tokens are revoked.
    Revocations {
        /// Those with keys behind this one.
        after: String,
        /// Zero for the default.
        limit: usize,
    },
    Rpc {
        method: String,
    },
}

impl Operation {
    /// As its method is called.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Broadcast(_) => "broadcast",
            Self::Control(_, order) => order.name(),
            Self::Connections(_) => "connections",
            Self::Presence { .. } => "presence",
            Self::PresenceStats { .. } => "presence_stats",
            Self::History(_) => "history",
            Self::HistoryRemove { .. } => "history_remove",
            Self::Channels { .. } => "channels",
            Self::Info => "info",
            Self::Revoke(_) => "revoke",
            Self::Unblock { .. } => "unblock",
            Self::Revocations { .. } => "revocations",
            Self::Rpc { .. } => "rpc",
        }
    }
}

/// Many of them.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Those that cannot be understood have failed already.
    pub(crate) operations: Vec<Result<Operation, Failure>>,
    pub(crate) is_parallel: bool,
}

/// One publication for one channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publish {
    pub(crate) channel: String,
    pub(crate) what: Publishing,
}

/// One for several.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Broadcast {
    pub(crate) channels: Vec<String>,
    pub(crate) what: Publishing,
}

/// What is published.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Publishing {
    pub(crate) data: Bytes,
    pub(crate) tags: BTreeMap<String, String>,
    /// Of several publications of a channel with one key the first counts; empty for none.
    pub(crate) idempotency_key: String,
    /// Whether it is for those alone who are subscribed now.
    pub(crate) skip_history: bool,
    /// Which state of a document it is.
    pub(crate) version: Option<Version>,
}

/// Connections of a user.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Target {
    /// Empty for the anonymous user.
    pub(crate) user: String,
    /// Only this one; empty for all.
    pub(crate) client: String,
    /// Not these.
    pub(crate) spared: Vec<String>,
    /// Only this session; empty for all.
    pub(crate) session: String,
}

/// Who is connected.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Connections {
    pub(crate) user: Option<String>,
    pub(crate) channel: Option<String>,
    /// Those with ids behind this one.
    pub(crate) after: String,
    /// Zero for the default.
    pub(crate) limit: usize,
}

/// What of a channel's history.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct HistoryQuery {
    pub(crate) channel: String,
    /// Zero for the position alone, less for as many as one answer holds.
    pub(crate) limit: i64,
    /// Offset and epoch.
    pub(crate) since: Option<(u64, String)>,
    pub(crate) is_reverse: bool,
}

/// What came of an [`Operation`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// With its place, where there is history.
    Published(Option<Position>),
    /// Of each channel.
    Broadcast(Vec<Result<Option<Position>, Failure>>),
    /// So many connections did it.
    Reached(u64),
    Connections {
        found: BTreeMap<String, Connected>,
        /// Whether there are more behind the last one.
        has_more: bool,
    },
    /// By client.
    Presence(BTreeMap<String, ClientInfo>),
    PresenceStats {
        clients: u32,
        /// Different ones.
        users: u32,
    },
    History {
        publications: Vec<Publication>,
        position: Position,
    },
    /// What was kept of a channel is gone.
    Removed,
    /// With their subscribers.
    Channels(BTreeMap<String, u64>),
    Info(Vec<NodeInfo>),
    /// There is nothing more to say.
    Done,
    Revocations {
        /// With their keys.
        entries: Vec<(String, Entry)>,
        /// Whether there are more behind the last one.
        has_more: bool,
    },
}
