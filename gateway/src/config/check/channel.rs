//! What is wrong with `channel.*`.

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_backbone::{MAX_CHANNEL_BYTES, is_namespace_name};

use super::Findings;
use crate::config::{ChannelConfig, NamespaceOptions};

/// A publication that waits for longer is late by any measure.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

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
    }
}
