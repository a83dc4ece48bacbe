//! The keys that an issuer published last, in a cell that is filled from outside.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::TokenError;
use super::jwk::KeySet;
use super::jws::{Algorithm, Compact};
use crate::config::TokenConfig;

/// The number of a place where keys are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndpointId(pub(crate) usize);

/// Where keys are published, and what was found there.
pub(crate) struct Published {
    /// The option that names the place, for the log.
    pub(crate) option: String,
    pub(crate) url: String,
    ca_file: Option<PathBuf>,
    /// Empty for every one.
    algorithms: Vec<String>,
    keys: ArcSwapOption<KeySet>,
}

impl Published {
    /// `None` when nothing is published.
    pub(super) fn new(config: &TokenConfig, section: &str) -> Option<Self> {
        let url = config.jwks_public_endpoint.clone();
        (!url.is_empty()).then(|| Self {
            option: format!("{section}.jwks_public_endpoint"),
            url,
            ca_file: config.jwks_ca_pem_file.clone(),
            algorithms: config.jwks_algorithms.clone(),
            keys: ArcSwapOption::empty(),
        })
    }

    /// The authorities that are trusted there, if not the system's.
    pub(crate) fn ca_file(&self) -> Option<&Path> {
        self.ca_file.as_deref()
    }

    /// Takes what was found, or forgets it.
    pub(crate) fn replace(&self, keys: Option<KeySet>) {
        self.keys.store(keys.map(Arc::new));
    }

    /// Whether what was found cannot tell about a token.
    pub(super) fn lacks(&self, kid: Option<&str>, algorithm: Algorithm) -> bool {
        let is_known = |keys: &KeySet| match kid {
            Some(kid) => keys.has_id(kid),
            None => keys.candidates(None, algorithm).next().is_some(),
        };
        algorithm.is_public() && !self.keys.load().as_ref().is_some_and(|keys| is_known(keys))
    }

    pub(super) fn check(&self, token: &Compact<'_>) -> Result<(), TokenError> {
        let name = token.algorithm.name();
        if !self.algorithms.is_empty() && !self.algorithms.iter().any(|it| it == name) {
            let reason = format!("{name} is not among jwks_algorithms");
            return Err(TokenError::invalid(reason));
        }
        let keys = self.keys.load();
        let Some(keys) = keys.as_ref() else {
            return Err(TokenError::invalid("its issuer's keys are not at hand"));
        };
        let mut candidates = keys.candidates(token.kid.as_deref(), token.algorithm);
        let Some(first) = candidates.next() else {
            let reason = format!("its issuer publishes no such key for {name}");
            return Err(TokenError::invalid(reason));
        };
        let message = token.signed.as_bytes();
        let mut candidates = std::iter::once(first).chain(candidates);
        match candidates.any(|key| key.verify_sig(message, &token.signature).is_ok()) {
            true => Ok(()),
            false => Err(TokenError::invalid("its signature does not hold")),
        }
    }
}

/// Without the address, which may have secrets.
impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("option", &self.option)
            .finish_non_exhaustive()
    }
}
