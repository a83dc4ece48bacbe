//! What the server answers to a command.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{ClientInfo, ErrorCode, Publication, SharedPublication};

/// The answer to the command with the same id.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The command's id.
    pub id: u32,
    /// Its outcome.
    pub outcome: Result<Success, Failure>,
}

/// Why a command failed. The connection goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Numeric code: one of [`ErrorCode`], or 400 to 1999 for an application's own.
    pub code: u32,
    /// Short text in lower case.
    pub message: String,
    /// Whether the same command may succeed later.
    pub temporary: bool,
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self {
            code: code.code(),
            message: code.message().to_owned(),
            temporary: code.is_temporary(),
        }
    }
}

/// The result object of a successful command; written even when it has no fields.
#[derive(Debug, Clone, PartialEq)]
pub enum Success {
    /// Answer to `connect`.
    Connect(Box<ConnectResult>),
    /// Answer to `subscribe`.
    Subscribe(Box<SubscribeResult>),
    /// Answer to `unsubscribe`.
    Unsubscribe,
    /// Answer to `publish`.
    Publish,
    /// Answer to `presence`: connections by client id.
    Presence(BTreeMap<String, ClientInfo>),
    /// Answer to `presence_stats`.
    PresenceStats {
        /// Connections in the channel.
        clients: u32,
        /// Distinct users in the channel.
        users: u32,
    },
    /// Answer to `history`.
    History {
        /// The publications of this page.
        publications: Vec<Publication>,
        /// The stream's incarnation.
        epoch: String,
        /// The stream's top.
        offset: u64,
    },
    /// Answer to `rpc`.
    Rpc {
        /// The application's payload.
        data: Bytes,
    },
    /// Answer to `refresh`.
    Refresh(RefreshResult),
    /// Answer to `sub_refresh`.
    SubRefresh(SubRefreshResult),
}

/// Result of `connect`. Empty and zero fields are not written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConnectResult {
    /// Unique id of the connection.
    pub client: String,
    /// The server's version.
    pub version: String,
    /// Whether the client has to refresh its token.
    pub expires: bool,
    /// Seconds until then.
    pub ttl: u32,
    /// The application's data.
    pub data: Bytes,
    /// Server-side subscriptions by channel.
    pub subs: BTreeMap<String, SubscribeResult>,
    /// Seconds between the server's pings; zero for none.
    pub ping: u32,
    /// Whether the client must answer them.
    pub pong: bool,
    /// Session id, for transports that need one.
    pub session: String,
    /// Node id, for transports that need one.
    pub node: String,
    /// The server's time in milliseconds since the epoch; zero when not enabled.
    pub time: i64,
}

/// Result of `subscribe`. Empty and zero fields are not written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscribeResult {
    /// Whether the client has to refresh its subscription token.
    pub expires: bool,
    /// Seconds until then.
    pub ttl: u32,
    /// Whether recovery is in force.
    pub recoverable: bool,
    /// The stream's incarnation.
    pub epoch: String,
    /// Recovered publications, oldest first.
    pub publications: Vec<SharedPublication>,
    /// Whether everything missed is in `publications`.
    pub recovered: bool,
    /// The position's offset.
    pub offset: u64,
    /// Whether positions of live publications are checked.
    pub positioned: bool,
    /// The application's data.
    pub data: Bytes,
    /// Whether recovery was asked for.
    pub was_recovering: bool,
    /// Whether publications come as deltas.
    pub delta: bool,
}

/// Result of `refresh`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RefreshResult {
    /// Unique id of the connection.
    pub client: String,
    /// The server's version.
    pub version: String,
    /// Whether the new token expires.
    pub expires: bool,
    /// Seconds until then.
    pub ttl: u32,
}

/// Result of `sub_refresh`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubRefreshResult {
    /// Whether the new token expires.
    pub expires: bool,
    /// Seconds until then.
    pub ttl: u32,
}
