//! Connection and subscription tokens (JWT): verified, then turned into claims.
//!
//! In: a token's text and the current time. Out: [`ConnectionClaims`] or [`SubscriptionClaims`]. The way through:
//! `jws` (takes the text apart) -> `trust` (chooses the issuer) -> `key` (checks the signature) -> `fields` (JSON, unique
//! names) -> `expected` (audience, issuer) -> `claims` (what is granted) -> the time. Nothing is fetched here:
//! [`Verifier::missing`] says which published keys a token needs that are not at hand. No error repeats any of a token's text.

mod claims;
mod expected;
mod fields;
mod jwk;
mod jws;
mod key;
mod public_key;
mod published;
mod trust;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::config::{SubscriptionTokenConfig, TokenConfig};
pub(crate) use jwk::{KeySet, KeySetError, published_algorithm};
pub use jws::MAX_TOKEN_BYTES;
pub use published::EndpointId;
pub(crate) use published::Published;
use trust::Trusts;

/// Verifies tokens with the configured keys.
#[derive(Debug)]
pub struct Verifier {
    connection: Trusts,
    /// `None`: the same as for connections.
    subscription: Option<Trusts>,
    /// Where keys are published, by number.
    endpoints: Vec<Arc<Published>>,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A connection.
    Connection,
    /// A subscription.
    Subscription,
}

/// When something granted by a token ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// At this Unix time in seconds.
    At(i64),
}

/// What a token can be revoked by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenId {
    /// `jti`, if it is text.
    pub id: Option<Box<str>>,
    /// `iat`, Unix time in seconds.
    pub issued_at: Option<i64>,
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
    /// Of the token; `None` where there is none.
    pub token: Option<TokenId>,
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
    /// When the subscription ends unless refreshed, where it is said beside a connection's.
    pub expiry: Expiry,
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
    /// Of the token.
    pub token: TokenId,
}

/// Channel options changed for one subscriber; `None` leaves the namespace's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
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

impl TokenError {
    /// `reason` must hold nothing of the token: it is logged.
    fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid(reason.into())
    }
}

impl Verifier {
    /// Prepares the keys.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub fn new(
        token: &TokenConfig,
        subscription: &SubscriptionTokenConfig,
    ) -> Result<Self, Vec<String>> {
        let (mut faults, mut endpoints) = (Vec::new(), Vec::new());
        let mut keep = |config, section| {
            let trusts = Trusts::new(config, section, &mut endpoints);
            trusts.map_err(|mut found| faults.append(&mut found)).ok()
        };
        let own = subscription.enabled.then_some(&subscription.token);
        let subscription = own.and_then(|own| keep(own, "client.subscription_token"));
        match keep(token, "client.token") {
            Some(connection) if faults.is_empty() => Ok(Self {
                connection,
                subscription,
                endpoints,
            }),
            _ => Err(faults),
        }
    }

    /// Verifies a connection token at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; a token with a `channel` claim is invalid here.
    pub fn connection(&self, token: &str, now: SystemTime) -> Result<ConnectionClaims, TokenError> {
        let trusts = self.trusts(Purpose::Connection);
        trusts.verify(token, unix_seconds(now), claims::connection)
    }

    /// Verifies a subscription token at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; whether user, channel and client match is for the caller to judge.
    pub fn subscription(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<SubscriptionClaims, TokenError> {
        let trusts = self.trusts(Purpose::Subscription);
        trusts.verify(token, unix_seconds(now), claims::subscription)
    }

    /// Where the key of a token may be published, if it is not at hand.
    pub(crate) fn missing(
        &self,
        purpose: Purpose,
        token: &str,
        now: SystemTime,
    ) -> Option<EndpointId> {
        self.trusts(purpose).missing(token, unix_seconds(now))
    }

    /// Where keys are published; the number of each is its place.
    pub(crate) fn endpoints(&self) -> &[Arc<Published>] {
        &self.endpoints
    }

    fn trusts(&self, purpose: Purpose) -> &Trusts {
        match (purpose, &self.subscription) {
            (Purpose::Subscription, Some(own)) => own,
            _ => &self.connection,
        }
    }
}

fn unix_seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
