//! Channel names, parsed once at the border.
//!
//! `[$][namespace:]name[#user,user]`: a leading `$` makes the channel private, the text before the first `:` names its
//! namespace, and the user ids after the last `#` are the only ones who may subscribe.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest name a channel can have, in bytes. Configuration may lower it.
pub const MAX_CHANNEL_BYTES: usize = 255;

/// The name of a channel: 1 to [`MAX_CHANNEL_BYTES`] bytes of UTF-8 with a well-formed namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

/// Why a text is no channel name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// It has no characters.
    #[error("channel name is empty")]
    Empty,
    /// It is longer than [`MAX_CHANNEL_BYTES`].
    #[error("channel name is longer than {MAX_CHANNEL_BYTES} bytes")]
    TooLong,
    /// What stands before the first `:` cannot be the name of a namespace.
    #[error("namespace of the channel is not a namespace name")]
    Namespace,
}

impl Channel {
    /// Parses a channel name.
    ///
    /// # Errors
    /// [`ChannelError`] with what is wrong with it.
    pub fn parse(name: &str) -> Result<Self, ChannelError> {
        if name.is_empty() {
            return Err(ChannelError::Empty);
        }
        if name.len() > MAX_CHANNEL_BYTES {
            return Err(ChannelError::TooLong);
        }
        let channel = Self(name.into());
        match channel.namespace() {
            Some(namespace) if !is_namespace_name(namespace) => Err(ChannelError::Namespace),
            _ => Ok(channel),
        }
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a subscription token is mandatory.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.0.starts_with('$')
    }

    /// The namespace, if the name has one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.public_part()
            .split_once(':')
            .map(|(namespace, _)| namespace)
    }

    /// The name without `$` and namespace.
    #[must_use]
    pub fn local_name(&self) -> &str {
        let part = self.public_part();
        part.split_once(':').map_or(part, |(_, name)| name)
    }

    /// The users that the channel is limited to, if it names any.
    pub fn allowed_users(&self) -> Option<impl Iterator<Item = &str>> {
        self.0.rsplit_once('#').map(|(_, users)| users.split(','))
    }

    fn public_part(&self) -> &str {
        self.0.strip_prefix('$').unwrap_or(&self.0)
    }
}

/// Whether a text can name a namespace: letters, digits, `-` and `_`, at least two of them.
#[must_use]
pub fn is_namespace_name(text: &str) -> bool {
    text.len() >= 2
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// A channel hashes and compares as its name does.
impl Borrow<str> for Channel {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
