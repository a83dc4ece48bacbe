//! Who subscribes to what: by arithmetic, so that a client costs no memory for it.
//!
//! Clients are numbered through all groups, and so are channels. Client `j` of a group with `s` subscriptions each takes
//! `s` neighbouring channels from `j * s` on, around the group's channels.

use serde::{Deserialize, Serialize};

/// Clients of one shape, and the channels that they share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// What its channels' names begin with; a number follows.
    pub prefix: String,
    pub clients: u32,
    pub channels: u32,
    /// Subscriptions of each client.
    pub subscriptions: u32,
    /// Messages per second of each channel.
    pub rate: f64,
    /// Bytes of a payload.
    pub size: usize,
}

/// All groups of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    groups: Vec<Group>,
}

/// A client's place in its group.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    group: &'a Group,
    /// The number of the group's first channel.
    base: u32,
    /// Of the client, in the group.
    number: u32,
}

impl Roster {
    #[must_use]
    pub fn new(groups: Vec<Group>) -> Self {
        Self { groups }
    }

    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    #[must_use]
    pub fn clients(&self) -> u32 {
        self.groups.iter().map(|group| group.clients).sum()
    }

    #[must_use]
    pub fn channels(&self) -> u32 {
        self.groups.iter().map(|group| group.channels).sum()
    }

    /// The number of a group's first channel.
    #[must_use]
    pub fn first_channel(&self, group: usize) -> u32 {
        let before = self.groups.iter().take(group);
        before.map(|group| group.channels).sum()
    }

    /// How many subscriptions a client has.
    #[must_use]
    pub fn subscriptions(&self, client: u32) -> u32 {
        self.place(client)
            .map_or(0, |place| place.group.subscriptions)
    }

    /// The channel of a client's subscription with this index.
    #[must_use]
    pub fn channel(&self, client: u32, index: u32) -> Option<u32> {
        let place = self.place(client)?;
        Some(place.base + (place.first() + index) % place.group.channels)
    }

    /// Which of a client's subscriptions is this channel; `None` if it is not subscribed.
    #[must_use]
    pub fn subscription(&self, client: u32, channel: u32) -> Option<u32> {
        let Place { group, base, .. } = self.place(client)?;
        let first = self.place(client)?.first();
        let number = channel.checked_sub(base)?;
        let inside = number < group.channels;
        let index = (number + group.channels).checked_sub(first)? % group.channels;
        (inside && index < group.subscriptions).then_some(index)
    }

    /// A channel's name.
    #[must_use]
    pub fn name(&self, channel: u32) -> Option<String> {
        let mut number = channel;
        for group in &self.groups {
            if number < group.channels {
                return Some(format!("{}-{number}", group.prefix));
            }
            number -= group.channels;
        }
        None
    }

    /// How many subscribers each channel has, leaving out clients that `counts` refuses.
    pub fn subscribers(&self, counts: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut subscribers = vec![0; self.channels() as usize];
        for client in (0..self.clients()).filter(|client| counts(*client)) {
            for index in 0..self.subscriptions(client) {
                if let Some(channel) = self.channel(client, index) {
                    subscribers[channel as usize] += 1;
                }
            }
        }
        subscribers
    }

    fn place(&self, client: u32) -> Option<Place<'_>> {
        let (mut number, mut base) = (client, 0);
        for group in &self.groups {
            if number < group.clients {
                return Some(Place {
                    group,
                    base,
                    number,
                });
            }
            number -= group.clients;
            base += group.channels;
        }
        None
    }
}

impl Place<'_> {
    /// The first of its client's channels, in the group.
    fn first(&self) -> u32 {
        let first = u64::from(self.number) * u64::from(self.group.subscriptions);
        (first % u64::from(self.group.channels)) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(prefix: &str, clients: u32, channels: u32, subscriptions: u32) -> Group {
        Group {
            prefix: prefix.into(),
            clients,
            channels,
            subscriptions,
            rate: 1.0,
            size: 128,
        }
    }

    #[test]
    fn subscriptions_and_channels_agree() {
        let roster = Roster::new(vec![
            group("hot", 5, 1, 1),
            group("room", 20, 7, 3),
            group("own", 4, 4, 1),
        ]);
        assert_eq!((roster.clients(), roster.channels()), (29, 12));
        for client in 0..roster.clients() {
            let mut found = 0;
            for channel in 0..roster.channels() {
                if let Some(index) = roster.subscription(client, channel) {
                    assert_eq!(roster.channel(client, index), Some(channel));
                    found += 1;
                }
            }
            assert_eq!(found, roster.subscriptions(client), "{client}");
        }
        assert_eq!(roster.subscription(29, 0), None);
        assert_eq!(roster.name(0).unwrap(), "hot-0");
        assert_eq!(roster.name(7).unwrap(), "room-6");
        assert_eq!(roster.name(12), None);
    }

    #[test]
    fn rooms_fill_evenly() {
        let roster = Roster::new(vec![group("room", 100, 10, 1)]);
        assert_eq!(roster.subscribers(|_| true), [10; 10]);
        let without = roster.subscribers(|client| client != 3);
        assert_eq!((without[3], without[4]), (9, 10));
    }
}
