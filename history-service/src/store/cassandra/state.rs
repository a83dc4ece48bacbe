//! What is known of a stream, and how it changes. Pure.
//!
//! Rows are written before the state, and counted by it: what the state has not seen is not there, whoever wrote it.

use prost::Message;
use tidegate_backbone::Partition;
use tidegate_proto::archive::SharedStream;

use crate::store::stored::{self, StreamState};
use crate::store::{Coverage, StoreError};

/// Stretches of a stream that are remembered as seen. Of more the oldest are forgotten, and prove nothing any more.
const SPAN_LIMIT: usize = 512;

/// What is known of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) known: StreamState,
    /// Sequences that share a partition.
    pub(super) width: u64,
    /// Everything up to here that `seen` has forgotten was seen all the same.
    forgotten: u64,
    /// Removals so far.
    pub(super) removals: u64,
    /// The largest sequence that any of them reached.
    pub(super) removed_to: u64,
    /// Everything older than this has been trimmed, in milliseconds since the Unix epoch.
    pub(super) swept: u64,
}

/// What was written of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Sequences of records, and their bytes.
    pub(super) records: Vec<(u64, u64)>,
    /// Sequences of what is not archived.
    pub(super) passed_over: Vec<u64>,
    pub(super) watermark: u64,
    pub(super) partition: Partition,
    /// The removals that were known when the records were written.
    pub(super) removals: u64,
}

/// Whether what was written counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It does.
    In,
    /// Something was removed meanwhile, perhaps of this.
    Outdated,
}

impl State {
    pub(super) fn new(width: u64, swept: u64) -> Self {
        Self {
            width,
            swept,
            ..Self::default()
        }
    }

    pub(super) fn coverage(&self) -> &Coverage {
        &self.known.coverage
    }

    /// Whether a record is there, if its row is.
    pub(super) fn has(&self, sequence: u64) -> bool {
        let Coverage { floor, seen, .. } = self.coverage();
        sequence > *floor && (sequence <= self.forgotten || seen.contains(sequence))
    }

    /// Counts what was written, each sequence once.
    pub(super) fn take_in(&mut self, written: &Written) -> Taken {
        let first = written.records.iter().map(|(sequence, _)| *sequence).min();
        if written.removals != self.removals && first.is_some_and(|it| it <= self.removed_to) {
            return Taken::Outdated;
        }
        self.known.partition.get_or_insert(written.partition);
        for (sequence, bytes) in &written.records {
            let is_new = *sequence > self.known.coverage.floor && !self.has(*sequence);
            self.known.coverage.seen.insert(*sequence, *sequence);
            if is_new {
                self.known.count.add(*bytes);
            }
        }
        let coverage = &mut self.known.coverage;
        for sequence in &written.passed_over {
            coverage.seen.insert(*sequence, *sequence);
        }
        coverage.watermark = coverage.watermark.max(written.watermark);
        coverage.seen.forget_to(coverage.floor);
        let stretches = coverage.seen.iter().count();
        if let Some(surplus) = stretches.checked_sub(SPAN_LIMIT).filter(|it| *it > 0) {
            let last = coverage.seen.iter().nth(surplus - 1);
            self.forgotten = last.map_or(0, |it| *it.end()).max(self.forgotten);
            coverage.seen.keep_last(SPAN_LIMIT);
        }
        Taken::In
    }

    /// Moves the floor up, past so many records.
    pub(super) fn trim(&mut self, floor: u64, publications: u64, bytes: u64) {
        let StreamState {
            coverage, count, ..
        } = &mut self.known;
        coverage.floor = floor.max(coverage.floor);
        coverage.seen.forget_to(coverage.floor);
        count.publications = count.publications.saturating_sub(publications);
        count.bytes = count.bytes.saturating_sub(bytes);
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let stored = SharedStream {
            stream: Some(self.known.to_stored()),
            bucket: self.width,
            forgotten: self.forgotten,
            removals: self.removals,
            removed_to: self.removed_to,
            swept: self.swept,
        };
        stored.encode_to_vec()
    }

    pub(super) fn decode(value: Vec<u8>) -> Result<Self, StoreError> {
        let stored: SharedStream = stored::decode(value)?;
        Ok(Self {
            known: StreamState::from_stored(stored.stream.unwrap_or_default()),
            width: stored.bucket,
            forgotten: stored.forgotten,
            removals: stored.removals,
            removed_to: stored.removed_to,
            swept: stored.swept,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(records: impl IntoIterator<Item = u64>) -> Written {
        Written {
            records: records.into_iter().map(|it| (it, 10)).collect(),
            ..Written::default()
        }
    }

    #[test]
    fn what_is_taken_in_twice_counts_once() {
        let mut state = State::new(100, 0);
        for some in [vec![1, 2, 2], vec![2, 3], vec![1, 2, 3]] {
            assert_eq!(state.take_in(&written(some)), Taken::In);
        }
        assert_eq!(state.known.count.publications, 3);
        assert_eq!(state.known.count.bytes, 30);
        assert!(state.has(3) && !state.has(4));
        assert_eq!(State::decode(state.encode()), Ok(state));
    }

    #[test]
    fn what_was_written_beside_a_removal_is_looked_at_again() {
        let mut state = State::new(100, 0);
        (state.removals, state.removed_to) = (1, 5);
        assert_eq!(state.take_in(&written([5, 6])), Taken::Outdated);
        assert_eq!(
            state,
            State {
                removals: 1,
                removed_to: 5,
                ..State::new(100, 0)
            }
        );
        assert_eq!(state.take_in(&written([6, 7])), Taken::In);
        let again = Written {
            removals: 1,
            ..written([5])
        };
        assert_eq!(state.take_in(&again), Taken::In);
    }

    #[test]
    fn what_is_trimmed_does_not_come_back() {
        let mut state = State::new(100, 0);
        state.take_in(&written(1..=9));
        state.trim(5, 5, 50);
        state.take_in(&written(1..=9));
        assert_eq!(state.known.count.publications, 4);
        assert!(!state.has(5) && state.has(6));
        assert!(!state.coverage().proves(4, 9) && state.coverage().proves(5, 9));
    }

    #[test]
    fn what_is_forgotten_is_there_but_proves_nothing() {
        let mut state = State::new(100, 0);
        let gaps = 2 * SPAN_LIMIT as u64 + 2;
        state.take_in(&written((1..=gaps).filter(|it| it % 2 == 1)));
        assert!(state.has(1) && !state.coverage().proves(0, 1));
        state.take_in(&written([1]));
        assert_eq!(state.known.count.publications, SPAN_LIMIT as u64 + 1);
    }
}
