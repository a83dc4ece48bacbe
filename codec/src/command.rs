//! What a client can ask: the decoded form of its frames, the same for every wire format.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A request that carries frames of a client whose transport goes one way only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmulationRequest {
    /// The node that has the session.
    pub node: String,
    /// The session, as its client was told.
    pub session: String,
    /// A frame in the session's format.
    pub data: Bytes,
}

/// One element of a client's frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// An empty command: the answer to a server's ping.
    Pong,
    /// Anything else.
    Command(Command),
}

/// A request with the id that its reply must carry.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// Chosen by the client; zero when the client expects no reply (legal for `send` alone).
    pub id: u32,
    /// What is asked.
    pub request: Request,
}

/// The requests of the client protocol.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Authenticate and open the session.
    Connect(Box<ConnectRequest>),
    /// Start a subscription.
    Subscribe(Box<SubscribeRequest>),
    /// End a subscription.
    Unsubscribe {
        /// The channel to leave.
        channel: String,
    },
    /// Publish to a channel.
    Publish(PublishRequest),
    /// List who is in a channel.
    Presence {
        /// The channel asked about.
        channel: String,
    },
    /// Count who is in a channel.
    PresenceStats {
        /// The channel asked about.
        channel: String,
    },
    /// Read a channel's retained publications.
    History(HistoryRequest),
    /// Application message without a reply.
    Send {
        /// The application's payload.
        data: Bytes,
    },
    /// Call the application's backend.
    Rpc(RpcRequest),
    /// Replace the connection token.
    Refresh(RefreshRequest),
    /// Replace a subscription token.
    SubRefresh(SubRefreshRequest),
    /// A command whose body is absent, unknown, or a client's `ping`, which the protocol does not allow.
    Unknown,
}

impl Request {
    /// The channel that it is about, if it is about one.
    #[must_use]
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Subscribe(request) => Some(&request.channel),
            Self::Publish(request) => Some(&request.channel),
            Self::History(request) => Some(&request.channel),
            Self::SubRefresh(request) => Some(&request.channel),
            Self::Unsubscribe { channel }
            | Self::Presence { channel }
            | Self::PresenceStats { channel } => Some(channel),
            Self::Connect(_)
            | Self::Send { .. }
            | Self::Rpc(_)
            | Self::Refresh(_)
            | Self::Unknown => None,
        }
    }
}

/// Body of `connect`. Absent fields are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectRequest {
    /// Connection token; empty when there is none.
    pub token: String,
    /// Application data for a connect proxy.
    pub data: Bytes,
    /// Name of the client software.
    pub name: String,
    /// Version of the client software.
    pub version: String,
    /// Headers that the client emulates for proxies.
    pub headers: BTreeMap<String, String>,
    /// Server-side subscriptions to recover or to ask for, by channel.
    pub subs: BTreeMap<String, RecoverRequest>,
}

/// Position from which a server-side subscription should recover.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecoverRequest {
    /// Whether recovery is wanted.
    pub recover: bool,
    /// The last position seen.
    pub position: StreamPosition,
}

/// Body of `subscribe`. Absent fields are empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscribeRequest {
    /// The channel to join.
    pub channel: String,
    /// Subscription token; empty when there is none.
    pub token: String,
    /// Whether missed publications are wanted.
    pub recover: bool,
    /// Last position seen, for `recover`.
    pub position: StreamPosition,
    /// Application data for a subscribe proxy.
    pub data: Bytes,
    /// Wish: check the position of live publications.
    pub positioned: bool,
    /// Wish: allow recovery later.
    pub recoverable: bool,
    /// Wish: receive join and leave pushes.
    pub join_leave: bool,
    /// Delta format wished for; empty for none.
    pub delta: String,
    /// Whether a tags filter came along (`tf`).
    pub tags_filter: bool,
    /// Bit set: 1 understands numeric channel ids, 2 reject when unrecoverable.
    pub flag: i64,
    /// Subscription type: 0 stream, 1 to 3 map kinds, 4 shared poll.
    pub kind: i32,
}

/// A place in a channel's stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamPosition {
    /// Offset of the last publication seen; zero before the first.
    pub offset: u64,
    /// Incarnation of the stream; empty when not known.
    pub epoch: String,
}

/// Body of `publish`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishRequest {
    /// The channel to publish to.
    pub channel: String,
    /// The payload.
    pub data: Bytes,
    /// 0 for a stream publication, 1 for a map one.
    pub kind: i32,
}

/// Body of `history`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistoryRequest {
    /// The channel to read.
    pub channel: String,
    /// Publications at most; zero asks for the position only, negative for the server's maximum.
    pub limit: i32,
    /// Exclusive starting point.
    pub since: Option<StreamPosition>,
    /// Newest first.
    pub reverse: bool,
}

/// Body of `rpc`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RpcRequest {
    /// Method name, empty for the default one.
    pub method: String,
    /// The application's payload.
    pub data: Bytes,
}

/// Body of `refresh`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefreshRequest {
    /// The new connection token.
    pub token: String,
}

/// Body of `sub_refresh`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubRefreshRequest {
    /// The subscription's channel.
    pub channel: String,
    /// The new subscription token.
    pub token: String,
    /// 0 for a refresh; 1 and 2 belong to shared poll.
    pub kind: i32,
}
