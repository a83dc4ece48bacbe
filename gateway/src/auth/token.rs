//! Connection and subscription tokens (JWT): verified, then turned into claims.

use std::collections::BTreeMap;
use std::time::SystemTime;

use bytes::Bytes;

use crate::config::{SubscriptionTokenConfig, TokenConfig};

/// Verifies tokens with the configured keys.
#[derive(Debug)]
pub struct Verifier {}

/// When something granted by a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    Never,
    /// At this Unix time in seconds.
    At(i64),
}

/// What a connection token grants.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionClaims {
    /// User id; empty for an anonymous user.
    pub user: String,
    /// When the connection ends unless refreshed: `expire_at` if present (zero: never), else `exp`.
    pub expiry: Expiry,
    /// Payload shown to others (`info` or `b64info`).
    pub info: Bytes,
    /// Server-side subscriptions by channel, of `channels` and `subs` together.
    pub subs: BTreeMap<String, SubscriptionOptions>,
}

/// What a token says of one server-side subscription.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SubscriptionOptions {
    /// Payload shown to others in this channel.
    pub info: Bytes,
    /// Payload for the subscriber.
    pub data: Bytes,
    /// Channel options changed for this subscriber.
    pub overrides: Override,
}

/// What a subscription token grants.
#[derive(Debug, Clone, PartialEq)]
pub struct SubscriptionClaims {
    /// User id it was made for.
    pub user: String,
    /// Channel it was made for.
    pub channel: String,
    /// Connection it was made for; empty for any.
    pub client: String,
    /// When the subscription ends unless refreshed.
    pub expiry: Expiry,
    /// Payloads and overrides.
    pub options: SubscriptionOptions,
}

/// Channel options changed for one subscriber; `None` leaves the namespace's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Override {
    /// Takes part in presence.
    pub presence: Option<bool>,
    /// Join and leave are published.
    pub join_leave: Option<bool>,
    /// Join and leave are received.
    pub force_push_join_leave: Option<bool>,
    /// Positions are checked.
    pub force_positioning: Option<bool>,
    /// Recovery is on.
    pub force_recovery: Option<bool>,
}

/// Why a token is refused. Holds nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its time is over, or has not come (`nbf`).
    #[error("token expired")]
    Expired,
    /// Malformed, forged, or with claims of the wrong kind.
    #[error("token invalid: {0}")]
    Invalid(String),
}

impl Verifier {
    /// Prepares the keys.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub fn new(_token: &TokenConfig, _subscription: &SubscriptionTokenConfig) -> Result<Self, Vec<String>> {
        Ok(Self {})
    }

    /// Verifies a connection token at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; a token with a `channel` claim is invalid here.
    pub fn connection(&self, _token: &str, _now: SystemTime) -> Result<ConnectionClaims, TokenError> {
        Err(TokenError::Invalid("verification is missing".to_owned()))
    }

    /// Verifies a subscription token at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; whether user, channel and client match is for the caller to judge.
    pub fn subscription(&self, _token: &str, _now: SystemTime) -> Result<SubscriptionClaims, TokenError> {
        Err(TokenError::Invalid("verification is missing".to_owned()))
    }
}
