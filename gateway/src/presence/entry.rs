//! Who is there, as the node keeps it: small, for there is one for each subscription that is shown.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_backbone::{Channel, ClientInfo};
use uuid::Uuid;

/// A connection's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ClientId(pub(super) [u8; 16]);

impl ClientId {
    /// Reads the text of a UUID.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Uuid::parse_str(text).ok().map(|it| Self(it.into_bytes()))
    }

    /// Takes the bytes of a UUID.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_bytes(self.0).fmt(f)
    }
}

/// Of a connection, what is the same in all of its channels.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) client: ClientId,
    pub(super) user: Box<str>,
    pub(super) conn_info: Bytes,
}

/// A client in a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) card: Arc<Card>,
    /// Most have none.
    pub(super) chan_info: Option<Arc<[u8]>>,
    /// Milliseconds since the Unix epoch.
    pub(super) since: u64,
    /// Whether other subscribers are told.
    pub(super) is_announced: bool,
}

impl Member {
    /// As others see it.
    pub(super) fn info(&self) -> ClientInfo {
        ClientInfo {
            user: self.card.user.to_string(),
            client: self.card.client.to_string(),
            conn_info: self.card.conn_info.clone(),
            chan_info: self.chan_info(),
        }
    }

    pub(super) fn chan_info(&self) -> Bytes {
        let info = self.chan_info.as_deref();
        info.map_or_else(Bytes::new, Bytes::copy_from_slice)
    }
}

/// Where a client is.
pub(super) type Place = (Channel, ClientId);

/// A connection of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Online {
    pub(super) card: Arc<Card>,
    /// Milliseconds since the Unix epoch.
    pub(super) since: u64,
    /// How it came.
    pub(super) transport: &'static str,
    /// Name and version that the client gave itself.
    pub(super) names: Option<Arc<(String, String)>>,
}
