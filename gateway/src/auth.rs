//! Who a client is: tokens in, claims out; and which browsers' pages may ask.
//!
//! Everything here is pure: keys, header values and the current time come in as values. Published keys are put in from
//! outside.

mod carrier;
mod mint;
mod origin;
mod token;

pub use carrier::token_of_upgrade;
pub use mint::{MintError, mint};
pub use origin::OriginPolicy;
pub use token::{
    ConnectionClaims, EndpointId, Expiry, MAX_TOKEN_BYTES, Override, SubscriptionClaims,
    SubscriptionOptions, TokenError, TokenId, Verifier,
};
pub(crate) use token::{KeySet, KeySetError, Published, Purpose, published_algorithm};
