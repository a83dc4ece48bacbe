//! The configured keys, each bound to one algorithm when it is read.
//!
//! In: [`TokenConfig`]. Out: a [`KeyRing`] that tells whether a signature holds. A token only names an algorithm; which
//! key and which kind of key answer to that name was settled by the configuration, so an RSA public key can never
//! serve as an HMAC secret.
//!
//! Signatures are checked by `aws-lc-rs` directly, which TLS to NATS brings already. `jsonwebtoken` has no ES512 and
//! would have needed a second path around it; one path for ten algorithms is less code, and needs no dependency that
//! decides by itself what a token may say.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

use super::jws::{Algorithm, Compact};
use super::public_key::{self, Family};
use crate::config::TokenConfig;

/// Keys in the order in which they are tried: current before previous.
#[derive(Debug)]
pub(super) struct KeyRing(Vec<Key>);

#[derive(Debug)]
struct Key {
    algorithm: Algorithm,
    material: Material,
    /// Unix time in seconds at which it is no longer accepted.
    valid_until: Option<i64>,
}

#[derive(Debug)]
enum Material {
    /// Boxed: it holds the hash states of both pads, over a kilobyte.
    Secret(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl KeyRing {
    /// Reads every key; `section` is the options' place in the configuration, for faults.
    pub(super) fn new(config: &TokenConfig, section: &str) -> Result<Self, Vec<String>> {
        let until = config.hmac_previous_secret_key_valid_until;
        let until = (until != 0).then_some(until);
        let (mut keys, mut faults) = (Vec::new(), Vec::new());
        for (option, secret, valid_until) in [
            ("hmac_secret_key", &config.hmac_secret_key, None),
            (
                "hmac_previous_secret_key",
                &config.hmac_previous_secret_key,
                until,
            ),
        ] {
            match secret_keys(secret, valid_until) {
                Ok(read) => keys.extend(read),
                Err(fault) => faults.push(format!("{section}.{option}: {fault}")),
            }
        }
        for (option, family, pem) in public_key_options(config) {
            match public_keys(family, pem) {
                Ok(read) => keys.extend(read),
                Err(fault) => faults.push(format!("{section}.{option}: {fault}")),
            }
        }
        if faults.is_empty() {
            Ok(Self(keys))
        } else {
            Err(faults)
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of an algorithm.
    pub(super) fn has(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.algorithm == algorithm)
    }

    /// Whether one of the keys signed a token.
    pub(super) fn signed(&self, token: &Compact<'_>, now: i64) -> bool {
        let mut candidates = self.0.iter().filter(|key| key.algorithm == token.algorithm);
        candidates.any(|key| key.signed(token, now))
    }
}

impl Key {
    fn signed(&self, token: &Compact<'_>, now: i64) -> bool {
        if self.valid_until.is_some_and(|until| until <= now) {
            return false;
        }
        let message = token.signed.as_bytes();
        match &self.material {
            Material::Secret(key) => hmac::verify(key, message, &token.signature).is_ok(),
            Material::Public(key) => key.verify_sig(message, &token.signature).is_ok(),
        }
    }
}

fn secret_keys(secret: &str, valid_until: Option<i64>) -> Result<Vec<Key>, String> {
    if secret.is_empty() {
        return Ok(Vec::new());
    }
    if secret.contains("-----BEGIN ") {
        // A public key is known to everybody, so as a secret it would let everybody sign.
        return Err(
            "PEM is not a secret; a public key goes into the option of its kind".to_owned(),
        );
    }
    Ok([
        (Algorithm::Hs256, hmac::HMAC_SHA256),
        (Algorithm::Hs384, hmac::HMAC_SHA384),
        (Algorithm::Hs512, hmac::HMAC_SHA512),
    ]
    .into_iter()
    .map(|(algorithm, hash)| Key {
        algorithm,
        material: Material::Secret(Box::new(hmac::Key::new(hash, secret.as_bytes()))),
        valid_until,
    })
    .collect())
}

fn public_key_options(config: &TokenConfig) -> [(&'static str, Family, &str); 6] {
    [
        ("rsa_public_key", Family::Rsa, &config.rsa_public_key),
        (
            "rsa_previous_public_key",
            Family::Rsa,
            &config.rsa_previous_public_key,
        ),
        ("ecdsa_public_key", Family::Ecdsa, &config.ecdsa_public_key),
        (
            "ecdsa_previous_public_key",
            Family::Ecdsa,
            &config.ecdsa_previous_public_key,
        ),
        (
            "ed25519_public_key",
            Family::Ed25519,
            &config.ed25519_public_key,
        ),
        (
            "ed25519_previous_public_key",
            Family::Ed25519,
            &config.ed25519_previous_public_key,
        ),
    ]
}

fn public_keys(family: Family, pem: &str) -> Result<Vec<Key>, String> {
    if pem.is_empty() {
        return Ok(Vec::new());
    }
    let read = public_key::parse(family, pem)?;
    Ok(read
        .into_iter()
        .map(|(algorithm, key)| Key {
            algorithm,
            material: Material::Public(key),
            valid_until: None,
        })
        .collect())
}
