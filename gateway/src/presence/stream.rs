//! The node's own part of one partition: who is there, and the changes that the presence service has not been told yet.
//! Pure.
//!
//! Changes are numbered from 1. What waits is bounded: when it is too much, the service is told everything in its place.

use std::collections::HashMap;
use std::hash::Hash;

/// Changes of a stream that wait to be told.
const WAITING_LIMIT: usize = 4_096;

/// Room for entries that is kept whatever their number.
const KEPT_ROOM: usize = 16;

/// One stream of reports.
#[derive(Debug)]
pub(super) struct Stream<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Of the last change.
    number: u64,
    /// The beat before which everybody was announced again last.
    announced: u64,
    /// The last of them has this number.
    waiting: Vec<Change<K, V>>,
    /// Whether something of what waited was dropped.
    is_cut: bool,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// Of the change with which it came.
    number: u64,
}

/// The presence service took the node for gone, and told leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lapse {
    pub(super) partition: u32,
    /// The last beat that it had heard.
    pub(super) beat: u64,
    /// The last change that it had heard.
    pub(super) number: u64,
}

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change<K, V> {
    Set(K, V),
    Remove(K),
}

/// What the presence service has to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<K, V> {
    /// The changes from this number on.
    Changes(u64, Vec<Change<K, V>>),
    /// All entries, as they are after the change with this number.
    Everything(u64, Vec<(K, V)>),
}

impl<K, V> Default for Stream<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            number: 0,
            announced: 0,
            waiting: Vec::new(),
            is_cut: false,
        }
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Stream<K, V> {
    /// Sets an entry. Tells whether it is the first change that waits.
    pub(super) fn set(&mut self, key: K, value: V) -> bool {
        let number = self.number + 1;
        let entry = Entry {
            value: value.clone(),
            number,
        };
        let replace = |before: &mut Entry<V>| before.value = value.clone();
        let place = self.entries.entry(key.clone());
        place.and_modify(replace).or_insert(entry);
        self.change(Change::Set(key, value))
    }

    /// Removes an entry. Tells what it was, and whether that is the first change that waits.
    pub(super) fn remove(&mut self, key: &K) -> Option<(V, bool)> {
        let (key, Entry { value, .. }) = self.entries.remove_entry(key)?;
        if self.entries.len() * 4 < self.entries.capacity() {
            self.entries
                .shrink_to(KEPT_ROOM.max(self.entries.len() * 2));
        }
        Some((value, self.change(Change::Remove(key))))
    }

    fn change(&mut self, change: Change<K, V>) -> bool {
        let is_first = self.waiting.is_empty() && !self.is_cut;
        self.number += 1;
        if self.waiting.len() == WAITING_LIMIT {
            self.waiting = Vec::new();
            self.is_cut = true;
        }
        if !self.is_cut {
            self.waiting.push(change);
        }
        is_first
    }

    /// Takes what has to be told.
    pub(super) fn take(&mut self) -> Option<Due<K, V>> {
        if std::mem::take(&mut self.is_cut) {
            return Some(self.everything());
        }
        let changes = std::mem::take(&mut self.waiting);
        let first = self.number + 1 - changes.len() as u64;
        (!changes.is_empty()).then_some(Due::Changes(first, changes))
    }

    /// All of it, to be told behind what [`Stream::take`] gave.
    pub(super) fn everything(&self) -> Due<K, V> {
        let entries = self.entries.iter();
        let entries = entries.map(|(key, it)| (key.clone(), it.value.clone()));
        Due::Everything(self.number, entries.collect())
    }

    /// Those who were there at a lapse and still are; nobody if they were announced after it. `beat` is the last that was sent.
    pub(super) fn returned(&mut self, lapse: Lapse, beat: u64) -> impl Iterator<Item = (&K, &V)> {
        let is_new = lapse.beat >= self.announced;
        if is_new {
            self.announced = beat;
        }
        let entries = self.entries.iter();
        entries
            .filter(move |(_, it)| is_new && it.number <= lapse.number)
            .map(|(key, it)| (key, &it.value))
    }

    /// The number of the last change.
    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_numbered_and_told_once() {
        let mut stream = Stream::default();
        assert_eq!(stream.take(), None);
        assert!(stream.set("a", 1) && !stream.set("b", 2));
        assert_eq!(stream.remove(&"a"), Some((1, false)));
        assert_eq!(stream.remove(&"a"), None);
        let changes = vec![
            Change::Set("a", 1),
            Change::Set("b", 2),
            Change::Remove("a"),
        ];
        assert_eq!(stream.take(), Some(Due::Changes(1, changes)));
        assert_eq!(stream.take(), None);
        assert!(stream.set("b", 3));
        assert_eq!(stream.everything(), Due::Everything(4, vec![("b", 3)]));
        let changes = vec![Change::Set("b", 3)];
        assert_eq!(stream.take(), Some(Due::Changes(4, changes)));
        assert_eq!(stream.number(), 4);
    }

    #[test]
    fn what_waits_is_bounded_and_then_everything_is_told() {
        let mut stream = Stream::default();
        let mut firsts = 0;
        for _ in 0..WAITING_LIMIT {
            firsts += usize::from(stream.set("a", 1));
            assert!(stream.waiting.len() <= WAITING_LIMIT);
            firsts += usize::from(stream.remove(&"a").is_some_and(|(_, is_first)| is_first));
        }
        stream.set("b", 2);
        assert_eq!(firsts, 1);
        let number = 2 * WAITING_LIMIT as u64 + 1;
        let everything = Due::Everything(number, vec![("b", 2)]);
        assert_eq!(stream.take(), Some(everything));
        assert_eq!(stream.take(), None);
        assert!(stream.set("c", 3));
        let changes = vec![Change::Set("c", 3)];
        assert_eq!(stream.take(), Some(Due::Changes(number + 1, changes)));
    }

    #[test]
    fn who_was_there_at_a_lapse_and_still_is_returns_once() {
        let mut stream = Stream::default();
        for key in ["a", "b", "c"] {
            stream.set(key, 1);
        }
        stream.remove(&"b");
        let lapse = |beat| Lapse {
            partition: 0,
            beat,
            number: 4,
        };
        // One who came back, one who came meanwhile, and one of whom only something has changed.
        stream.remove(&"c");
        stream.set("c", 1);
        stream.set("d", 1);
        stream.set("a", 2);
        let mut returned = |beat, now| {
            let returned = stream.returned(lapse(beat), now);
            returned
                .map(|(key, value)| (*key, *value))
                .collect::<Vec<_>>()
        };
        assert_eq!(returned(7, 9), [("a", 2)]);
        assert_eq!(returned(8, 9), [], "another replica's");
        assert_eq!(returned(9, 12), [("a", 2)], "of another lapse");
    }

    #[test]
    fn room_is_given_back() {
        let mut stream = Stream::default();
        for key in 0..10_000 {
            stream.set(key, ());
        }
        for key in 0..10_000 {
            stream.remove(&key);
        }
        assert!(
            stream.entries.capacity() < 100,
            "{}",
            stream.entries.capacity()
        );
    }
}
