//! `channel.*`: namespaces and what is allowed in them.

use serde::{Deserialize, Serialize};

/// Options of channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelConfig {
    /// Longest channel name in bytes, or error 107 "bad request".
    pub max_length: usize,
    /// Options of channels whose name has no namespace.
    pub without_namespace: NamespaceOptions,
    /// The namespaces. A channel of any other is answered with error 102.
    pub namespaces: Vec<Namespace>,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        Self {
            max_length: 255,
            without_namespace: NamespaceOptions::default(),
            namespaces: Vec::new(),
        }
    }
}

impl ChannelConfig {
    /// The options of a namespace, `None` when it is not configured.
    #[must_use]
    pub fn options(&self, namespace: Option<&str>) -> Option<&NamespaceOptions> {
        match namespace {
            None => Some(&self.without_namespace),
            Some(name) => self
                .namespaces
                .iter()
                .find(|entry| entry.name == name)
                .map(|entry| &entry.options),
        }
    }
}

/// A named set of options.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// Letters, digits, `-` and `_`, at least two.
    pub name: String,
    /// What is allowed in its channels.
    #[serde(flatten)]
    pub options: NamespaceOptions,
}

/// What is allowed in the channels of a namespace. Everything is off unless switched on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NamespaceOptions {
    /// Pattern that the name, without `$` and namespace, must match; empty for ASCII of any kind. Else error 107.
    pub channel_regex: String,
    /// Whether `#user,user` in a name limits the channel to these users, without a token.
    pub allow_user_limited_channels: bool,
    /// Whether every authenticated user may subscribe.
    pub allow_subscribe_for_client: bool,
    /// Whether anonymous users may subscribe as well.
    pub allow_subscribe_for_anonymous: bool,
    /// Whether every authenticated user may publish.
    pub allow_publish_for_client: bool,
    /// Whether subscribers may publish.
    pub allow_publish_for_subscriber: bool,
    /// Whether anonymous users may publish as well.
    pub allow_publish_for_anonymous: bool,
}
