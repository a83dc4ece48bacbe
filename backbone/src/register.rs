//! A register: small values by key, which all programs of a deployment see, and which outlive them.
//!
//! In: a value for a key. Out: at every [`Watch`], what is there and then each change, in order. Meant for some thousands of
//! values that every node holds whole in memory, such as who is blocked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{Error, Storage};

/// The most bytes of a key.
pub const MAX_KEY_BYTES: usize = 1_024;

/// How a register is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterOptions {
    /// A plain name of letters, digits, `-` and `_`.
    pub name: &'static str,
    /// What it is for, to operators.
    pub description: &'static str,
    /// Servers of a NATS cluster that keep a copy: 1, 3 or 5.
    pub replicas: u8,
    /// Where it is kept.
    pub storage: Storage,
    /// Keys that a watch takes; with more it fails.
    pub max_keys: usize,
}

/// Small values by key.
///
/// # Promises
/// 1. What was put or deleted is seen by every watch of every node, in that order for each key.
/// 2. Once `put` or `delete` has returned it is kept as `storage` says, and whoever begins to watch sees it.
/// 3. A watch first tells everything that is there. After it may have missed something it does so again.
/// 4. A value with a time to live goes by itself some time after that; no watch needs to be told.
pub trait Register: Send + Sync + fmt::Debug {
    /// Sets the value of a key.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: it may or may not be set.
    ///
    /// # Panics
    /// If the key is none ([`is_key`]).
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        time_to_live: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), Error>>;

    /// Takes a key away, if it is there.
    ///
    /// # Errors
    /// Those of [`Register::put`].
    ///
    /// # Panics
    /// If the key is none.
    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>>;

    /// Begins to watch.
    fn watch(self: Arc<Self>) -> Box<dyn Watch>;
}

/// Sees what becomes of a register.
pub trait Watch: Send {
    /// Waits for what is new. After an error it may be called again, and begins anew.
    fn next(&mut self) -> BoxFuture<'_, Result<News, Error>>;
}

/// What is new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    /// In order; a key may be there more than once.
    pub changes: Vec<Change>,
    /// Whether this is everything that is there: other keys are gone.
    pub is_whole: bool,
}

/// A key and its new value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// `None`: it is gone.
    pub value: Option<Bytes>,
}

/// Whether it can be a key: names of letters, digits, `-`, `_`, `=` and `/` joined by dots, as NATS has them.
#[must_use]
pub fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=/".contains(&byte);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(fits);
    text.len() <= MAX_KEY_BYTES && text.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_nats() {
        for (text, expected) in [
            ("a", true),
            ("blocked.a=2Eb-c_d/e", true),
            ("", false),
            ("a.", false),
            (".a", false),
            ("a..b", false),
            ("a b", false),
            ("a.*", false),
            ("a.>", false),
            ("ä", false),
        ] {
            assert_eq!(is_key(text), expected, "{text}");
        }
        assert!(!is_key(&"a".repeat(MAX_KEY_BYTES + 1)));
    }
}
