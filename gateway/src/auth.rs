//! Who a client is: tokens in, claims out.

mod token;

pub use token::{ConnectionClaims, Expiry, Override, SubscriptionClaims, SubscriptionOptions, TokenError, Verifier};

#[derive(Debug)]
pub struct OriginPolicy;
impl OriginPolicy { pub fn new(_: &[String]) -> Result<Self, Vec<String>> { Ok(Self) } pub fn allows(&self, _: Option<&str>, _: Option<&str>) -> bool { true } }
pub fn token_of_upgrade<'a>(_: Option<&'a str>, _: impl Iterator<Item=&'a str>, _: &str) -> Option<&'a str> { None }
