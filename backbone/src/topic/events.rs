//! What nodes tell each other of the clients in a channel.

use super::Topic;
use crate::channel::Channel;
use crate::subject::push_channel;

impl Topic {
    /// Joins and leaves of a channel.
    #[must_use]
    pub fn events(channel: &Channel) -> Self {
        let mut text = "event.".to_owned();
        push_channel(&mut text, channel);
        Self(text.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_a_channel_are_told_beside_its_publications() {
        for (name, text) in [
            ("chat:room.7", "event.chat.room.7"),
            ("$news", "event._.$news"),
            ("a b*", "event._.a%20b%2A"),
        ] {
            let channel = Channel::parse(name).unwrap();
            assert_eq!(Topic::events(&channel).as_str(), text);
        }
    }
}
