//! Tokens for clients: one for all, or one minted for each with HS256.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// How long a minted token is good: longer than the longest run.
const TERM: Duration = Duration::from_secs(24 * 3_600);

/// What clients say who they are.
#[derive(Clone, Default, Serialize, Deserialize)]
pub enum Credentials {
    /// Nothing: for servers that let everybody in.
    #[default]
    None,
    /// All the same token.
    Shared(String),
    /// A token each, signed with this secret.
    Minted { secret: String },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::Shared(_) => "Shared(..)",
            Self::Minted { .. } => "Minted(..)",
        })
    }
}

impl Credentials {
    /// The token of a user.
    #[must_use]
    pub fn token(&self, user: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Shared(token) => Some(token.clone()),
            Self::Minted { secret } => Some(mint(secret, user, SystemTime::now() + TERM)),
        }
    }
}

fn mint(secret: &str, user: &str, expires: SystemTime) -> String {
    let expires = expires.duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = serde_json::json!({"sub": user, "exp": expires.as_secs()});
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let signed = format!("{HEADER}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_token_is_signed_and_names_its_user() {
        let credentials = Credentials::Minted {
            secret: "secret".into(),
        };
        let token = credentials.token("user-7").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        hmac::verify(&key, signed.as_bytes(), &signature).unwrap();
        let decode = |part: &str| -> serde_json::Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        let (header, claims) = signed.split_once('.').unwrap();
        assert_eq!(decode(header)["alg"], "HS256");
        assert_eq!(decode(claims)["sub"], "user-7");
    }

    #[test]
    fn secrets_do_not_show() {
        let shown = format!("{:?}", Credentials::Shared("hidden".into()));
        assert!(!shown.contains("hidden"));
    }
}
