//! What the configuration permits: options compiled once, asked for every command. Pure.
//!
//! The order of checks is that of Centrifugo, so that a team that moves over finds the same answers.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tidegate_backbone::{Channel, ChannelError};
use tidegate_codec::ErrorCode;

use crate::auth::Verifier;
use crate::config::{ClientConfig, Config, NamespaceOptions};
use crate::hooks::{ChannelHooks, HookRules, TargetId};
use crate::hub::Delivery;
use crate::revocation::List;

/// The configuration in the form that sessions ask.
#[derive(Debug)]
pub struct Rules {
    /// Options of connections.
    pub client: ClientConfig,
    /// Keys of tokens.
    pub verifier: Verifier,
    /// What the application's backend is asked.
    pub hooks: HookRules,
    /// Who is not let in, where there is such a list.
    pub(crate) revocations: Option<Arc<List>>,
    max_length: usize,
    without_namespace: ChannelRules,
    namespaces: HashMap<String, ChannelRules>,
}

/// The options of one namespace.
#[derive(Debug)]
pub struct ChannelRules {
    /// What is allowed.
    pub options: NamespaceOptions,
    /// How publications are delivered.
    pub delivery: Arc<Delivery>,
    /// What the application's backend is asked.
    pub hooks: ChannelHooks,
    name: Option<Regex>,
}

/// Whoever is asking.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// User id; empty for an anonymous user.
    pub user: &'a str,
    /// Whether they are subscribed to the channel in question.
    pub subscribed: bool,
}

impl Rules {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// One text a fault, each naming its option. A configuration that passed its check has none.
    pub fn new(config: &Config) -> Result<Self, Vec<String>> {
        let verifier = Verifier::new(&config.client.token, &config.client.subscription_token)?;
        let without_namespace = ChannelRules::new(
            "channel.without_namespace",
            config,
            &config.channel.without_namespace,
        )?;
        let mut namespaces = HashMap::new();
        for namespace in &config.channel.namespaces {
            let path = format!("channel.namespaces[{}]", namespace.name);
            namespaces.insert(
                namespace.name.clone(),
                ChannelRules::new(&path, config, &namespace.options)?,
            );
        }
        let client = config.client.clone();
        let revocation = &config.client.revocation;
        Ok(Self {
            client,
            verifier,
            hooks: HookRules::new(config),
            revocations: revocation
                .enabled
                .then(|| Arc::new(List::new(revocation.max_entries))),
            max_length: config.channel.max_length,
            without_namespace,
            namespaces,
        })
    }

    /// The channel of a name, with its namespace's rules.
    ///
    /// # Errors
    /// 107 when the name is too long, 102 when its namespace is not configured.
    pub fn channel(&self, name: &str) -> Result<(Channel, &ChannelRules), ErrorCode> {
        if name.len() > self.max_length {
            return Err(ErrorCode::BadRequest);
        }
        let channel = Channel::parse(name).map_err(|error| match error {
            ChannelError::Empty | ChannelError::TooLong => ErrorCode::BadRequest,
            ChannelError::Namespace => ErrorCode::UnknownChannel,
        })?;
        self.of(&channel)
            .map(|rules| (channel, rules))
            .ok_or(ErrorCode::UnknownChannel)
    }

    fn of(&self, channel: &Channel) -> Option<&ChannelRules> {
        match channel.namespace() {
            None => Some(&self.without_namespace),
            Some(namespace) => self.namespaces.get(namespace),
        }
    }

    /// How the publications of a channel are delivered.
    #[must_use]
    pub fn delivery(&self, channel: &Channel) -> Arc<Delivery> {
        let rules = self.of(channel).unwrap_or(&self.without_namespace);
        Arc::clone(&rules.delivery)
    }

    /// How long leaves of a channel wait before subscribers are told.
    #[must_use]
    pub fn join_leave_debounce(&self, channel: &Channel) -> Duration {
        let rules = self.of(channel).unwrap_or(&self.without_namespace);
        rules.options.join_leave_debounce
    }

    /// Whether someone may subscribe to a channel without a token.
    #[must_use]
    pub fn may_subscribe(&self, asker: Asker<'_>, channel: &Channel, rules: &ChannelRules) -> bool {
        if channel.is_private() {
            return false;
        }
        let options = &rules.options;
        if options.allow_user_limited_channels
            && let Some(mut users) = channel.allowed_users()
        {
            let listed = !asker.user.is_empty() && users.any(|user| user == asker.user);
            return listed || self.client.insecure;
        }
        let known = asker.is_known_or(options.allow_subscribe_for_anonymous);
        (options.allow_subscribe_for_client && known) || self.client.insecure
    }

    /// Who is asked whether somebody without a token may subscribe: nobody where the channel's name says it.
    #[must_use]
    pub fn asks_to_subscribe(&self, channel: &Channel, rules: &ChannelRules) -> Option<TargetId> {
        let is_limited =
            rules.options.allow_user_limited_channels && channel.allowed_users().is_some();
        let target = rules.hooks.subscribe;
        target.filter(|_| !channel.is_private() && !is_limited)
    }

    /// Whether someone may publish to a channel.
    #[must_use]
    pub fn may_publish(&self, asker: Asker<'_>, rules: &ChannelRules) -> bool {
        let options = &rules.options;
        let known = asker.is_known_or(options.allow_publish_for_anonymous);
        let permitted = options.allow_publish_for_client
            || (options.allow_publish_for_subscriber && asker.subscribed);
        (permitted && known) || self.client.insecure
    }
}

impl Rules {
    /// Whether someone may read the history of a channel.
    #[must_use]
    pub fn may_read_history(&self, asker: Asker<'_>, rules: &ChannelRules) -> bool {
        let options = &rules.options;
        let known = asker.is_known_or(options.allow_history_for_anonymous);
        let permitted = options.allow_history_for_client
            || (options.allow_history_for_subscriber && asker.subscribed);
        (permitted && known) || self.client.insecure
    }

    /// Whether someone may ask who is in a channel.
    #[must_use]
    pub fn may_ask_presence(&self, asker: Asker<'_>, rules: &ChannelRules) -> bool {
        let options = &rules.options;
        let known = asker.is_known_or(options.allow_presence_for_anonymous);
        let permitted = options.allow_presence_for_client
            || (options.allow_presence_for_subscriber && asker.subscribed);
        (permitted && known) || self.client.insecure
    }
}

impl ChannelRules {
    fn new(path: &str, config: &Config, options: &NamespaceOptions) -> Result<Self, Vec<String>> {
        let name = match options.channel_regex.as_str() {
            "" => None,
            pattern => Some(
                Regex::new(pattern)
                    .map_err(|error| vec![format!("{path}.channel_regex: {error}")])?,
            ),
        };
        Ok(Self {
            options: options.clone(),
            delivery: Arc::new(options.delivery()),
            hooks: ChannelHooks::new(config, options),
            name,
        })
    }

    /// Whether a channel's name is of the form that the namespace asks for.
    #[must_use]
    pub fn accepts_name(&self, channel: &Channel) -> bool {
        match &self.name {
            Some(regex) => regex.is_match(channel.local_name()),
            None => channel.as_str().is_ascii(),
        }
    }
}

impl Asker<'_> {
    fn is_known_or(&self, anonymous_too: bool) -> bool {
        !self.user.is_empty() || anonymous_too
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Namespace;

    fn rules(change: impl FnOnce(&mut Config)) -> Rules {
        let mut config = Config::default();
        change(&mut config);
        Rules::new(&config).unwrap()
    }

    fn may_subscribe(rules: &Rules, user: &str, name: &str) -> bool {
        let (channel, options) = rules.channel(name).unwrap();
        rules.may_subscribe(
            Asker {
                user,
                subscribed: false,
            },
            &channel,
            options,
        )
    }

    #[test]
    fn names_find_their_namespace_or_the_documented_error() {
        let rules = rules(|config| {
            config.channel.max_length = 20;
            config.channel.namespaces = vec![Namespace {
                name: "chat".into(),
                ..Namespace::default()
            }];
        });
        for (name, expected) in [
            ("news", None),
            ("chat:room", None),
            ("$chat:room", None),
            ("chat", None),
            ("other:room", Some(ErrorCode::UnknownChannel)),
            ("$other:room", Some(ErrorCode::UnknownChannel)),
            (":room", Some(ErrorCode::UnknownChannel)),
            ("c:room", Some(ErrorCode::UnknownChannel)),
            ("123456789012345678901", Some(ErrorCode::BadRequest)),
        ] {
            assert_eq!(rules.channel(name).err(), expected, "{name}");
        }
    }

    #[test]
    fn subscribing_needs_a_rule_that_permits_it() {
        let closed = rules(|_| {});
        let open =
            rules(|config| config.channel.without_namespace.allow_subscribe_for_client = true);
        let anonymous = rules(|config| {
            config.channel.without_namespace.allow_subscribe_for_client = true;
            config
                .channel
                .without_namespace
                .allow_subscribe_for_anonymous = true;
        });
        let anonymous_only = rules(|config| {
            config
                .channel
                .without_namespace
                .allow_subscribe_for_anonymous = true
        });
        let insecure = rules(|config| config.client.insecure = true);
        for (rules, user, name, expected) in [
            (&closed, "42", "news", false),
            (&open, "42", "news", true),
            (&open, "", "news", false),
            (&anonymous, "", "news", true),
            (&anonymous_only, "", "news", false),
            (&anonymous_only, "42", "news", false),
            (&open, "42", "$news", false),
            (&insecure, "", "news", true),
            (&insecure, "", "$news", false),
        ] {
            assert_eq!(
                may_subscribe(rules, user, name),
                expected,
                "{user:?} {name:?}"
            );
        }
    }

    #[test]
    fn user_limited_channels_are_for_the_listed_users_only() {
        let limited = rules(|config| {
            config.channel.without_namespace.allow_user_limited_channels = true;
            config.channel.without_namespace.allow_subscribe_for_client = true;
            config
                .channel
                .without_namespace
                .allow_subscribe_for_anonymous = true;
        });
        let unlimited =
            rules(|config| config.channel.without_namespace.allow_subscribe_for_client = true);
        for (rules, user, name, expected) in [
            (&limited, "42", "dialog#42,43", true),
            (&limited, "43", "dialog#42,43", true),
            (&limited, "4", "dialog#42,43", false),
            (&limited, "42", "a#42#43", false),
            (&limited, "43", "a#42#43", true),
            (&limited, "", "dialog#", false),
            (&limited, "42", "plain", true),
            (&unlimited, "7", "dialog#42,43", true),
        ] {
            assert_eq!(
                may_subscribe(rules, user, name),
                expected,
                "{user:?} {name:?}"
            );
        }
    }

    #[test]
    fn publishing_needs_a_rule_that_permits_it() {
        let closed = rules(|_| {});
        let client =
            rules(|config| config.channel.without_namespace.allow_publish_for_client = true);
        let subscriber = rules(|config| {
            config
                .channel
                .without_namespace
                .allow_publish_for_subscriber = true
        });
        let anonymous = rules(|config| {
            config
                .channel
                .without_namespace
                .allow_publish_for_subscriber = true;
            config.channel.without_namespace.allow_publish_for_anonymous = true;
        });
        let insecure = rules(|config| config.client.insecure = true);
        for (rules, user, subscribed, expected) in [
            (&closed, "42", true, false),
            (&client, "42", false, true),
            (&client, "", true, false),
            (&subscriber, "42", false, false),
            (&subscriber, "42", true, true),
            (&subscriber, "", true, false),
            (&anonymous, "", true, true),
            (&anonymous, "", false, false),
            (&insecure, "", false, true),
        ] {
            let (_, options) = rules.channel("news").unwrap();
            assert_eq!(
                rules.may_publish(Asker { user, subscribed }, options),
                expected,
                "{user:?} {subscribed}"
            );
        }
    }

    #[test]
    fn names_are_ascii_unless_a_pattern_says_otherwise() {
        let plain = rules(|_| {});
        let pattern =
            rules(|config| config.channel.without_namespace.channel_regex = "^[\\p{L}]+$".into());
        for (rules, name, expected) in [
            (&plain, "news", true),
            (&plain, "новости", false),
            (&pattern, "новости", true),
            (&pattern, "a1", false),
        ] {
            let (channel, options) = rules.channel(name).unwrap();
            assert_eq!(options.accepts_name(&channel), expected, "{name}");
        }
    }
}
