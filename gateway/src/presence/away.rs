//! What was told last of clients whose node was taken for gone, or who left by themselves, so that whatever order a node and
//! the presence service are heard in, no leave is told twice, and none after the join that undoes it. Pure.
//!
//! The two come on different ways through a cluster of NATS servers, so either may overtake the other. What tells their order
//! is the node's beats: a leave that the service tells is as of a beat, and a join again is as of a later one.

use std::collections::{HashMap, VecDeque};

use super::entry::ClientId;

/// Clients that are remembered for either reason; of more the first are forgotten, and may be told as left twice.
const LIMIT: usize = 65_536;

/// A client in a channel, for as long as that is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sight {
    /// Which hearing of which channel. What was heard before another one began says nothing any more.
    pub(super) hearing: u64,
    pub(super) client: ClientId,
}

/// Clients that are not, or were not, where they were.
#[derive(Debug, Default)]
pub(super) struct Away {
    /// By the presence service.
    lapses: Remembered<Lapsed>,
    /// By their node.
    left: Remembered<()>,
}

/// How far the lapse of a node has come, as its client is told.
#[derive(Debug, Clone, Copy)]
enum Lapsed {
    /// It was told as left, as of this beat.
    Left(u64),
    /// It was told as there again: leaves as of a beat before this one are over.
    Returned(u64),
}

impl Away {
    /// Takes a leave of which the service tells, as of a beat of the client's node. Whether it is to be told.
    pub(super) fn lapsed(&mut self, sight: Sight, beat: u64) -> bool {
        if self.left.get(&sight).is_some() {
            return false;
        }
        match self.lapses.get(&sight) {
            Some(Lapsed::Left(last)) => {
                self.lapses.set(sight, Lapsed::Left(last.max(beat)));
                false
            }
            Some(Lapsed::Returned(from)) if beat < from => false,
            Some(Lapsed::Returned(_)) | None => {
                self.lapses.set(sight, Lapsed::Left(beat));
                true
            }
        }
    }

    /// Takes a leave of which the client's node tells. Whether it is to be told.
    pub(super) fn left(&mut self, sight: Sight) -> bool {
        self.left.set(sight, ());
        !matches!(self.lapses.remove(&sight), Some(Lapsed::Left(_)))
    }

    /// Takes a join.
    pub(super) fn joined(&mut self, sight: Sight) {
        self.left.remove(&sight);
        self.lapses.remove(&sight);
    }

    /// Takes a join of a client that was there before, as of a beat of its node. Whether it is to be told: not if its node is
    /// gone again since.
    pub(super) fn returned(&mut self, sight: Sight, beat: u64) -> bool {
        if matches!(self.lapses.get(&sight), Some(Lapsed::Left(last)) if last >= beat) {
            return false;
        }
        self.left.remove(&sight);
        self.lapses.set(sight, Lapsed::Returned(beat));
        true
    }
}

/// The last so many things that were noted.
#[derive(Debug)]
struct Remembered<V> {
    values: HashMap<Sight, V>,
    order: VecDeque<Sight>,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<V: Copy> Remembered<V> {
    fn get(&self, sight: &Sight) -> Option<V> {
        self.values.get(sight).copied()
    }

    fn set(&mut self, sight: Sight, value: V) {
        if self.values.insert(sight, value).is_some() {
            return;
        }
        if self.order.len() == LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(sight);
    }

    fn remove(&mut self, sight: &Sight) -> Option<V> {
        self.values.remove(sight)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sight(number: usize) -> Sight {
        Sight {
            hearing: u64::try_from(number).unwrap(),
            client: ClientId([7; 16]),
        }
    }

    #[test]
    fn a_leave_is_told_once_until_there_is_a_join() {
        let mut away = Away::default();
        let it = sight(1);
        assert!(away.lapsed(it, 3) && !away.lapsed(it, 3) && !away.lapsed(it, 4));
        assert!(!away.left(it) && !away.lapsed(it, 5));
        away.joined(it);
        assert!(away.left(it) && !away.lapsed(it, 5));
        away.joined(it);
        assert!(away.lapsed(it, 5));
        assert!(away.lapsed(sight(2), 3), "another hearing");
    }

    #[test]
    fn a_return_undoes_what_was_before_it_and_nothing_else() {
        let mut away = Away::default();
        assert!(away.returned(sight(1), 5));
        for (beat, expected) in [(3, false), (4, false), (5, true), (6, false)] {
            assert_eq!(away.lapsed(sight(1), beat), expected, "{beat}");
        }
        assert!(!away.returned(sight(1), 5) && !away.returned(sight(1), 6));
        assert!(away.returned(sight(1), 9));
        assert!(!away.lapsed(sight(1), 8) && away.left(sight(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut away = Away::default();
        for number in 0..=LIMIT {
            assert!(away.lapsed(sight(number), 1));
        }
        assert_eq!(
            (away.lapses.values.len(), away.lapses.order.len()),
            (LIMIT, LIMIT)
        );
        assert!(away.left(sight(0)) && !away.left(sight(LIMIT)));
    }

    /// What a node and the service say of one client, each in its own order.
    #[derive(Debug, Clone, Copy)]
    enum Said {
        Lapse(u64),
        Return(u64),
        Leave,
    }

    proptest! {
        /// However the two are heard, who listens knows in the end what is so, and is told of no leave twice.
        #[test]
        fn the_end_does_not_depend_on_who_is_heard_first(
            beats in prop::collection::vec(1_u64..4, 1..5),
            ending in prop::option::of(any::<bool>()),
            turns in prop::collection::vec(any::<bool>(), 0..20),
        ) {
            let (mut service, mut node, mut beat) = (VecDeque::new(), VecDeque::new(), 0);
            for step in beats {
                service.push_back(Said::Lapse(beat));
                beat += step;
                node.push_back(Said::Return(beat));
            }
            match ending {
                Some(true) => node.push_back(Said::Leave),
                Some(false) => service.push_back(Said::Lapse(beat)),
                None => {}
            }
            let (mut away, mut is_there, mut turns) = (Away::default(), true, turns.into_iter());
            while !(service.is_empty() && node.is_empty()) {
                let first = turns.next().unwrap_or(true);
                let next = match first {
                    true => service.pop_front().or_else(|| node.pop_front()),
                    false => node.pop_front().or_else(|| service.pop_front()),
                };
                match next.expect("one of them is not empty") {
                    Said::Lapse(beat) => {
                        if away.lapsed(sight(1), beat) {
                            prop_assert!(is_there, "told as left twice");
                            is_there = false;
                        }
                    }
                    Said::Return(beat) => {
                        is_there |= away.returned(sight(1), beat);
                    }
                    Said::Leave => {
                        if away.left(sight(1)) {
                            prop_assert!(is_there, "told as left twice");
                        }
                        is_there = false;
                    }
                }
            }
            prop_assert_eq!(is_there, ending.is_none());
        }
    }
}
