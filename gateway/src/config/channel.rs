//! `channel.*`: namespaces and what is allowed in them.

use std::time::Duration;

use regex::Regex;
use tidegate_backbone::{Durability, Storage, StreamOptions};

use super::duration;
use super::proxy::ChannelProxyConfig;
use super::schema::{Described, Kind, options};
use crate::hub::Delivery;
use crate::interest::Windows;

options! {
    /// Options of channels.
    pub struct ChannelConfig {
        /// Longest channel name in bytes, or error 107 "bad request".
        pub max_length: usize = 255,
        /// Options of channels whose name has no namespace.
        pub without_namespace: NamespaceOptions,
        /// Bytes that publications take which a node has at hand for clients that come back, of all channels together. What
        /// is not at hand is read from the stream.
        pub recovery_cache_max_size: usize = 268_435_456,
        /// How long a node listens to a channel with history after its last subscriber has gone, so that those who come back
        /// find at hand what they missed; zero for no longer.
        #[serde(with = "duration")]
        pub recovery_linger: Duration = Duration::from_secs(60),
        /// What the application's backend is asked about channels.
        pub proxy: ChannelProxyConfig,
        /// The namespaces. A channel of any other is answered with error 102.
        pub namespaces: Vec<Namespace>,
    }
}

impl ChannelConfig {
    /// Every set of options, with the namespace that it is for.
    pub fn sets(&self) -> impl Iterator<Item = (Option<&str>, &NamespaceOptions)> {
        let named = self.namespaces.iter();
        let named = named.map(|entry| (Some(entry.name.as_str()), &entry.options));
        std::iter::once((None, &self.without_namespace)).chain(named)
    }

    /// How the namespaces that have history are kept.
    #[must_use]
    pub fn streams(&self) -> Vec<StreamOptions> {
        let streams = self
            .sets()
            .map(|(namespace, options)| options.stream(namespace));
        streams.flatten().collect()
    }

    /// What a node keeps at hand for clients that come back.
    #[must_use]
    pub fn windows(&self) -> Windows {
        let mut windows = Windows::new(self.recovery_cache_max_size);
        windows.linger = self.recovery_linger;
        for (namespace, options) in self.sets() {
            let (count, bytes) = (options.recovery_max_publications, options.recovery_max_size);
            windows.set(namespace, count, bytes);
            if options.archive {
                windows.set_archived(namespace);
            }
        }
        windows
    }

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
        /// Publications of each channel that are kept, for recovery and `history`; some more may be. Needs `history_ttl`. Zero:
        /// nothing is kept.
        pub history_size: usize,
        /// How long each is kept; some may be for longer.
        #[serde(with = "duration")]
        pub history_ttl: Duration,
        /// Where NATS keeps them: `file` or `memory`.
        pub history_storage: String = "file".to_owned(),
        /// Servers of a NATS cluster that keep a copy: 1, 3 or 5.
        pub history_replicas: usize = 1,
        /// Whether NATS compresses what it keeps.
        pub history_compression: bool,
        /// NATS streams over which the channels are spread, by a hash of their subjects; decided once. More than one needs a
        /// mapping in the servers' configuration, which the log tells where it is missing.
        pub history_partitions: usize = 1,
        /// How long the id of a publication is remembered, so that one that is sent again is stored once.
        #[serde(with = "duration")]
        pub history_duplicate_window: Duration = Duration::from_secs(120),
        /// What the confirmation of a publication must mean, or the node is not ready. `accepted`: a server has it;
        /// `replicated`: a majority of three has; `synced`: it is on disk, and a power cut of every machine loses nothing.
        pub require_durability: String = "accepted".to_owned(),
        /// Whether what is kept is archived, so that clients get older publications from there: by the history service of
        /// `tidegate` without NATS, which needs `history_service.address`; over NATS by `tidegate-history`, which is told
        /// which namespaces to archive, and need not be there.
        pub archive: bool,
        /// How long, and how old publications may be that clients are given from there; zero for no limit.
        #[serde(with = "duration")]
        pub archive_ttl: Duration,
        /// Whether every authenticated user may read the history.
        pub allow_history_for_client: bool,
        /// Whether subscribers may read the history.
        pub allow_history_for_subscriber: bool,
        /// Whether anonymous users may read the history as well.
        pub allow_history_for_anonymous: bool,
        /// Whether clients that may read the history can ask for positions to be watched.
        pub allow_positioning: bool,
        /// Whether positions are always watched.
        pub force_positioning: bool,
        /// Whether clients that may read the history can ask for recovery.
        pub allow_recovery: bool,
        /// Whether subscriptions are always recoverable.
        pub force_recovery: bool,
        /// What a client that comes back is given: `stream`, everything it missed (so does the empty text);
        /// `cache`, the newest publication.
        pub force_recovery_mode: String = "stream".to_owned(),
        /// Publications that a client can recover, or `recovered` is false.
        pub recovery_max_publications: usize = 10_000,
        /// Bytes of payloads that a client can recover, or `recovered` is false.
        pub recovery_max_size: usize = 4_194_304,
        /// Ways to send a publication as a patch of the one before it that clients may ask for: `fossil`.
        pub allowed_delta_types: Vec<String>,
        /// Whether the backend decides who may subscribe without a token.
        pub subscribe_proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `channel.proxy.subscribe`.
        pub subscribe_proxy_name: String = "default".to_owned(),
        /// Whether the backend decides who may publish, and what.
        pub publish_proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `channel.proxy.publish`.
        pub publish_proxy_name: String = "default".to_owned(),
        /// Whether the backend decides if a subscription that expires may go on.
        pub sub_refresh_proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `channel.proxy.sub_refresh`.
        pub sub_refresh_proxy_name: String = "default".to_owned(),
        /// Whether the backend is told of subscriptions that have ended.
        pub unsubscribe_proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `channel.proxy.unsubscribe`.
        pub unsubscribe_proxy_name: String = "default".to_owned(),
        /// Whether the backend is told of a channel's first subscriber, on whatever node, and of its last.
        pub state_proxy_enabled: bool,
        /// The backend's name in `proxies`; `default` for `channel.proxy.state`.
        pub state_proxy_name: String = "default".to_owned(),
        /// How long a channel is without subscribers before the backend is told. At most 1 hour.
        #[serde(with = "duration")]
        pub state_vacated_delay: Duration = Duration::from_secs(1),
        /// Whether the presence service is told who is in a channel, and clients may ask.
        pub presence: bool,
        /// Whether joins and leaves are told to subscribers that ask for them with `join_leave: true` and may ask for presence.
        pub join_leave: bool,
        /// Whether every subscriber is told of joins and leaves.
        pub force_push_join_leave: bool,
        /// How long a leave waits before subscribers are told. When the user (or client, if anonymous) joins again meanwhile, on
        /// whatever node, they are told of neither. At most 1 minute.
        #[serde(with = "duration")]
        pub join_leave_debounce: Duration,
        /// Whether every authenticated user may ask for presence.
        pub allow_presence_for_client: bool,
        /// Whether subscribers may ask for presence.
        pub allow_presence_for_subscriber: bool,
        /// Whether anonymous users may ask for presence as well.
        pub allow_presence_for_anonymous: bool,
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

    /// Whether publications are kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.history_size > 0 && !self.history_ttl.is_zero()
    }

    /// Whether anybody outside a channel's subscribers is told who they are.
    #[must_use]
    pub fn tells_presence(&self) -> bool {
        self.presence || self.join_leave
    }

    /// How the publications of this namespace are kept; `None` if they are not.
    #[must_use]
    pub fn stream(&self, namespace: Option<&str>) -> Option<StreamOptions> {
        self.is_kept().then(|| StreamOptions {
            namespace: namespace.map(str::to_owned),
            size: self.history_size as u64,
            ttl: self.history_ttl,
            storage: match self.history_storage.as_str() {
                "memory" => Storage::Memory,
                _ => Storage::File,
            },
            replicas: u8::try_from(self.history_replicas).unwrap_or(u8::MAX),
            compression: self.history_compression,
            duplicate_window: self.history_duplicate_window,
            partitions: u32::try_from(self.history_partitions).unwrap_or(u32::MAX),
            required: match self.require_durability.as_str() {
                "synced" => Durability::Synced,
                "replicated" => Durability::Replicated,
                _ => Durability::Accepted,
            },
        })
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
