//! Leaves that wait whether their user comes back. Pure: it is told the time.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Instant;

use tidegate_backbone::{Channel, ClientInfo};

/// Leaves that may wait; one more is told at once.
const LIMIT: usize = 65_536;

/// A time, and a number that makes it unique.
type Turn = (Instant, u64);

/// Who is expected back: a user in a channel; or a client, if it is anonymous.
type Expected = (Channel, String);

/// The leaves that wait.
#[derive(Debug, Default)]
pub(super) struct Debounce {
    waiting: BTreeMap<Turn, (Channel, ClientInfo)>,
    /// The turns of each, in their order.
    turns: HashMap<Expected, VecDeque<Turn>>,
    given: u64,
}

impl Debounce {
    /// Takes a leave that is told at `due` unless its user comes back; gives it back if there is no room.
    pub(super) fn leave(
        &mut self,
        channel: Channel,
        info: ClientInfo,
        due: Instant,
    ) -> Result<(), ClientInfo> {
        if self.waiting.len() == LIMIT {
            return Err(info);
        }
        self.given += 1;
        let turn = (due, self.given);
        let expected = (channel.clone(), who(&info).to_owned());
        self.turns.entry(expected).or_default().push_back(turn);
        self.waiting.insert(turn, (channel, info));
        Ok(())
    }

    /// Takes a join. Tells whether it undoes a leave that waits, so that neither is told.
    pub(super) fn undoes(&mut self, channel: &Channel, info: &ClientInfo) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let turn = self.forget(channel, info);
        turn.is_some_and(|turn| self.waiting.remove(&turn).is_some())
    }

    /// The next leave that is due by `now`.
    pub(super) fn due(&mut self, now: Instant) -> Option<(Channel, ClientInfo)> {
        let first = self.waiting.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let (channel, info) = first.remove();
        // Those of one user wait equally long, so the first to come is the first to go.
        self.forget(&channel, &info);
        Some((channel, info))
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    fn forget(&mut self, channel: &Channel, info: &ClientInfo) -> Option<Turn> {
        let expected = (channel.clone(), who(info).to_owned());
        let turns = self.turns.get_mut(&expected)?;
        let turn = turns.pop_front();
        if turns.is_empty() {
            self.turns.remove(&expected);
        }
        turn
    }
}

fn who(info: &ClientInfo) -> &str {
    match info.user.as_str() {
        "" => &info.client,
        user => user,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn info(user: &str, client: &str) -> ClientInfo {
        ClientInfo {
            user: user.to_owned(),
            client: client.to_owned(),
            ..ClientInfo::default()
        }
    }

    #[test]
    fn who_comes_back_in_time_was_never_away() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (a, b) = (Channel::parse("a").unwrap(), Channel::parse("b").unwrap());
        let mut debounce = Debounce::default();
        assert!(!debounce.undoes(&a, &info("u", "1")));
        for (channel, client, due) in [(&a, "1", 5), (&a, "2", 6), (&b, "1", 7)] {
            let left = debounce.leave(channel.clone(), info("u", client), at(due));
            assert_eq!(left, Ok(()));
        }
        assert_eq!(debounce.next(), Some(at(5)));
        assert!(!debounce.undoes(&a, &info("other", "1")) && !debounce.undoes(&a, &info("", "u1")));
        assert!(debounce.undoes(&a, &info("u", "3")));
        assert_eq!(debounce.due(at(5)), None);
        assert_eq!(debounce.due(at(6)), Some((a.clone(), info("u", "2"))));
        assert!(!debounce.undoes(&a, &info("u", "4")));
        assert_eq!(debounce.due(at(9)), Some((b, info("u", "1"))));
        assert_eq!(debounce.next(), None);
        assert!(debounce.turns.is_empty());
    }

    #[test]
    fn anonymous_clients_are_told_apart() {
        let now = Instant::now();
        let channel = Channel::parse("a").unwrap();
        let mut debounce = Debounce::default();
        let left = debounce.leave(channel.clone(), info("", "1"), now);
        assert_eq!(left, Ok(()));
        assert!(!debounce.undoes(&channel, &info("", "2")));
        assert!(debounce.undoes(&channel, &info("", "1")));
    }

    #[test]
    fn what_waits_is_bounded() {
        let now = Instant::now();
        let channel = Channel::parse("a").unwrap();
        let mut debounce = Debounce::default();
        for number in 0..LIMIT {
            let left = debounce.leave(channel.clone(), info("", &number.to_string()), now);
            assert_eq!(left, Ok(()));
        }
        let one_more = info("u", "x");
        assert_eq!(
            debounce.leave(channel, one_more.clone(), now),
            Err(one_more)
        );
    }
}
