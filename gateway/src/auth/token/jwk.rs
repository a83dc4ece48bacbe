//! Published keys (JWKS, RFC 7517) to keys that verify. Pure.
//!
//! In: the answer of an endpoint. Out: a [`KeySet`], in which each key is bound to its algorithms when it is read: by its
//! kind, its curve, and `alg` where that is given. Only public keys for signatures are taken. What else stands in a set is
//! passed over, for a set may hold keys of future kinds (RFC 7517 section 5).

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::jws::Algorithm;
use super::public_key::{Family, keys_of};

/// Keys of one set; those behind them are passed over.
const MAX_KEYS: usize = 64;

/// Bytes of a key's id; a key with a longer one is passed over.
const MAX_ID: usize = 512;

/// Public keys by their ids.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// How many were passed over.
    pub(crate) passed_over: usize,
}

#[derive(Debug)]
struct Key {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// An answer is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not a JSON object with a list of `keys`")]
pub(crate) struct KeySetError;

#[derive(Deserialize)]
struct Set<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// One key as it is published (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Of a private key, which nobody may trust any more once it was published.
    d: Option<serde::de::IgnoredAny>,
}

/// Whether keys of an algorithm of this name may be published.
pub(crate) fn published_algorithm(name: &str) -> bool {
    Algorithm::named(name).is_some_and(Algorithm::is_public)
}

impl KeySet {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: Set<'_> = serde_json::from_slice(json).map_err(|_| KeySetError)?;
        let mut read = Self::default();
        let mut count = 0;
        for entry in set.keys {
            let jwk = serde_json::from_str::<Jwk>(entry.get()).ok();
            let keys = jwk.filter(|_| count < MAX_KEYS).and_then(|jwk| jwk.keys());
            match keys {
                Some(keys) => {
                    count += 1;
                    read.keys.extend(keys);
                }
                None => read.passed_over += 1,
            }
        }
        Ok(read)
    }

    /// How many keys there are, each once for every algorithm that it verifies.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is a key with this id.
    pub(super) fn has_id(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The keys of an algorithm: those with the token's id, or all where it names none.
    pub(super) fn candidates(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &ParsedPublicKey> {
        let fits = move |key: &&Key| {
            key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id)
        };
        self.keys.iter().filter(fits).map(|key| &key.key)
    }
}

impl Jwk {
    /// The key, once for each of its algorithms; `None` when it is none that verifies signatures.
    fn keys(self) -> Option<Vec<Key>> {
        let is_for_signatures = self.purpose.as_ref().is_none_or(|it| it == "sig");
        let mut operations = self.key_ops.iter();
        let verifies = operations.all(|all| all.iter().any(|it| it == "verify"));
        let is_long = self.kid.as_ref().is_some_and(|id| id.len() > MAX_ID);
        if !is_for_signatures || !verifies || is_long || self.d.is_some() {
            return None;
        }
        let parsed = match self.kty.as_str() {
            "RSA" => self.rsa()?,
            "EC" => self.on_curve()?,
            "OKP" => self.ed25519()?,
            _ => return None,
        };
        let id: Option<Box<str>> = self.kid.map(Into::into);
        let named = self.alg;
        let is_meant =
            |algorithm: &Algorithm| named.as_ref().is_none_or(|name| name == algorithm.name());
        let keys = parsed.into_iter().filter(|(it, _)| is_meant(it));
        let keys: Vec<_> = keys
            .map(|(algorithm, key)| Key {
                id: id.clone(),
                algorithm,
                key,
            })
            .collect();
        (!keys.is_empty()).then_some(keys)
    }

    /// Some issuers put a zero before the modulus that RFC 7518 section 6.3.1.1 forbids.
    fn rsa(&self) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
        let number = |text: &Option<String>| {
            let bytes = decode(text.as_ref()?)?;
            let start = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[start..].to_vec())
        };
        let (n, e) = (number(&self.n)?, number(&self.e)?);
        let bits = n.len() * 8 - n[0].leading_zeros() as usize;
        if !(2048..=8192).contains(&bits) {
            return None;
        }
        let der = AsDer::as_der(&RsaPublicKeyComponents { n, e }).ok()?;
        Some(keys_of(Family::Rsa, der.as_ref()))
    }

    /// The point uncompressed (SEC 1 section 2.3.3), whose coordinates have the curve's full length (RFC 7518 section
    /// 6.2.1.2). So the length tells the curve.
    fn on_curve(&self) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
        let length = match self.crv.as_deref()? {
            "P-256" => 32,
            "P-384" => 48,
            "P-521" => 66,
            _ => return None,
        };
        let (x, y) = (decode(self.x.as_ref()?)?, decode(self.y.as_ref()?)?);
        let fits = (x.len(), y.len()) == (length, length);
        fits.then(|| keys_of(Family::Ecdsa, &[&[4], &x[..], &y[..]].concat()))
    }

    fn ed25519(&self) -> Option<Vec<(Algorithm, ParsedPublicKey)>> {
        let x = decode(self.x.as_ref()?)?;
        let fits = self.crv.as_deref() == Some("Ed25519") && x.len() == 32;
        fits.then(|| keys_of(Family::Ed25519, &x))
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
