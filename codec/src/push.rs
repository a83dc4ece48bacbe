//! What the server sends unasked.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::ConnectResult;

/// Something that happened, mostly in a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Push {
    /// The channel; empty for what concerns the connection.
    pub channel: String,
    /// What happened.
    pub event: Event,
}

/// The kinds of pushes.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A publication in the channel.
    Publication(Publication),
    /// Someone joined the channel.
    Join(ClientInfo),
    /// Someone left the channel.
    Leave(ClientInfo),
    /// The server ended the subscription.
    Unsubscribe(Unsubscribed),
    /// Application data for this connection.
    Message {
        /// The application's payload.
        data: Bytes,
    },
    /// The server started a subscription.
    Subscribe(ServerSubscription),
    /// The server changed when the connection expires.
    Refresh {
        /// Whether it expires.
        expires: bool,
        /// Seconds until then.
        ttl: u32,
    },
    /// The connection is open: the first push on a one-way connection, in place of a reply.
    Connect(Box<ConnectResult>),
    /// The server ends the connection (streaming transports; a WebSocket carries this in its close frame).
    Disconnect {
        /// Disconnect code.
        code: u32,
        /// Short text.
        reason: String,
        /// Whether the client should come back.
        reconnect: bool,
    },
}

/// A publication as clients see it. Empty and zero fields are not written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Publication {
    /// The payload: valid one-line JSON for JSON clients, anything for Protobuf ones.
    pub data: Bytes,
    /// Who published, when a client did.
    pub info: Option<ClientInfo>,
    /// Place in the channel's stream; zero without history.
    pub offset: u64,
    /// The application's labels.
    pub tags: BTreeMap<String, String>,
    /// Whether `data` is a patch.
    pub delta: bool,
    /// Milliseconds since the epoch; zero when not kept.
    pub time: i64,
    /// The concrete channel, for subscriptions to more than one.
    pub channel: String,
    /// The stream's incarnation; set on a first publication.
    pub epoch: String,
}

/// A connection as others see it. `user` and `client` are written even when empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientInfo {
    /// User id; empty for an anonymous user.
    pub user: String,
    /// Connection id.
    pub client: String,
    /// Payload attached to the connection.
    pub conn_info: Bytes,
    /// Payload attached to the subscription.
    pub chan_info: Bytes,
}

/// Body of an `unsubscribe` push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribed {
    /// One of [`crate::UnsubscribeCode`].
    pub code: u32,
    /// Short text.
    pub reason: String,
}

/// Body of a `subscribe` push.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerSubscription {
    /// Whether recovery is in force.
    pub recoverable: bool,
    /// The stream's incarnation.
    pub epoch: String,
    /// The position's offset.
    pub offset: u64,
    /// Whether positions are checked.
    pub positioned: bool,
    /// The application's data.
    pub data: Bytes,
}
