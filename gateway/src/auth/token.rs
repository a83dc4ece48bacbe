//! Connection and subscription tokens (JWT): verified, then turned into claims.
//!
//! In: a token's text and the current time. Out: [`ConnectionClaims`] or [`SubscriptionClaims`]. The way through:
//! `jws` (takes the text apart) -> `key` (checks the signature) -> `fields` (JSON, unique names) -> `expected`
//! (audience, issuer) -> `claims` (what is granted) -> the time. Nothing is fetched because of a token, and no error
//! repeats any of its text.

mod claims;
mod expected;
mod fields;
mod jws;
mod key;
mod public_key;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::config::{SubscriptionTokenConfig, TokenConfig};
use expected::Expected;
use fields::Fields;
pub use jws::MAX_TOKEN_BYTES;
use key::KeyRing;

/// Verifies tokens with the configured keys.
#[derive(Debug)]
pub struct Verifier {
    connection: Trust,
    /// `None`: the same as for connections.
    subscription: Option<Trust>,
}

/// Whose tokens are believed, and under which claim they name the user.
#[derive(Debug)]
struct Trust {
    keys: KeyRing,
    expected: Expected,
    user_claim: String,
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
        let mut faults = Vec::new();
        let mut keep = |read: Result<Trust, Vec<String>>| {
            read.map_err(|mut found| faults.append(&mut found)).ok()
        };
        let own = subscription
            .enabled
            .then(|| Trust::new(&subscription.token, "client.subscription_token"));
        let subscription = own.and_then(&mut keep);
        match keep(Trust::new(token, "client.token")) {
            Some(connection) if faults.is_empty() => Ok(Self {
                connection,
                subscription,
            }),
            _ => Err(faults),
        }
    }

    /// Verifies a connection token at `now`.
    ///
    /// # Errors
    /// [`TokenError`]; a token with a `channel` claim is invalid here.
    pub fn connection(&self, token: &str, now: SystemTime) -> Result<ConnectionClaims, TokenError> {
        self.connection.verify(token, now, claims::connection)
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
        let trust = self.subscription.as_ref().unwrap_or(&self.connection);
        trust.verify(token, now, claims::subscription)
    }
}

impl Trust {
    fn new(config: &TokenConfig, section: &str) -> Result<Self, Vec<String>> {
        let keys = KeyRing::new(config, section);
        let expected = Expected::new(config, section);
        match (keys, expected) {
            (Ok(keys), Ok(expected)) => Ok(Self {
                keys,
                expected,
                user_claim: config.user_id_claim.clone(),
            }),
            (keys, expected) => {
                let faults = keys.err().into_iter().chain(expected.err());
                Err(faults.flatten().collect())
            }
        }
    }

    /// The time comes last: a client asks for a fresh token when one has expired, which would not help it with a
    /// token that is wrong in itself.
    fn verify<Claims>(
        &self,
        token: &str,
        now: SystemTime,
        read: fn(&Fields<'_>, &str) -> Result<Claims, TokenError>,
    ) -> Result<Claims, TokenError> {
        let now = unix_seconds(now);
        let payload = self.keys.payload(token, now)?;
        let fields = Fields::parse(&payload)?;
        self.expected.check(&fields)?;
        let claims = read(&fields, &self.user_claim)?;
        check_time(&fields, now)?;
        Ok(claims)
    }
}

/// Parts of a second count against the token.
fn check_time(claims: &Fields<'_>, now: i64) -> Result<(), TokenError> {
    let over = claims
        .seconds("exp", f64::floor)?
        .is_some_and(|exp| exp <= now);
    let early = claims
        .seconds("nbf", f64::ceil)?
        .is_some_and(|nbf| nbf > now);
    if over || early {
        return Err(TokenError::Expired);
    }
    Ok(())
}

fn unix_seconds(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
