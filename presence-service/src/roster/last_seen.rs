//! When users were last seen, for some time and so many of them: the oldest are forgotten first.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct LastSeen {
    ttl: Duration,
    maximum: usize,
    /// When each was last seen, and the number of the note that says so.
    times: HashMap<Arc<str>, (u64, u64)>,
    /// Notes in their order, with when they were made; those that a later one replaced are skipped.
    notes: VecDeque<(Duration, u64, Arc<str>)>,
    next: u64,
}

impl LastSeen {
    pub(super) fn new(ttl: Duration, maximum: usize) -> Self {
        Self {
            ttl,
            maximum,
            times: HashMap::new(),
            notes: VecDeque::new(),
            next: 0,
        }
    }

    /// Notes when a user was last seen.
    pub(super) fn note(&mut self, user: &str, time: u64, now: Duration) {
        let user: Arc<str> = user.into();
        self.times.insert(Arc::clone(&user), (time, self.next));
        self.notes.push_back((now, self.next, user));
        self.next += 1;
        self.expire(now);
    }

    /// When a user was last seen, if that is remembered.
    pub(super) fn of(&self, user: &str) -> Option<u64> {
        self.times.get(user).map(|(time, _)| *time)
    }

    /// Forgets what is too old or too much.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((noted, number, user)) = self.notes.front() {
            let is_current = self.times.get(user).is_some_and(|it| it.1 == *number);
            let is_over = now >= *noted + self.ttl || self.times.len() > self.maximum;
            if is_current && !is_over {
                break;
            }
            if is_current {
                self.times.remove(user);
            }
            self.notes.pop_front();
        }
        if self.notes.len() > 2 * self.maximum + 16 {
            let times = &self.times;
            let is_current = |(_, number, user): &(_, u64, Arc<str>)| {
                times.get(user).is_some_and(|it| it.1 == *number)
            };
            self.notes.retain(is_current);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut seen = LastSeen::new(at(10), 2);
        seen.note("a", 1, at(0));
        seen.note("b", 2, at(1));
        seen.note("a", 3, at(2));
        seen.note("c", 4, at(3));
        assert_eq!(
            [seen.of("a"), seen.of("b"), seen.of("c")],
            [Some(3), None, Some(4)]
        );
        seen.expire(at(12));
        assert_eq!([seen.of("a"), seen.of("c")], [None, Some(4)]);
        seen.expire(at(13));
        assert!(seen.of("c").is_none() && seen.notes.is_empty());
    }
}
