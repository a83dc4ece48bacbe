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
    /// Do this, then call [`Session::complete`] before giving the next command.
    ///
    /// [`Session::complete`]: super::Session::complete
    Perform(Operation),
    /// Publish, in the order of these actions, then call [`Session::published`]. Other commands need not wait.
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

/// What a session cannot do by itself.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// Count a connection of a user and join their server-side channels. Answer with [`Outcome::Opened`].
    Open {
        /// User id; empty for an anonymous user.
        user: String,
        /// Channels to join.
        channels: Vec<Channel>,
    },
    /// Join a channel. Answer with [`Outcome::Joined`].
    Join(Channel),
}

/// How an [`Operation`] ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Of [`Operation::Open`].
    Opened(Result<(), OpenError>),
    /// Of [`Operation::Join`].
    Joined(Result<(), Error>),
}

/// Why a connection was not opened.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenError {
    /// The user has as many connections as allowed.
    ConnectionLimit,
    /// A server-side channel could not be joined.
    Join(Error),
}
