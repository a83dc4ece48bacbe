//! What a session asks of its caller, and what the caller brings back.

use tidegate_backbone::{Channel, Error, Publication};
use tidegate_codec::{DisconnectCode, Push, Reply};

/// Actions, in order.
pub type Actions = Vec<Action>;

/// What the caller has to do, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Send a reply.
    Reply(Reply),
    /// Send a push.
    Push(Push),
    /// Send a ping.
    Ping,
    /// Start delivery of a channel that was opened or joined.
    Attach(Channel),
    /// End delivery of a channel.
    Detach(Channel),
    /// Count a connection of a user and join their server-side channels, then call [`Session::opened`].
    ///
    /// [`Session::opened`]: super::Session::opened
    Open {
        /// User id; empty for an anonymous user.
        user: String,
        /// Channels to join.
        channels: Vec<Channel>,
    },
    /// Join a channel, then call [`Session::joined`].
    ///
    /// [`Session::joined`]: super::Session::joined
    Join(Channel),
    /// Publish, in the order of these actions, then call [`Session::published`].
    ///
    /// [`Session::published`]: super::Session::published
    Publish {
        /// The command's id.
        id: u32,
        /// Where.
        channel: Channel,
        /// What.
        publication: Publication,
    },
    /// Drop what else came in the same frame.
    SkipFrame,
    /// Send what waits, then close.
    Close(DisconnectCode),
}

/// Why a connection was not opened.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenError {
    /// The user has as many connections as allowed.
    ConnectionLimit,
    /// A server-side channel could not be joined.
    Join(Error),
}
