//! Development and operations tokens, signed with the configured secret (HS256).

use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::config::TokenConfig;

/// Why no token can be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// There is no secret to sign with.
    #[error(
        "no secret to sign with: set client.token.hmac_secret_key (for subscription tokens, \
         client.subscription_token.hmac_secret_key when those keys are enabled)"
    )]
    NoSecret,
    /// The configuration asks for a claim that only a pattern describes.
    #[error("{pattern} is set: set {exact} too, as no value can be made from a pattern")]
    OnlyPattern {
        /// Option that holds the pattern.
        pattern: &'static str,
        /// Option that would tell a value.
        exact: &'static str,
    },
    /// The clock is before 1970.
    #[error("the clock is wrong")]
    Clock(#[from] SystemTimeError),
}

/// A token for `user`, which [`super::Verifier`] with the same configuration accepts.
///
/// `channel` makes it a subscription token. Without `ttl` it does not expire.
///
/// # Errors
/// [`MintError`], naming the option to set.
pub fn mint(
    config: &TokenConfig,
    user: &str,
    channel: Option<&str>,
    ttl: Option<Duration>,
    now: SystemTime,
) -> Result<String, MintError> {
    if config.hmac_secret_key.is_empty() {
        return Err(MintError::NoSecret);
    }
    let claims = claims(config, user, channel, ttl, now)?;
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(Value::Object(claims).to_string());
    let signed = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, config.hmac_secret_key.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    Ok(format!("{signed}.{signature}"))
}

fn claims(
    config: &TokenConfig,
    user: &str,
    channel: Option<&str>,
    ttl: Option<Duration>,
    now: SystemTime,
) -> Result<Map<String, Value>, MintError> {
    let now = now.duration_since(UNIX_EPOCH)?.as_secs();
    let user_claim = match config.user_id_claim.as_str() {
        "" => "sub",
        configured => configured,
    };
    let mut claims = Map::new();
    claims.insert("iat".to_owned(), now.into());
    if let Some(ttl) = ttl {
        claims.insert("exp".to_owned(), now.saturating_add(ttl.as_secs()).into());
    }
    if let Some(channel) = channel {
        claims.insert("channel".to_owned(), channel.into());
    }
    for (claim, exact, pattern, options) in [
        (
            "aud",
            &config.audience,
            &config.audience_regex,
            ("audience", "audience_regex"),
        ),
        (
            "iss",
            &config.issuer,
            &config.issuer_regex,
            ("issuer", "issuer_regex"),
        ),
    ] {
        if !exact.is_empty() {
            claims.insert(claim.to_owned(), exact.as_str().into());
        } else if !pattern.is_empty() {
            let (exact, pattern) = options;
            return Err(MintError::OnlyPattern { pattern, exact });
        }
    }
    // Last, as the configured claim may be one of the names above.
    claims.insert(user_claim.to_owned(), user.into());
    Ok(claims)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Expiry, TokenError, Verifier};
    use crate::config::SubscriptionTokenConfig;

    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn config() -> TokenConfig {
        TokenConfig {
            hmac_secret_key: "secret".into(),
            audience: "apps".to_owned(),
            issuer: "tests".to_owned(),
            user_id_claim: "uid".to_owned(),
            ..TokenConfig::default()
        }
    }

    fn verifier() -> Verifier {
        Verifier::new(&config(), &SubscriptionTokenConfig::default()).unwrap()
    }

    #[test]
    fn a_connection_token_is_accepted_until_it_expires() {
        let hour = Some(Duration::from_hours(1));
        let token = mint(&config(), "u", None, hour, at(NOW)).unwrap();
        let claims = verifier().connection(&token, at(NOW)).unwrap();
        assert_eq!(claims.user, "u");
        assert_eq!(claims.expiry, Expiry::At(1_700_003_600));
        let later = verifier().connection(&token, at(NOW + 3_600));
        assert_eq!(later, Err(TokenError::Expired));
    }

    #[test]
    fn a_channel_makes_a_subscription_token() {
        let token = mint(&config(), "u", Some("news"), None, at(NOW)).unwrap();
        let claims = verifier().subscription(&token, at(NOW)).unwrap();
        assert_eq!(
            (claims.user.as_str(), claims.channel.as_str()),
            ("u", "news")
        );
        assert_eq!(claims.expiry, Expiry::Never);
        assert!(verifier().connection(&token, at(NOW)).is_err());
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = TokenConfig::default();
        let error = mint(&empty, "u", None, None, at(NOW)).unwrap_err();
        assert!(error.to_string().contains("client.token.hmac_secret_key"));

        let pattern = TokenConfig {
            audience: String::new(),
            audience_regex: "app.*".to_owned(),
            ..config()
        };
        let error = mint(&pattern, "u", None, None, at(NOW)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("audience_regex is set: set audience")
        );
    }
}
