//! What is wrong with `channel.*`.

use std::collections::BTreeSet;

use tidegate_backbone::{MAX_CHANNEL_BYTES, is_namespace_name};

use super::Findings;
use crate::config::ChannelConfig;

impl Findings {
    pub(super) fn channel(&mut self, channel: &ChannelConfig) {
        let wrong = !(1..=MAX_CHANNEL_BYTES).contains(&channel.max_length);
        self.when(wrong, "channel.max_length", "must be from 1 to 255");
        let pattern = &channel.without_namespace.channel_regex;
        self.pattern("channel.without_namespace.channel_regex", pattern);
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
            let option = format!("channel.namespaces.{name}.channel_regex");
            self.pattern(&option, &namespace.options.channel_regex);
        }
    }
}
