//! What clients and servers say to each other: one file a protocol, all behind one trait. No sockets, no clock.
//!
//! A dialect makes whole messages for the wire and takes whole messages from it. What counts in a delivery is its stamp
//! ([`crate::stamp`]), so a message's bytes are passed on unparsed.

mod centrifuge_json;
mod centrifuge_protobuf;
mod nats;
mod raw;
mod socket_io;
#[cfg(test)]
mod testing;

use serde::{Deserialize, Serialize};

use crate::wire::Frames;

/// The id of a connect command.
pub const CONNECT: u32 = 1;
/// Ids of the first subscriptions, by index.
pub const SUBSCRIBE: u32 = 2;
/// Ids of subscriptions that come and go, from here on.
pub const CHURN: u32 = 1_000_000;
/// Ids of publishes, from here on.
pub const PUBLISH: u32 = 2_000_000;
/// In a reply: everything that the connection has asked for until now.
pub const ALL: u32 = 0;

/// A protocol by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    /// Tidegate, or any server of that client protocol, in JSON
    CentrifugeJson,
    /// The same in Protobuf
    CentrifugeProtobuf,
    #[value(name = "socket.io")]
    #[serde(rename = "socket.io")]
    /// Socket.IO 4, with the events that loadtest/peers/socket-io.mjs has
    SocketIo,
    /// nats-server: its WebSocket listener, or its own port for publishing
    Nats,
    /// One line of JSON a message, as loadtest/peers/ws.mjs speaks it
    Raw,
}

impl Name {
    /// The protocol itself.
    #[must_use]
    pub fn dialect(self) -> Box<dyn Dialect> {
        match self {
            Self::CentrifugeJson => Box::new(centrifuge_json::CentrifugeJson::default()),
            Self::CentrifugeProtobuf => {
                Box::new(centrifuge_protobuf::CentrifugeProtobuf::default())
            }
            Self::SocketIo => Box::new(socket_io::SocketIo),
            Self::Nats => Box::new(nats::Nats),
            Self::Raw => Box::new(raw::Raw),
        }
    }
}

/// Where a subscriber is in a channel's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    pub epoch: String,
    pub offset: u64,
}

/// A subscription to ask for.
#[derive(Debug, Clone)]
pub struct Subscription {
    pub id: u32,
    pub channel: String,
    pub recovery: Recovery,
}

/// What a subscription wants from its channel's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    /// Nothing.
    Off,
    /// To be told the position, so as to be able to recover from there.
    Follow,
    /// What has been published since this position.
    From(Position),
}

/// Who connects, and what it wants.
#[derive(Debug)]
pub struct Opening {
    pub token: Option<String>,
    pub subscriptions: Vec<Subscription>,
}

/// One message or, on a byte stream, what is there of it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

/// What a server said.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Bytes with the stamps of one delivery or more.
    Message(&'a [u8]),
    /// It awaits [`Dialect::enter`].
    Invited,
    /// A command with this id is done.
    Done(u32),
    /// A subscribe is done, with the position where it stands.
    Subscribed {
        id: u32,
        position: Position,
        /// Whether all that was missed came with it.
        recovered: bool,
    },
    /// A command with this id was refused.
    Refused(u32, String),
}

/// A message that is not of this protocol, or ends it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// What takes events.
pub type Take<'a> = &'a mut dyn FnMut(Event<'_>);

/// A client's side of a protocol. It keeps nothing about single connections.
pub trait Dialect: std::fmt::Debug {
    /// What to ask for where the URL names no path.
    fn path(&self) -> &'static str;

    /// The WebSocket subprotocol.
    fn subprotocol(&self) -> Option<&'static str>;

    /// Whether messages are cut anywhere, rather than one or several whole ones in each frame.
    fn is_stream(&self) -> bool;

    /// Whether a client can ask for what it missed. Where not, a reconnect only subscribes again.
    fn recovers(&self) -> bool;

    /// The first words of a client, as soon as the server has accepted the WebSocket.
    fn open(&self, opening: &Opening, frames: &mut Frames<'_>);

    /// What a client says when it is invited ([`Event::Invited`]).
    fn enter(&self, opening: &Opening, frames: &mut Frames<'_>);

    /// Takes what the server said, and answers what needs a mere answer, such as a ping. Returns how many bytes it took:
    /// all of them, unless the protocol is a byte stream and the rest is a part of a message.
    ///
    /// # Errors
    /// When it is not of this protocol, or the server ends the connection.
    fn receive(
        &self,
        input: Input<'_>,
        frames: &mut Frames<'_>,
        take: Take<'_>,
    ) -> Result<usize, Fault>;

    /// Publishes a payload.
    fn publish(&self, id: u32, channel: &str, payload: &[u8], frames: &mut Frames<'_>);

    /// Subscribes later on.
    fn subscribe(&self, subscription: &Subscription, frames: &mut Frames<'_>);

    /// Takes a subscription back.
    fn unsubscribe(&self, id: u32, channel: &str, frames: &mut Frames<'_>);

    /// The offset that a message with a stamp carries.
    fn offset(&self, message: &[u8]) -> Option<u64>;
}
