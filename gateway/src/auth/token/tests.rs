//! Tokens of every algorithm, honest and hostile, through [`Verifier`].

mod claims;
mod hostile;
mod jwks;
mod properties;
mod published;
mod rotation;
mod signer;

use std::time::Duration;

use serde_json::json;

use super::*;
use signer::Signer;

const NOW: i64 = 1_700_000_000;
const SECRET: &str = "secret";

fn at(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
}

fn verifier(config: &TokenConfig) -> Verifier {
    Verifier::new(config, &SubscriptionTokenConfig::default()).unwrap()
}

fn with_secret() -> TokenConfig {
    TokenConfig {
        hmac_secret_key: SECRET.into(),
        ..TokenConfig::default()
    }
}

/// The configuration that trusts each of the signers, at most one of a kind.
fn trusting(signers: &[&Signer]) -> TokenConfig {
    let mut config = TokenConfig::default();
    for signer in signers {
        let option = match signer.algorithm().name() {
            "HS256" | "HS384" | "HS512" => {
                config.hmac_secret_key = signer.public().into();
                continue;
            }
            "RS256" | "RS384" | "RS512" => &mut config.rsa_public_key,
            "EdDSA" => &mut config.ed25519_public_key,
            _ => &mut config.ecdsa_public_key,
        };
        *option = signer.public();
    }
    config
}

fn invalid<Claims: std::fmt::Debug>(result: Result<Claims, TokenError>, case: &str) {
    assert!(
        matches!(result, Err(TokenError::Invalid(_))),
        "{case}: {result:?}"
    );
}

#[test]
fn every_algorithm_is_verified_with_its_own_key_only() {
    let signers = Signer::one_of_each();
    let claims = json!({"sub": "42", "exp": NOW + 60}).to_string();
    for signer in &signers {
        let token = signer.token(&claims);
        for other in &signers {
            let result = verifier(&trusting(&[other])).connection(&token, at(NOW));
            // One secret or RSA key serves all three of its algorithms; these signers share them.
            if signer.public() == other.public() {
                assert_eq!(result.unwrap().user, "42", "{:?}", signer.algorithm());
            } else {
                invalid(
                    result,
                    &format!("{:?} by {:?}", signer.algorithm(), other.algorithm()),
                );
            }
        }
        let same_kind = Signer::generate(signer.algorithm());
        let result = verifier(&trusting(&[&same_kind])).connection(&token, at(NOW));
        invalid(result, &format!("{:?} by another key", signer.algorithm()));
    }
}

#[test]
fn keys_of_all_kinds_serve_together() {
    let signers = Signer::one_of_each();
    let of = |name| {
        let mut found = signers
            .iter()
            .filter(|signer| signer.algorithm().name() == name);
        found.next().unwrap()
    };
    let trusted = [of("HS256"), of("RS512"), of("ES384"), of("EdDSA")];
    let verifier = verifier(&trusting(&trusted));
    for signer in trusted {
        let token = signer.token(r#"{"sub":"42"}"#);
        assert!(
            verifier.connection(&token, at(NOW)).is_ok(),
            "{:?}",
            signer.algorithm()
        );
    }
}

#[test]
fn subscription_tokens_have_their_own_keys_when_enabled() {
    let own = Signer::secret(jws::Algorithm::Hs256, "own");
    let shared = Signer::secret(jws::Algorithm::Hs256, SECRET);
    let claims = r#"{"sub":"42","channel":"news"}"#;
    // Enabled, secret, whether a token by `own` and one by `shared` passes.
    let cases = [
        (false, "own", false, true),
        (true, "own", true, false),
        (true, "", false, false),
    ];
    for (enabled, secret, own_passes, shared_passes) in cases {
        let token = TokenConfig {
            hmac_secret_key: secret.into(),
            ..TokenConfig::default()
        };
        let subscription = SubscriptionTokenConfig { enabled, token };
        let verifier = Verifier::new(&with_secret(), &subscription).unwrap();
        let passes = |signer: &Signer| {
            verifier
                .subscription(&signer.token(claims), at(NOW))
                .is_ok()
        };
        assert_eq!(
            (passes(&own), passes(&shared)),
            (own_passes, shared_passes),
            "{enabled} {secret}"
        );
        invalid(
            verifier.connection(&own.token(r#"{"sub":"42"}"#), at(NOW)),
            "by the other key",
        );
    }
}

#[test]
fn without_a_key_every_token_is_invalid() {
    let verifier = verifier(&TokenConfig::default());
    for token in ["", "a.b.c", &Signer::hs256().token("{}")] {
        let error = verifier.connection(token, at(NOW)).unwrap_err();
        assert_eq!(
            error,
            TokenError::Invalid("no token key is configured".to_owned())
        );
    }
}

#[test]
fn debug_output_holds_no_secret() {
    let text = format!("{:?}", verifier(&with_secret()));
    assert!(!text.contains(SECRET), "{text}");
}
