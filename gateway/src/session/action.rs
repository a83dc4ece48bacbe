//! What a session asks of its caller, and what the caller brings back.

use tidegate_backbone::{Channel, Error, Position, Publication, Range};
use tidegate_codec::{Disconnect, Push, Reply, SharedPublication};

use super::PresenceQuestion;
use crate::auth::EndpointId;
use crate::hooks::Question;
use crate::interest::Wish;

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
    /// Keep the subscription to a channel that was opened or joined.
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
        channels: Vec<Join>,
    },
    /// Join a channel, then call [`Session::joined`].
    ///
    /// [`Session::joined`]: super::Session::joined
    Join(Join),
    /// Read a channel's history, then call [`Session::read`].
    ///
    /// [`Session::read`]: super::Session::read
    Read {
        /// The command's id.
        id: u32,
        /// Of what.
        channel: Channel,
        /// What of it; `None` for its position alone.
        range: Option<Range>,
    },
    /// Ask the application's backend, then call [`Session::answered`].
    ///
    /// [`Session::answered`]: super::Session::answered
    Ask {
        /// The question's number.
        ticket: u32,
        /// What to ask.
        question: Box<Question>,
    },
    /// Fetch published keys, then call [`Session::fetched`].
    ///
    /// [`Session::fetched`]: super::Session::fetched
    Fetch {
        /// The number of what waits for them.
        ticket: u32,
        /// Where they are published.
        endpoint: EndpointId,
    },
    /// Tell the application's backend.
    Tell(Box<Question>),
    /// Ask who is in a channel, then call [`Session::presence_answered`].
    ///
    /// [`Session::presence_answered`]: super::Session::presence_answered
    Presence {
        /// The command's id.
        id: u32,
        /// Where.
        channel: Channel,
        /// What is asked.
        question: PresenceQuestion,
    },
    /// The client has authenticated, and gave itself these names.
    Introduce {
        /// Of the client software.
        name: String,
        /// Its version.
        version: String,
    },
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
    Close(Disconnect),
}

/// A channel to be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The channel.
    pub channel: Channel,
    /// What a client that comes back is to be given.
    pub wish: Option<Wish>,
    /// Whether publications come as patches of the one before.
    pub is_delta: bool,
    /// Whether joins and leaves of others are to be heard.
    pub is_hearing: bool,
}

/// What came of a join.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Landing {
    /// Where delivery begins, in a channel with history.
    pub position: Option<Position>,
    /// What the client missed; `None` when it asked for nothing, or cannot be given all of it.
    pub recovered: Option<Vec<SharedPublication>>,
}

/// Why a connection was not opened.
#[derive(Debug, Clone, PartialEq)]
pub enum OpenError {
    /// The user has as many connections as allowed.
    ConnectionLimit,
    /// A server-side channel could not be joined.
    Join(Error),
}
