//! A token's outer form: JWS compact serialization (RFC 7515 section 7.1), taken apart but not yet trusted.
//!
//! In: the token's text. Out: the algorithm and key id it names, the bytes that are signed, the signature. The payload stays
//! encoded until the signature holds, but for the issuer, which tells whose keys to try. Only `alg`, `kid` and `crit` of the
//! header are looked at: an unverified token may choose among the keys that are trusted, and bring neither keys nor
//! addresses along (`jwk`, `jku`, `x5u` are ignored).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::TokenError;
use super::fields::Fields;

/// Bytes of the longest token that is looked at. Checked first, as a client sends tokens before it is known.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1). `none` is not one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub(super) const ALL: [Self; 10] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The value of `alg`, which is case-sensitive.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Whether its keys may be published.
    pub(super) fn is_public(self) -> bool {
        !matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// A well-formed token whose signature is still to be checked.
#[derive(Debug)]
pub(super) struct Compact<'a> {
    pub(super) algorithm: Algorithm,
    /// The key that it says it was signed with.
    pub(super) kid: Option<String>,
    /// Header and payload as they were sent: what the signature covers.
    pub(super) signed: &'a str,
    pub(super) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Compact<'a> {
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::invalid("it is too long"));
        }
        let form = || TokenError::invalid("it is not three parts joined by dots");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(form)?;
        let (header, payload) = signed.split_once('.').ok_or_else(form)?;
        if payload.contains('.') {
            return Err(form());
        }
        let (algorithm, kid) = read_header(header)?;
        Ok(Self {
            algorithm,
            kid,
            signed,
            signature: decode(signature, "its signature is not base64url without padding")?,
            payload,
        })
    }

    /// The payload's text, of which nothing may be believed before the signature is checked.
    pub(super) fn payload(&self) -> Result<String, TokenError> {
        text(self.payload, "its claims are not base64url without padding")
    }

    /// The issuer that it names, if it does; good for nothing but to choose the keys that must have signed it.
    pub(super) fn unverified_issuer(&self) -> Option<String> {
        let payload = self.payload().ok()?;
        Fields::parse(&payload).ok()?.text("iss").ok()?
    }
}

fn read_header(part: &str) -> Result<(Algorithm, Option<String>), TokenError> {
    let header = text(part, "its header is not base64url without padding")?;
    let header = Fields::parse(&header)?;
    if header.has("crit") {
        return Err(TokenError::invalid("its header has critical extensions"));
    }
    let name = header
        .text("alg")?
        .ok_or_else(|| TokenError::invalid("its header names no algorithm"))?;
    let algorithm = Algorithm::named(&name).ok_or_else(|| {
        TokenError::invalid("its header names an algorithm that is not supported")
    })?;
    // Only of published keys is there more than one to choose from.
    let kid = match algorithm.is_public() {
        true => header.text("kid")?,
        false => None,
    };
    Ok((algorithm, kid))
}

fn text(part: &str, fault: &str) -> Result<String, TokenError> {
    String::from_utf8(decode(part, fault)?).map_err(|_| TokenError::invalid("it is not UTF-8"))
}

/// Refuses padding and stray trailing bits, so that a token has exactly one spelling.
fn decode(part: &str, fault: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenError::invalid(fault))
}
