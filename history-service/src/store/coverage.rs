//! What an archive has seen of a stream, and what that proves.

use super::Spans;

/// What an archive has seen of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Everything up to this sequence has been archived, as far as the stream still had it.
    pub watermark: u64,
    /// Everything up to this sequence has been trimmed.
    pub floor: u64,
    /// Sequences that have been seen; long ago the archive forgets some of them.
    pub seen: Spans,
}

impl Coverage {
    /// Whether nothing can be missing behind the offset `after` and up to `last`: every sequence there was seen, and not
    /// trimmed, so what the archive does not have there was never in the channel, or was removed.
    #[must_use]
    pub fn proves(&self, after: u64, last: u64) -> bool {
        after >= last || (after >= self.floor && self.seen.covers(after + 1, last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_and_not_trimmed_is_proved() {
        let mut coverage = Coverage {
            floor: 5,
            ..Coverage::default()
        };
        coverage.seen.insert(1, 20);
        coverage.seen.insert(31, 40);
        for (after, last, expected) in [
            (5, 20, true),
            (10, 12, true),
            (4, 20, false),
            (4, 5, false),
            (4, 4, true),
            (5, 21, false),
            (20, 40, false),
            (30, 40, true),
            (40, 40, true),
            (u64::MAX, 40, true),
        ] {
            assert_eq!(coverage.proves(after, last), expected, "({after}, {last}]");
        }
    }
}
