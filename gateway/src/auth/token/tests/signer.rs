//! Fresh keys that sign tokens, as a backend would.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pem::Pem;
use serde_json::{Value, json};

use super::SECRET;
use crate::auth::token::jws::Algorithm;

pub(super) struct Signer {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Secret(String),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        let key = match algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Key::Secret(uuid::Uuid::new_v4().to_string())
            }
            Algorithm::Rs256 | Algorithm::Rs384 | Algorithm::Rs512 => {
                Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
            }
            Algorithm::Es256 => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::Es512 => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDsa => Key::Ed25519(Ed25519KeyPair::generate().unwrap()),
        };
        Self { algorithm, key }
    }

    pub(super) fn secret(algorithm: Algorithm, secret: &str) -> Self {
        Self {
            algorithm,
            key: Key::Secret(secret.to_owned()),
        }
    }

    pub(super) fn hs256() -> Self {
        Self::secret(Algorithm::Hs256, SECRET)
    }

    /// One signer an algorithm; the three of a secret share it, and so do the three of RSA.
    pub(super) fn one_of_each() -> Vec<Self> {
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Algorithm::ALL
            .into_iter()
            .map(|algorithm| match algorithm.name().get(..2) {
                Some("HS") => Self::secret(algorithm, SECRET),
                Some("RS") => Self {
                    algorithm,
                    key: Key::Rsa(rsa.clone()),
                },
                _ => Self::generate(algorithm),
            })
            .collect()
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What goes into the configuration: PEM, or the secret.
    pub(super) fn public(&self) -> String {
        let der = match &self.key {
            Key::Secret(secret) => return secret.clone(),
            Key::Rsa(key) => AsDer::as_der(key.public_key()).unwrap(),
            Key::Ecdsa(key) => AsDer::as_der(key.public_key()).unwrap(),
            Key::Ed25519(key) => AsDer::as_der(key.public_key()).unwrap(),
        };
        pem::encode(&Pem::new("PUBLIC KEY", der.as_ref()))
    }

    /// As its issuer publishes it, with these members added or changed.
    pub(super) fn jwk(&self, members: Value) -> Value {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let mut jwk = match &self.key {
            Key::Secret(secret) => json!({"kty": "oct", "k": encode(secret.as_bytes())}),
            Key::Rsa(key) => {
                let der = key.public_key();
                let (n, e) = (der.modulus(), der.exponent());
                let number =
                    |it: aws_lc_rs::io::Positive<'_>| encode(it.big_endian_without_leading_zero());
                json!({"kty": "RSA", "n": number(n), "e": number(e)})
            }
            Key::Ecdsa(key) => {
                let point = &key.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = match self.algorithm {
                    Algorithm::Es256 => "P-256",
                    Algorithm::Es384 => "P-384",
                    _ => "P-521",
                };
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Key::Ed25519(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        for (name, value) in members.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        jwk
    }

    /// A token that names the key.
    pub(super) fn token_of(&self, kid: &str, claims: &str) -> String {
        let header = json!({"alg": self.algorithm.name(), "kid": kid});
        self.token_with(&header.to_string(), claims)
    }

    pub(super) fn token(&self, claims: &str) -> String {
        let header = format!(r#"{{"alg":"{}","typ":"JWT"}}"#, self.algorithm.name());
        self.token_with(&header, claims)
    }

    /// A well-signed token with any header and payload.
    pub(super) fn token_with(&self, header: &str, claims: impl AsRef<[u8]>) -> String {
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_ref()));
        let signature = encode(&self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::Secret(secret) => {
                let hash = match self.algorithm {
                    Algorithm::Hs384 => hmac::HMAC_SHA384,
                    Algorithm::Hs512 => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                let key = hmac::Key::new(hash, secret.as_bytes());
                hmac::sign(&key, message).as_ref().to_vec()
            }
            Key::Rsa(key) => {
                let padding = match self.algorithm {
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
            Key::Ecdsa(key) => {
                let signature = key.sign(&SystemRandom::new(), message).unwrap();
                signature.as_ref().to_vec()
            }
            Key::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

fn ecdsa(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> Key {
    Key::Ecdsa(EcdsaKeyPair::generate(algorithm).unwrap())
}
