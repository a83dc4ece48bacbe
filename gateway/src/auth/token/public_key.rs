//! PEM text to public keys, one for each algorithm that the key may verify.
//!
//! Takes one block: SPKI (`PUBLIC KEY`), or PKCS#1 (`RSA PUBLIC KEY`). Faults say what else was given, and quote
//! nothing of it, as it may be a private key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaSubjectPublicKey, VerificationAlgorithm,
};
use pem::Pem;

use super::jws::Algorithm;

/// Kind of key that an option holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Rsa,
    Ecdsa,
    Ed25519,
}

const RSA: [(Algorithm, &dyn VerificationAlgorithm); 3] = [
    (Algorithm::Rs256, &RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &RSA_PKCS1_2048_8192_SHA512),
];

/// The curve decides the algorithm (RFC 7518 section 3.4), and a key is read by the one of its own curve only.
const ECDSA: [(Algorithm, &dyn VerificationAlgorithm); 3] = [
    (Algorithm::Es256, &ECDSA_P256_SHA256_FIXED),
    (Algorithm::Es384, &ECDSA_P384_SHA384_FIXED),
    (Algorithm::Es512, &ECDSA_P521_SHA512_FIXED),
];

const ED25519_ONLY: [(Algorithm, &dyn VerificationAlgorithm); 1] = [(Algorithm::EdDsa, &ED25519)];

/// The key, once for every algorithm that it verifies.
pub(super) fn parse(
    family: Family,
    text: &str,
) -> Result<Vec<(Algorithm, ParsedPublicKey)>, String> {
    let block = only_block(text)?;
    check_label(family, block.tag())?;
    let der = block.contents();
    if family == Family::Rsa {
        check_rsa_size(der)?;
    }
    let keys = keys_of(family, der);
    match (keys.is_empty(), family) {
        (false, _) => Ok(keys),
        (true, Family::Rsa) => Err("is not an RSA public key".to_owned()),
        (true, Family::Ecdsa) => {
            Err("is not an ECDSA public key on P-256, P-384 or P-521".to_owned())
        }
        (true, Family::Ed25519) => Err("is not an Ed25519 public key".to_owned()),
    }
}

/// The key in the forms that the cryptography takes, once for every algorithm that it verifies; nothing if it is of
/// another family.
pub(super) fn keys_of(family: Family, key: &[u8]) -> Vec<(Algorithm, ParsedPublicKey)> {
    let algorithms: &[(Algorithm, &'static dyn VerificationAlgorithm)] = match family {
        Family::Rsa => &RSA,
        Family::Ecdsa => &ECDSA,
        Family::Ed25519 => &ED25519_ONLY,
    };
    let read = |&(algorithm, verification): &(_, &'static dyn VerificationAlgorithm)| {
        let key = ParsedPublicKey::new(verification, key).ok()?;
        Some((algorithm, key))
    };
    algorithms.iter().filter_map(read).collect()
}

fn only_block(text: &str) -> Result<Pem, String> {
    let mut blocks = pem::parse_many(text).unwrap_or_default();
    let private = |block: &Pem| block.tag().ends_with("PRIVATE KEY");
    if blocks.iter().any(private) {
        return Err("holds a private key; only the public key belongs here".to_owned());
    }
    match (blocks.pop(), blocks.is_empty()) {
        (Some(block), true) => Ok(block),
        (Some(_), false) => Err("holds more than one PEM block".to_owned()),
        (None, _) if text.contains("\\n") => {
            Err("is not PEM: its line breaks are spelled \\n".to_owned())
        }
        (None, _) => Err("is not PEM".to_owned()),
    }
}

fn check_label(family: Family, label: &str) -> Result<(), String> {
    match (label, family) {
        ("PUBLIC KEY", _) | ("RSA PUBLIC KEY", Family::Rsa) => Ok(()),
        ("CERTIFICATE", _) => {
            Err("is a certificate; take its public key (openssl x509 -pubkey -noout)".to_owned())
        }
        _ => Err("is not a PEM block of type PUBLIC KEY".to_owned()),
    }
}

/// The verification refuses keys of other sizes as well, but only when the first token comes.
fn check_rsa_size(der: &[u8]) -> Result<(), String> {
    let key = RsaSubjectPublicKey::from_der(der).map_err(|_| "is not an RSA public key")?;
    let modulus = key.modulus().big_endian_without_leading_zero();
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let bits = modulus.len() * 8 - unused as usize;
    if (2048..=8192).contains(&bits) {
        Ok(())
    } else {
        Err(format!(
            "is an RSA key of {bits} bits; 2048 to 8192 are accepted"
        ))
    }
}
