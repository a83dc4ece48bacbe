//! Commands that await their replies, by ids that were given out in order.

use std::collections::VecDeque;

/// Commands that are remembered; the reply to an older one is counted without a latency.
const LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Outstanding {
    /// The id of the oldest.
    first: u32,
    /// Intended send of each; none where the reply has come.
    sent: VecDeque<Option<u64>>,
}

impl Outstanding {
    /// None yet; ids will begin here.
    pub(super) fn from(first: u32) -> Self {
        let sent = VecDeque::new();
        Self { first, sent }
    }

    /// The id of a command that is meant to be sent at this time.
    pub(super) fn add(&mut self, intended: u64) -> u32 {
        if self.sent.len() == LIMIT {
            self.sent.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        self.sent.push_back(Some(intended));
        self.first.wrapping_add(self.sent.len() as u32 - 1)
    }

    /// When the command with this id was meant to be sent, once.
    pub(super) fn take(&mut self, id: u32) -> Option<u64> {
        let place = id.wrapping_sub(self.first) as usize;
        let sent = self.sent.get_mut(place)?.take();
        while let Some(None) = self.sent.front() {
            self.sent.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        sent
    }

    /// Whether every command has its reply.
    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_find_their_commands_in_any_order_and_once() {
        let mut outstanding = Outstanding::from(u32::MAX - 1);
        let ids = [7, 8, 9].map(|intended| outstanding.add(intended));
        assert_eq!(ids, [u32::MAX - 1, u32::MAX, 0]);
        assert_eq!(outstanding.take(ids[1]), Some(8));
        assert_eq!(outstanding.take(ids[1]), None);
        assert_eq!(outstanding.take(ids[0]), Some(7));
        assert_eq!(outstanding.take(5), None);
        assert_eq!(outstanding.take(ids[2]), Some(9));
        assert!(outstanding.is_empty());
        assert_eq!(outstanding.add(1), 1);
    }
}
