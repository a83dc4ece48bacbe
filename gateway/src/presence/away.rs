//! Who was told as left by the presence service, so that the node that has them, should it live after all, does not have the
//! same leave told twice. Pure.

use std::collections::{HashSet, VecDeque};

use super::entry::Place;

/// Those that are remembered; of more the first are forgotten, and may be told as left twice.
const LIMIT: usize = 65_536;

/// Clients of nodes that are gone.
#[derive(Debug, Default)]
pub(super) struct Away {
    places: HashSet<Place>,
    order: VecDeque<Place>,
}

impl Away {
    /// Notes that a client is told as left. False: it was told before.
    pub(super) fn add(&mut self, place: Place) -> bool {
        if !self.places.insert(place.clone()) {
            return false;
        }
        if self.order.len() == LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.places.remove(&oldest);
        }
        self.order.push_back(place);
        true
    }

    /// Notes that something else is told of it. Whether it was told as left.
    pub(super) fn remove(&mut self, place: &Place) -> bool {
        !self.places.is_empty() && self.places.remove(place)
    }
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::Channel;

    use super::super::entry::ClientId;
    use super::*;

    fn place(number: usize) -> Place {
        let channel = Channel::parse(&format!("c{number}")).unwrap();
        (channel, ClientId([7; 16]))
    }

    #[test]
    fn a_leave_is_told_once_until_there_is_a_join() {
        let mut away = Away::default();
        assert!(!away.remove(&place(1)));
        assert!(away.add(place(1)) && !away.add(place(1)));
        assert!(away.remove(&place(1)) && !away.remove(&place(1)));
        assert!(away.add(place(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut away = Away::default();
        for number in 0..=LIMIT {
            assert!(away.add(place(number)));
        }
        assert_eq!((away.places.len(), away.order.len()), (LIMIT, LIMIT));
        assert!(!away.remove(&place(0)) && away.remove(&place(LIMIT)));
    }
}
