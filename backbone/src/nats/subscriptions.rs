//! Who listens to what, by the numbers that the server knows our subscriptions by.
//!
//! A subscription is one slot: no task, no queue, no buffer. A number is never given twice on a connection, because
//! messages of the one before may still be on their way: it is a slot and how often the slot was used before.

use std::sync::Arc;

use crate::{Channel, Ear, Listener, Topic};

/// Slots that are taken again when they are free. Their number is the most that were in use at the same time.
#[derive(Default)]
pub(super) struct Subscriptions {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    turn: u32,
    entry: Option<Entry>,
}

/// What a subscription is for.
pub(super) enum Entry {
    /// A channel's publications.
    Channel {
        channel: Channel,
        listener: Arc<dyn Listener>,
    },
    /// What is said about a topic.
    Topic {
        topic: Topic,
        group: Option<String>,
        ear: Arc<dyn Ear>,
    },
    /// Answers to requests.
    Inbox,
    /// What nodes tell each other.
    Nodes,
    /// Streams that were deleted.
    Deletions,
}

impl Entry {
    pub(super) fn group(&self) -> Option<&str> {
        match self {
            Self::Topic { group, .. } => group.as_deref(),
            Self::Channel { .. } | Self::Inbox | Self::Nodes | Self::Deletions => None,
        }
    }
}

impl Subscriptions {
    /// Keeps an entry, and says its number.
    pub(super) fn add(&mut self, entry: Entry) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            u32::try_from(self.slots.len() - 1).expect("memory ends before the numbers do")
        });
        let slot = &mut self.slots[at as usize];
        slot.entry = Some(entry);
        sid(at, slot.turn)
    }

    /// Gives an entry back, unless it is gone.
    pub(super) fn remove(&mut self, sid: u64) -> Option<Entry> {
        let (at, turn) = place(sid);
        let slot = self.slots.get_mut(at as usize)?;
        let entry = slot.entry.take_if(|_| slot.turn == turn)?;
        slot.turn = turn.wrapping_add(1);
        self.free.push(at);
        Some(entry)
    }

    pub(super) fn get(&self, sid: u64) -> Option<&Entry> {
        let (at, turn) = place(sid);
        let slot = self.slots.get(at as usize)?;
        slot.entry.as_ref().filter(|_| slot.turn == turn)
    }

    /// All of them, with their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (0..).zip(&self.slots).filter_map(|(at, slot)| {
            let entry = slot.entry.as_ref()?;
            Some((sid(at, slot.turn), entry))
        })
    }
}

fn sid(at: u32, turn: u32) -> u64 {
    u64::from(turn) << 32 | u64::from(at)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the halves of a number are what is wanted"
)]
fn place(sid: u64) -> (u32, u32) {
    (sid as u32, (sid >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Publication;

    struct Deaf;

    impl Listener for Deaf {
        fn deliver(&self, _: Publication) {}
    }

    fn entry(name: &str) -> Entry {
        Entry::Channel {
            channel: Channel::parse(name).unwrap(),
            listener: Arc::new(Deaf),
        }
    }

    fn name(entry: &Entry) -> &str {
        match entry {
            Entry::Channel { channel, .. } => channel.as_str(),
            Entry::Topic { topic, .. } => topic.as_str(),
            Entry::Inbox => "inbox",
            Entry::Nodes => "nodes",
            Entry::Deletions => "deletions",
        }
    }

    fn names(subscriptions: &Subscriptions) -> Vec<&str> {
        subscriptions.iter().map(|(_, entry)| name(entry)).collect()
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut subscriptions = Subscriptions::default();
        let kept = subscriptions.add(entry("kept"));
        let mut before = subscriptions.add(entry("before"));
        for _ in 0..3 {
            assert!(subscriptions.remove(before).is_some());
            assert!(subscriptions.remove(before).is_none());
            let after = subscriptions.add(entry("after"));
            assert_ne!(after, before);
            assert!(subscriptions.get(before).is_none());
            assert_eq!(name(subscriptions.get(after).unwrap()), "after");
            before = after;
        }
        assert_eq!(subscriptions.slots.len(), 2);
        assert_eq!(name(subscriptions.get(kept).unwrap()), "kept");
        assert_eq!(names(&subscriptions), ["kept", "after"]);
        assert!(subscriptions.get(u64::MAX).is_none());
        assert!(subscriptions.remove(u64::MAX).is_none());
    }
}
