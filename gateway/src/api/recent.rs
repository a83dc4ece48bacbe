//! Ids of recent publications to channels without history, so that what a backend sends again is sent once. Of this node
//! alone: in channels with history the stream remembers them for all.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an id is remembered.
const WINDOW: Duration = Duration::from_secs(300);

/// Ids that are remembered; then the oldest is forgotten.
const MAX_IDS: usize = 65_536;

#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<Ids>);

#[derive(Debug, Default)]
struct Ids {
    known: HashSet<String>,
    order: VecDeque<(Instant, String)>,
}

impl Recent {
    /// Notes an id. Tells whether it was not known.
    pub(super) fn is_first(&self, id: &str) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.take(id, Instant::now())
    }

    /// Lets the next one with this id be the first.
    pub(super) fn forget(&self, id: &str) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.known.remove(id);
        ids.order.retain(|(_, other)| other != id);
    }
}

impl Ids {
    fn take(&mut self, id: &str, now: Instant) -> bool {
        while let Some((at, _)) = self.order.front()
            && (*at + WINDOW <= now || self.order.len() >= MAX_IDS)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.known.remove(&old);
            }
        }
        let is_first = self.known.insert(id.to_owned());
        if is_first {
            self.order.push_back((now, id.to_owned()));
        }
        is_first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_until_its_time_or_room_is_over() {
        let (mut ids, now) = (Ids::default(), Instant::now());
        assert!(ids.take("a", now));
        assert!(!ids.take("a", now + WINDOW / 2));
        assert!(ids.take("a", now + WINDOW));
        for number in 0..MAX_IDS {
            assert!(ids.take(&number.to_string(), now + WINDOW));
        }
        assert_eq!(ids.known.len(), MAX_IDS);
        assert!(ids.take("a", now + WINDOW), "the oldest was forgotten");
    }

    #[test]
    fn what_failed_may_be_sent_again() {
        let recent = Recent::default();
        assert!(recent.is_first("a"));
        recent.forget("a");
        assert!(recent.is_first("a"));
        assert!(!recent.is_first("a"));
    }
}
