//! What the application's backend is asked, and told.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_codec::Format;

use super::headers::Headers;

/// What a backend hears about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Event {
    Connect,
    Refresh,
    Subscribe,
    SubRefresh,
    Publish,
    Rpc,
    /// Told, not asked.
    Disconnect,
    /// Told, not asked.
    Unsubscribe,
    /// Told, not asked: a channel has its first subscriber, or had its last.
    State,
}

impl Event {
    pub(crate) const ALL: [Self; 9] = [
        Self::Connect,
        Self::Refresh,
        Self::Subscribe,
        Self::SubRefresh,
        Self::Publish,
        Self::Rpc,
        Self::Disconnect,
        Self::Unsubscribe,
        Self::State,
    ];

    /// Those of which backends are told.
    pub(crate) const TOLD: [Self; 3] = [Self::Disconnect, Self::Unsubscribe, Self::State];

    /// As it stands in options, headers and metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Refresh => "refresh",
            Self::Subscribe => "subscribe",
            Self::SubRefresh => "sub_refresh",
            Self::Publish => "publish",
            Self::Rpc => "rpc",
            Self::Disconnect => "disconnect",
            Self::Unsubscribe => "unsubscribe",
            Self::State => "state",
        }
    }
}

/// Which backend it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetId {
    /// The one that is configured for the event.
    Default(Event),
    /// The one at this place in `proxies`.
    Named(u16),
}

impl TargetId {
    /// What streams know it by, which restarts and other nodes share; `name` is that in metrics.
    pub(super) fn in_streams(self, name: &str) -> String {
        match self {
            Self::Default(event) => format!("{name}:{}", event.name()),
            Self::Named(_) => name.to_owned(),
        }
    }
}

/// A question, as a session asks it.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    pub target: TargetId,
    pub caller: Caller,
    pub subject: Subject,
}

/// Who gave cause to ask.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Caller {
    pub client: String,
    /// Empty for an anonymous user, and before there is one.
    pub user: String,
    /// What a backend attached to the connection, as JSON; empty for nothing.
    pub meta: Bytes,
    pub headers: Option<Arc<Headers>>,
}

/// What is asked, or told.
#[derive(Debug, Clone, PartialEq)]
pub enum Subject {
    Connect {
        data: Bytes,
        name: String,
        version: String,
        /// Server-side subscriptions that the client would like.
        channels: Vec<String>,
    },
    Refresh,
    Subscribe {
        channel: String,
        data: Bytes,
    },
    SubRefresh {
        channel: String,
    },
    Publish {
        channel: String,
        data: Bytes,
    },
    Rpc {
        method: String,
        data: Bytes,
    },
    Disconnect {
        code: u32,
        reason: String,
    },
    Unsubscribe {
        channel: String,
        code: u32,
        reason: String,
    },
    State(Transition),
}

/// What has become of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub channel: String,
    pub state: ChannelState,
    /// Higher than that of every transition of the channel before it.
    pub number: u64,
}

/// Whether a channel has subscribers, on whatever node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelState {
    Occupied,
    Vacated,
}

impl ChannelState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Occupied => "occupied",
            Self::Vacated => "vacated",
        }
    }
}

impl Subject {
    pub(crate) const fn event(&self) -> Event {
        match self {
            Self::Connect { .. } => Event::Connect,
            Self::Refresh => Event::Refresh,
            Self::Subscribe { .. } => Event::Subscribe,
            Self::SubRefresh { .. } => Event::SubRefresh,
            Self::Publish { .. } => Event::Publish,
            Self::Rpc { .. } => Event::Rpc,
            Self::Disconnect { .. } => Event::Disconnect,
            Self::Unsubscribe { .. } => Event::Unsubscribe,
            Self::State(_) => Event::State,
        }
    }

    /// Whether the client's next command waits for the answer, so that the backend hears them in order.
    pub(crate) const fn keeps_order(&self) -> bool {
        matches!(self, Self::Publish { .. } | Self::Rpc { .. })
    }

    /// The channel that it is about.
    pub(super) fn channel(&self) -> Option<&str> {
        match self {
            Self::Subscribe { channel, .. }
            | Self::SubRefresh { channel }
            | Self::Publish { channel, .. }
            | Self::Unsubscribe { channel, .. } => Some(channel),
            Self::State(transition) => Some(&transition.channel),
            Self::Connect { .. } | Self::Refresh | Self::Rpc { .. } | Self::Disconnect { .. } => {
                None
            }
        }
    }

    /// The client's payload; empty for none.
    pub(super) fn data(&self) -> &Bytes {
        static NONE: Bytes = Bytes::new();
        match self {
            Self::Connect { data, .. }
            | Self::Subscribe { data, .. }
            | Self::Publish { data, .. }
            | Self::Rpc { data, .. } => data,
            Self::Refresh
            | Self::SubRefresh { .. }
            | Self::Disconnect { .. }
            | Self::Unsubscribe { .. }
            | Self::State(_) => &NONE,
        }
    }
}

/// How the client is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    pub transport: &'a str,
    pub format: Format,
}

impl Via<'_> {
    /// The name of the format.
    pub(super) const fn protocol(self) -> &'static str {
        match self.format {
            Format::Json => "json",
            Format::Protobuf => "protobuf",
        }
    }
}
