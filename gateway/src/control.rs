//! What backends want of connections: orders, and questions who is there.
//!
//! In: an [`Errand`] for connections of a user or in a channel. Each of this node's workers gives it to those of its own
//! connections that it may be for, and these say in the [`Tally`] that they did it. Knows nothing of other nodes.

mod errand;
mod local;

use serde::{Deserialize, Serialize};
use tidegate_backbone::Channel;

use crate::auth::Override;

pub(crate) use errand::{Census, Errand, Job, Tally, Task};
pub(crate) use local::Local;

/// For whom it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Whom {
    /// Connections of this user; the empty one is the anonymous user.
    pub(crate) user: Option<String>,
    /// Subscribers of this channel.
    pub(crate) channel: Option<Channel>,
    /// Only this connection.
    pub(crate) client: Option<String>,
    /// Only the connection with this session.
    pub(crate) session: Option<String>,
    /// Not these connections.
    pub(crate) spared: Vec<String>,
}

impl Whom {
    /// Whether a connection of this user, in the channel if one is meant, is one of them.
    pub(crate) fn is(&self, user: &str, client: &str, session: Option<&str>) -> bool {
        self.user.as_ref().is_none_or(|it| it == user)
            && self.client.as_ref().is_none_or(|it| it == client)
            && (self.session.is_none() || self.session.as_deref() == session)
            && !self.spared.iter().any(|it| it == client)
    }
}

/// What a connection is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Subscribe the client.
    Subscribe(Subscribing),
    /// End a subscription, or all of them.
    Unsubscribe {
        /// `None` for all.
        channel: Option<String>,
    },
    /// End.
    Disconnect {
        /// The close frame's code.
        code: u32,
        /// Its reason.
        reason: String,
    },
    /// Expire at another time.
    Refresh(Refreshing),
}

impl Order {
    /// As its method is called.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Subscribe(_) => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Disconnect { .. } => "disconnect",
            Self::Refresh(_) => "refresh",
        }
    }
}

/// A subscription that a backend begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscribing {
    pub(crate) channel: String,
    /// Shown to others in the channel.
    #[serde(with = "base64_text")]
    pub(crate) info: Vec<u8>,
    /// For the client.
    #[serde(with = "base64_text")]
    pub(crate) data: Vec<u8>,
    /// Unix time in seconds; `None` for never.
    pub(crate) expire_at: Option<i64>,
    /// Epoch and offset behind which the client is given everything.
    pub(crate) since: Option<(String, u64)>,
    /// Options that it has otherwise than its namespace; a node of before does not say.
    #[serde(default)]
    pub(crate) overrides: Override,
}

/// A new end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refreshing {
    /// It is over now.
    pub(crate) is_expired: bool,
    /// Unix time in seconds; `None` for never.
    pub(crate) expire_at: Option<i64>,
    /// What others see of the connection from now on; empty to leave it.
    #[serde(with = "base64_text")]
    pub(crate) info: Vec<u8>,
}

/// One connection, as backends see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Connected {
    pub(crate) user: String,
    /// `json` or `protobuf`.
    pub(crate) format: String,
    /// How many it is subscribed to.
    pub(crate) channels: usize,
}

/// Bytes as text in JSON.
mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_is_for_those_that_it_names() {
        let whom = |user: Option<&str>, client: Option<&str>, spared: &[&str]| Whom {
            user: user.map(str::to_owned),
            channel: None,
            client: client.map(str::to_owned),
            session: None,
            spared: spared.iter().map(|it| (*it).to_owned()).collect(),
        };
        for (whom, expected) in [
            (whom(Some("alice"), None, &[]), true),
            (whom(Some("bob"), None, &[]), false),
            (whom(Some(""), None, &[]), false),
            (whom(None, None, &[]), true),
            (whom(Some("alice"), Some("c1"), &[]), true),
            (whom(Some("alice"), Some("c2"), &[]), false),
            (whom(Some("alice"), None, &["c2", "c1"]), false),
            (whom(Some("alice"), None, &["c2"]), true),
        ] {
            assert_eq!(whom.is("alice", "c1", None), expected, "{whom:?}");
        }
    }

    #[test]
    fn an_errand_for_a_session_is_for_no_other() {
        let whom = Whom {
            session: Some("s1".to_owned()),
            ..Whom::default()
        };
        for (session, expected) in [(Some("s1"), true), (Some("s2"), false), (None, false)] {
            assert_eq!(whom.is("alice", "c1", session), expected, "{session:?}");
        }
    }

    #[test]
    fn orders_survive_their_way_between_nodes() {
        let order = Order::Subscribe(Subscribing {
            channel: "chat:a".to_owned(),
            info: vec![0xff, 0],
            since: Some(("epoch".to_owned(), 7)),
            overrides: Override {
                presence: Some(false),
                ..Override::default()
            },
            ..Subscribing::default()
        });
        let text = serde_json::to_vec(&order).unwrap();
        assert_eq!(serde_json::from_slice::<Order>(&text).unwrap(), order);
    }
}
