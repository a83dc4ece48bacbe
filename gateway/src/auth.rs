//! Who a client is: tokens in, claims out.

mod token;

pub use token::{ConnectionClaims, Expiry, Override, SubscriptionClaims, SubscriptionOptions, TokenError, Verifier};
