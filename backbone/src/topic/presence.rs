//! What nodes and the presence service talk about; `proto/schema/node.proto` says what is said.

use super::{Topic, is_plain};

impl Topic {
    /// Changes and snapshots of memberships, of one partition; of all without one.
    #[must_use]
    pub fn presence_channel_changes(partition: Option<u32>) -> Self {
        Self::of_partition("presence.changes.channel", partition)
    }

    /// The same of connections.
    #[must_use]
    pub fn presence_user_changes(partition: Option<u32>) -> Self {
        Self::of_partition("presence.changes.user", partition)
    }

    /// That nodes live.
    #[must_use]
    pub fn presence_beats() -> Self {
        Self::of(&["presence", "beats"])
    }

    /// That nodes are to say at once that they live.
    #[must_use]
    pub fn presence_call() -> Self {
        Self::of(&["presence", "call"])
    }

    /// What one node is asked for.
    #[must_use]
    pub fn presence_node(node: &str) -> Self {
        let mut text = "presence.node.".to_owned();
        for byte in node.bytes() {
            match is_plain(&char::from(byte).to_string()) {
                true => text.push(char::from(byte)),
                false => text.push_str(&format!("%{byte:02X}")),
            }
        }
        Self(text.into())
    }

    /// Who left with a node that is gone, of one partition; of all without one.
    #[must_use]
    pub fn presence_gone(partition: Option<u32>) -> Self {
        Self::of_partition("presence.gone", partition)
    }

    /// That replicas of the presence service live.
    #[must_use]
    pub fn presence_replicas() -> Self {
        Self::of(&["presence", "replicas"])
    }

    /// Questions about the channels of a partition.
    #[must_use]
    pub fn presence_ask_channel(partition: u32) -> Self {
        Self::of_partition("presence.ask.channel", Some(partition))
    }

    /// Questions about the users of a partition.
    #[must_use]
    pub fn presence_ask_user(partition: u32) -> Self {
        Self::of_partition("presence.ask.user", Some(partition))
    }

    /// That users of a partition came or went; of all without one.
    #[must_use]
    pub fn presence_online(partition: Option<u32>) -> Self {
        Self::of_partition("presence.online", partition)
    }

    fn of_partition(about: &str, partition: Option<u32>) -> Self {
        let partition = partition.map_or_else(|| "*".to_owned(), |it| it.to_string());
        Self(format!("{about}.{partition}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_of_the_schema() {
        for (topic, text) in [
            (
                Topic::presence_channel_changes(Some(7)),
                "presence.changes.channel.7",
            ),
            (
                Topic::presence_user_changes(None),
                "presence.changes.user.*",
            ),
            (Topic::presence_gone(Some(0)), "presence.gone.0"),
            (Topic::presence_ask_channel(63), "presence.ask.channel.63"),
            (Topic::presence_ask_user(1), "presence.ask.user.1"),
            (Topic::presence_node("gw-1"), "presence.node.gw-1"),
            (Topic::presence_node("a.b *"), "presence.node.a%2Eb%20%2A"),
            (Topic::presence_online(Some(2)), "presence.online.2"),
        ] {
            assert_eq!(topic.as_str(), text);
        }
        let all = Topic::presence_gone(None);
        assert!(all.covers(&Topic::presence_gone(Some(9))));
    }
}
