//! Connection and subscription tokens with any claims, signed with the tests' secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Secret of the tokens.
pub(crate) const SECRET: &str = "the secret of the tests";

/// A token of a user that does not expire.
pub(crate) fn of(user: &str) -> String {
    signed(&json!({ "sub": user }))
}

/// A token with these claims.
pub(crate) fn signed(claims: &Value) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The `exp` claim of a token that is over in two seconds or a little more, never in less.
pub(crate) fn soon() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    (now + Duration::from_secs(3)).as_secs()
}
