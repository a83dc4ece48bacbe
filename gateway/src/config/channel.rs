//! `channel.*`: namespaces and what is allowed in them.

use std::time::Duration;

use regex::Regex;

use super::duration;
use super::schema::{Described, Kind, options};
use crate::hub::Delivery;

options! {
    /// Options of channels.
    pub struct ChannelConfig {
        /// Longest channel name in bytes, or error 107 "bad request".
        pub max_length: usize = 255,
        /// Options of channels whose name has no namespace.
        pub without_namespace: NamespaceOptions,
        /// The namespaces. A channel of any other is answered with error 102.
        pub namespaces: Vec<Namespace>,
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

options! {
    /// A named set of options.
    pub struct Namespace {
        /// Letters, digits, `-` and `_`, at least two.
        pub name: String,
        /// What is allowed in its channels.
        #[serde(flatten)]
        pub options: NamespaceOptions,
    }
}

options! {
    /// What is allowed in the channels of a namespace. Everything is off unless switched on.
    pub struct NamespaceOptions {
        /// Pattern that the name, without `$` and namespace, must match, or error 107; empty for ASCII of any kind. It may
        /// match anywhere in the name, as in Centrifugo: write `^` and `$` around it to match the whole.
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
        /// Time for which the first of several publications waits for the others, so that they are written together.
        #[serde(with = "duration")]
        pub write_delay: Duration,
        /// Publications that are written to a client as one frame at most.
        pub batch_max_size: usize = 16,
        /// `all`: every publication counts, and a client that lags behind by too much is closed with 3008. `latest`: only
        /// the newest does; a client that lags, or that `max_rate` holds up, never gets those before it.
        pub delivery: String = "all".to_owned(),
        /// With `latest`: the tag whose values are told apart, each with a newest publication of its own, 1,024 at most.
        /// Empty: the channel has one.
        pub latest_tag: String,
        /// Times a second at most that a client is written publications of a channel; zero for no limit. Those in between
        /// gather: 256 KiB of them are written at once.
        pub max_rate: usize,
        /// Who is in a channel. Accepted, without effect in this version.
        pub presence: bool,
        /// Whether joining and leaving are published. Accepted, without effect in this version.
        pub join_leave: bool,
        /// Whether every subscriber receives joins and leaves. Accepted, without effect in this version.
        pub force_push_join_leave: bool,
    }
}

impl NamespaceOptions {
    /// How publications are delivered.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        let per_second = u32::try_from(self.max_rate).unwrap_or(u32::MAX);
        Delivery {
            batch: self.batch_max_size,
            delay: self.write_delay,
            interval: Duration::from_secs(1)
                .checked_div(per_second)
                .unwrap_or_default(),
            newest_by: (self.delivery == "latest").then(|| self.latest_tag.clone()),
        }
    }

    /// The pattern of `channel_regex`, `None` when it is empty.
    ///
    /// # Errors
    /// What is wrong with it; a configuration that has been checked has none.
    pub fn compiled_regex(&self) -> Result<Option<Regex>, regex::Error> {
        Some(self.channel_regex.as_str())
            .filter(|pattern| !pattern.is_empty())
            .map(Regex::new)
            .transpose()
    }
}

impl Described for Vec<Namespace> {
    fn kind() -> Kind {
        match Namespace::kind() {
            Kind::Section(fields) => Kind::Namespaces(fields),
            other => other,
        }
    }
}
