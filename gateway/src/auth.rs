//! Who a client is: tokens in, claims out.
//!
//! Everything here is pure: keys, tokens and the current time come in as values.

mod mint;
mod token;

pub use mint::{MintError, mint};
pub use token::{
    ConnectionClaims, Expiry, MAX_TOKEN_BYTES, Override, SubscriptionClaims, SubscriptionOptions,
    TokenError, Verifier,
};
