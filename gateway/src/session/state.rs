//! What a session knows of its client, and of each of its subscriptions.

use std::time::Instant;

use bytes::Bytes;
use tidegate_codec::{Bookmark, DisconnectCode, ErrorCode};

use super::{Address, Moment, Standing};
use crate::config::Secret;

#[derive(Debug)]
pub(super) enum State {
    Fresh(Box<Fresh>),
    /// Its connect was answered with an error; closed as stale at this time.
    Refused(Instant),
    Open(Identity),
    /// With the user it was open for, if it ever was.
    Closed(Option<String>),
}

/// What is kept of a client that has not authenticated yet.
#[derive(Debug)]
pub(super) struct Fresh {
    /// When it is closed as stale.
    pub(super) stale: Instant,
    /// From the upgrade request; empty for none.
    pub(super) token: Secret,
    /// Spreads the first ping.
    pub(super) phase: f64,
    pub(super) address: Option<Address>,
    pub(super) bookmark: Bookmark,
}

/// Who the client is.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) user: Box<str>,
    pub(super) info: Bytes,
    /// When the connection is closed unless it is refreshed.
    pub(super) deadline: Option<Instant>,
    /// The channels that its token subscribes it to, sorted.
    pub(super) token_channels: Box<[String]>,
}

#[derive(Debug)]
pub(super) struct Subscription {
    /// Payload shown to others in this channel.
    pub(super) info: Bytes,
    /// When the subscription ends unless it is refreshed.
    pub(super) deadline: Option<Instant>,
    /// Subscribed by the server.
    pub(super) server_side: bool,
    /// What others are told of it.
    pub(super) standing: Standing,
}

impl Subscription {
    pub(super) fn is_expired(&self, now: Moment) -> bool {
        self.deadline.is_some_and(|at| at <= now.instant)
    }
}

/// How a command failed: with a reply, or with the end of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Error(ErrorCode),
    Disconnect(DisconnectCode),
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Self::Error(code)
    }
}

impl From<DisconnectCode> for Refusal {
    fn from(code: DisconnectCode) -> Self {
        Self::Disconnect(code)
    }
}
