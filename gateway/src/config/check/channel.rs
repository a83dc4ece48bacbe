//! What is wrong with `channel.*`.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_backbone::{MAX_CHANNEL_BYTES, is_namespace_name};

use super::Findings;
use crate::config::{ChannelConfig, NamespaceOptions};

/// A publication that waits for longer is late by any measure.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// A channel that nobody has come back to by then is vacated.
const LONGEST_VACANCY: Duration = Duration::from_secs(3_600);

/// Who has not come back by then has left.
const LONGEST_DEBOUNCE: Duration = Duration::from_secs(60);

impl Findings {
    pub(super) fn channel(&mut self, channel: &ChannelConfig) {
        let wrong = !(1..=MAX_CHANNEL_BYTES).contains(&channel.max_length);
        self.when(wrong, "channel.max_length", "must be from 1 to 255");
        self.namespace("channel.without_namespace", &channel.without_namespace);
        let mut names = BTreeSet::new();
        for (index, namespace) in channel.namespaces.iter().enumerate() {
            let name = match namespace.name.as_str() {
                "" => index.to_string(),
                name => name.to_owned(),
            };
            let option = format!("channel.namespaces.{name}.name");
            let wrong = !is_namespace_name(&namespace.name);
            self.when(
                wrong,
                &option,
                "must be two or more letters, digits, `-` and `_`",
            );
            self.when(
                !names.insert(name.clone()),
                &option,
                "is the name of two namespaces",
            );
            self.namespace(&format!("channel.namespaces.{name}"), &namespace.options);
        }
    }

    fn namespace(&mut self, path: &str, options: &NamespaceOptions) {
        let option = |name| format!("{path}.{name}");
        self.pattern(&option("channel_regex"), &options.channel_regex);
        self.zero(&option("batch_max_size"), options.batch_max_size);
        self.one_of(&option("delivery"), &options.delivery, &["all", "latest"]);
        let wrong = options.write_delay > LONGEST_DELAY;
        self.when(wrong, &option("write_delay"), "must be 10s or less");
        let wrong = !options.latest_tag.is_empty() && options.delivery != "latest";
        let names = [option("latest_tag"), option("delivery")];
        let names = [&*names[0], &*names[1]];
        self.between(wrong, &names, "needs the delivery `latest`");
        let wrong = options.state_vacated_delay > LONGEST_VACANCY;
        self.when(wrong, &option("state_vacated_delay"), "must be 1h or less");
        self.presence(path, options);
        self.history(path, options);
    }

    fn presence(&mut self, path: &str, options: &NamespaceOptions) {
        let option = |name| format!("{path}.{name}");
        let presence = option("presence");
        let join_leave = option("join_leave");
        let wrong = options.join_leave_debounce > LONGEST_DEBOUNCE;
        let debounce = option("join_leave_debounce");
        self.when(wrong, &debounce, "must be 1m or less");
        let has_debounce = !options.join_leave_debounce.is_zero();
        for (name, is_on) in [
            ("join_leave_debounce", has_debounce),
            ("force_push_join_leave", options.force_push_join_leave),
        ] {
            let wrong = is_on && !options.join_leave;
            self.between(wrong, &[&option(name), &join_leave], "needs join_leave");
        }
        for (name, is_on) in [
            (
                "allow_presence_for_client",
                options.allow_presence_for_client,
            ),
            (
                "allow_presence_for_subscriber",
                options.allow_presence_for_subscriber,
            ),
        ] {
            let wrong = is_on && !options.tells_presence();
            self.between(wrong, &[&option(name), &presence], "needs presence");
        }
    }

    fn history(&mut self, path: &str, options: &NamespaceOptions) {
        let option = |name| format!("{path}.{name}");
        let (size, ttl) = (option("history_size"), option("history_ttl"));
        let (has_size, has_ttl) = (options.history_size > 0, !options.history_ttl.is_zero());
        self.between(has_size && !has_ttl, &[&size, &ttl], "needs history_ttl");
        self.between(has_ttl && !has_size, &[&ttl, &size], "needs history_size");
        let storages = ["file", "memory"];
        self.one_of(
            &option("history_storage"),
            &options.history_storage,
            &storages,
        );
        let wrong = ![1, 3, 5].contains(&options.history_replicas);
        self.when(wrong, &option("history_replicas"), "must be 1, 3 or 5");
        let wrong = !(1..=64).contains(&options.history_partitions);
        self.when(wrong, &option("history_partitions"), "must be from 1 to 64");
        self.instant(
            &option("history_duplicate_window"),
            options.history_duplicate_window,
        );
        let levels = ["accepted", "replicated", "synced"];
        self.one_of(
            &option("require_durability"),
            &options.require_durability,
            &levels,
        );
        let modes = ["", "stream", "cache"];
        self.one_of(
            &option("force_recovery_mode"),
            &options.force_recovery_mode,
            &modes,
        );
        self.zero(
            &option("recovery_max_publications"),
            options.recovery_max_publications,
        );
        self.zero(&option("recovery_max_size"), options.recovery_max_size);
        for delta in &options.allowed_delta_types {
            self.one_of(&option("allowed_delta_types"), delta, &["fossil"]);
        }
        self.needs_history(path, options);
    }

    /// Options of what there is only where publications are kept.
    fn needs_history(&mut self, path: &str, options: &NamespaceOptions) {
        let option = |name| format!("{path}.{name}");
        let size = option("history_size");
        for (name, is_on) in [
            ("allow_positioning", options.allow_positioning),
            ("force_positioning", options.force_positioning),
            ("allow_recovery", options.allow_recovery),
            ("force_recovery", options.force_recovery),
            (
                "allowed_delta_types",
                !options.allowed_delta_types.is_empty(),
            ),
            ("allow_history_for_client", options.allow_history_for_client),
            (
                "allow_history_for_subscriber",
                options.allow_history_for_subscriber,
            ),
        ] {
            let wrong = is_on && options.history_size == 0;
            self.between(
                wrong,
                &[&option(name), &size],
                "needs history_size and history_ttl",
            );
        }
    }
}
