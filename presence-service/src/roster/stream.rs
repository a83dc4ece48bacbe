//! One stream of a node: which of its changes are here, and which are missing.

use std::time::Duration;

use crate::message::{Change, Chunk, Lapse};

/// How long what is missing may still be on its way.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a snapshot may take before it is asked for again.
const RETRY: Duration = Duration::from_secs(2);

/// What one stream's messages came to.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Everything up to this number is in the book; without it nothing is known.
    number: Option<u64>,
    /// The highest number that was heard of.
    newest: u64,
    /// Since when something is missing.
    missing: Option<Duration>,
    asked: Option<Duration>,
    assembly: Option<Assembly>,
    /// When leaves were told of those who may be there still, until the node knows.
    lapse: Option<Lapse>,
}

/// A snapshot of which not all chunks have come.
#[derive(Debug)]
struct Assembly {
    number: u64,
    chunks: u32,
    entries: Vec<Change>,
    next: u32,
}

/// What to do to the book with what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// These changes follow on what is there.
    Apply(Vec<Change>),
    /// This is everything. `is_first`: nothing was known before.
    Replace {
        entries: Vec<Change>,
        is_first: bool,
    },
}

impl Stream {
    /// Takes changes with numbers from `first`.
    pub(super) fn changes(&mut self, first: u64, mut changes: Vec<Change>, now: Duration) -> Step {
        // Something came between chunks, so one was lost, or this is late.
        self.assembly = None;
        let last = first + (changes.len() as u64 - 1);
        self.newest = self.newest.max(last);
        // A stream whose first change this is had nothing in it.
        let known = self.number.or((first == 1).then_some(0));
        let step = match known {
            Some(number) if last <= number => Step::Nothing,
            Some(number) if first <= number + 1 => {
                self.number = Some(last);
                let known = usize::try_from(number + 1 - first).unwrap_or(usize::MAX);
                Step::Apply(changes.split_off(known.min(changes.len())))
            }
            Some(_) | None => Step::Nothing,
        };
        self.look(now);
        step
    }

    /// Takes a part of a snapshot.
    pub(super) fn chunk(&mut self, chunk: Chunk, now: Duration) -> Step {
        self.newest = self.newest.max(chunk.number);
        if self.asked.is_some() {
            // A node takes a request as a whole.
            self.lapse = None;
        }
        let step = match self.number {
            // Nothing is missing that it could tell.
            Some(number) if number >= chunk.number => Step::Nothing,
            Some(_) | None => self.assemble(chunk),
        };
        self.look(now);
        step
    }

    fn assemble(&mut self, chunk: Chunk) -> Step {
        let fits = |it: &Assembly| {
            it.number == chunk.number && it.chunks == chunk.chunks && it.next == chunk.chunk
        };
        let mut assembly = match self.assembly.take() {
            Some(assembly) if fits(&assembly) => assembly,
            _ if chunk.chunk == 0 => Assembly {
                number: chunk.number,
                chunks: chunk.chunks,
                entries: Vec::new(),
                next: 0,
            },
            _ => return Step::Nothing,
        };
        assembly.entries.extend(chunk.entries);
        assembly.next += 1;
        if assembly.next < assembly.chunks {
            self.assembly = Some(assembly);
            return Step::Nothing;
        }
        let is_first = self.number.is_none();
        self.number = Some(assembly.number);
        Step::Replace {
            entries: assembly.entries,
            is_first,
        }
    }

    /// Takes the number of the last change that the node has made, which a beat tells.
    pub(super) fn beat(&mut self, number: u64, now: Duration) {
        self.newest = self.newest.max(number);
        if number == 0 && self.number.is_none() {
            self.number = Some(0);
        }
        self.look(now);
    }

    /// Notes whether something is missing.
    fn look(&mut self, now: Duration) {
        if !self.is_whole() {
            self.missing.get_or_insert(now);
            return;
        }
        self.missing = None;
        if self.lapse.is_none() {
            self.asked = None;
        }
    }

    /// Notes that leaves are told of everybody, and the last beat before.
    pub(super) fn lapsed(&mut self, partition: u32, beat: u64) {
        self.lapse = self.number.map(|number| Lapse {
            partition,
            beat,
            number,
        });
    }

    /// Notes that they were not told after all.
    pub(super) fn not_lapsed(&mut self) {
        self.lapse = None;
    }

    /// Whether everything that was heard of is in the book.
    pub(super) fn is_whole(&self) -> bool {
        self.number.is_some_and(|number| number >= self.newest)
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        self.number.is_some()
    }

    /// Whether a snapshot is on its way.
    pub(super) fn is_asked(&self, now: Duration) -> bool {
        self.asked.is_some_and(|asked| now < asked + RETRY)
    }

    /// Whether a snapshot should be asked for now.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        let is_needed = match self.missing {
            Some(missing) => now >= missing + PATIENCE,
            None => self.lapse.is_some(),
        };
        is_needed && !self.is_asked(now)
    }

    /// Notes that a snapshot is asked for. Gives what the node has to be told with it.
    pub(super) fn ask(&mut self, now: Duration) -> Option<Lapse> {
        self.asked = Some(now);
        self.assembly = None;
        self.lapse
    }

    /// Forgets everything, as what was in the book is not there any more. Where nothing ever happened that is all the same.
    pub(super) fn reset(&mut self, now: Duration) {
        *self = Self {
            number: self.number.filter(|_| self.newest == 0),
            newest: self.newest,
            lapse: self.lapse,
            ..Self::default()
        };
        self.look(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Client;

    const NOW: Duration = Duration::ZERO;

    fn changes(numbers: std::ops::RangeInclusive<u8>) -> Vec<Change> {
        numbers.map(change).collect()
    }

    fn change(number: u8) -> Change {
        Change::Disconnect {
            client: Client([number; 16]),
        }
    }

    fn chunk(number: u64, chunk: u32, chunks: u32) -> Chunk {
        Chunk {
            number,
            chunk,
            chunks,
            entries: vec![change(u8::try_from(chunk).unwrap())],
        }
    }

    #[test]
    fn changes_apply_once_and_without_a_gap() {
        let mut stream = Stream::default();
        let mut check = |first, numbers, expected| {
            let step = stream.changes(first, changes(numbers), NOW);
            assert_eq!(step, expected, "from {first}");
        };
        check(2, 2..=3, Step::Nothing);
        check(1, 1..=2, Step::Apply(changes(1..=2)));
        check(1, 1..=2, Step::Nothing);
        check(2, 2..=4, Step::Apply(changes(3..=4)));
        check(6, 6..=6, Step::Nothing);
        check(5, 5..=6, Step::Apply(changes(5..=6)));
    }

    #[test]
    fn a_snapshot_needs_all_its_chunks_in_a_row() {
        let mut stream = Stream::default();
        let all = |is_first| Step::Replace {
            entries: changes(0..=1),
            is_first,
        };
        assert_eq!(stream.chunk(chunk(9, 1, 2), NOW), Step::Nothing);
        assert_eq!(stream.chunk(chunk(9, 0, 2), NOW), Step::Nothing);
        assert_eq!(stream.changes(10, changes(1..=1), NOW), Step::Nothing);
        assert_eq!(stream.chunk(chunk(9, 1, 2), NOW), Step::Nothing);
        assert_eq!(stream.chunk(chunk(10, 0, 2), NOW), Step::Nothing);
        assert_eq!(stream.chunk(chunk(10, 1, 2), NOW), all(true));
        assert_eq!(stream.chunk(chunk(10, 0, 2), NOW), Step::Nothing);
        assert_eq!(
            stream.changes(11, changes(5..=5), NOW),
            Step::Apply(changes(5..=5))
        );
        assert!(stream.is_whole());
    }

    #[test]
    fn a_lapse_is_told_until_the_node_has_heard_of_it() {
        let mut stream = Stream::default();
        stream.changes(1, changes(1..=3), NOW);
        stream.lapsed(7, 5);
        stream.reset(NOW);
        let lapse = Lapse {
            partition: 7,
            beat: 5,
            number: 3,
        };
        // Another replica's request is answered first, and says nothing of what this one knows.
        stream.chunk(chunk(3, 0, 1), NOW);
        assert!(stream.is_whole() && stream.is_due(NOW));
        assert_eq!(stream.ask(NOW), Some(lapse));
        stream.changes(4, changes(4..=4), NOW);
        assert!(!stream.is_due(RETRY / 2) && stream.is_due(RETRY));
        assert_eq!(stream.ask(RETRY), Some(lapse));
        stream.chunk(chunk(4, 0, 1), RETRY);
        assert!(!stream.is_due(RETRY * 9));
    }

    #[test]
    fn what_is_missing_is_asked_for_once_in_a_while() {
        let mut stream = Stream::default();
        stream.beat(0, NOW);
        assert!(stream.is_whole() && !stream.is_due(RETRY));
        stream.beat(3, NOW);
        assert!(!stream.is_whole() && !stream.is_due(NOW) && stream.is_due(PATIENCE));
        stream.ask(PATIENCE);
        assert!(!stream.is_due(PATIENCE + RETRY / 2) && stream.is_due(PATIENCE + RETRY));
        stream.changes(1, changes(1..=3), RETRY);
        assert!(stream.is_whole() && !stream.is_due(RETRY * 9));
    }
}
