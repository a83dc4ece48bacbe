//! How far a stream was known to reach, and whether one that a server tells of can be the same. Pure.
//!
//! Servers that do not sync before they confirm can come back from a power cut with a stream that has lost its end. It has the
//! time at which it was made, and gives its sequences a second time. That is noticed by those who have seen more of it; where
//! nobody is left who has, the loss is assumed.

use serde::{Deserialize, Serialize};

/// What a node has seen of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// When the stream was made; empty: nothing was seen of it.
    pub(super) created: String,
    pub(super) epoch: String,
    /// The highest sequence that was confirmed or heard of.
    pub(super) top: u64,
    /// The highest sequence whose time is known, and its time.
    pub(super) dated: (u64, u64),
    /// Others have seen the stream under another epoch.
    #[serde(skip)]
    is_disputed: bool,
}

/// What a server says of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) created: &'a str,
    pub(super) epoch: &'a str,
    pub(super) last: u64,
    /// The time of the message at the mark's dated sequence, if it is there.
    pub(super) time: Option<u64>,
    pub(super) run: Run,
    /// Whether a power cut can have taken the end of what its server had before it started.
    pub(super) can_lose: bool,
}

/// Since when the stream's server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// It is not known, or does not matter.
    Unknown,
    /// As when the stream was last found to be whole.
    Same,
    /// It started after that.
    New,
    /// It started after that, and some who have seen the stream before do not say what they know.
    NewUnheard,
}

/// What becomes of the stream's epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that anybody has seen is gone.
    Whole,
    /// Something is gone, or may be; why.
    Lost(&'static str),
}

impl Mark {
    /// Something of the stream is confirmed or read.
    pub(super) fn see(&mut self, epoch: &str, sequence: u64) {
        if self.epoch == epoch {
            self.top = self.top.max(sequence);
        }
    }

    /// A message is heard. False: its sequence was another's before.
    pub(super) fn hear(&mut self, epoch: &str, sequence: u64, time: u64) -> bool {
        if self.epoch != epoch {
            return true;
        }
        self.top = self.top.max(sequence);
        let (last, then) = self.dated;
        if sequence > last {
            self.dated = (sequence, time);
        }
        sequence > last || time <= then
    }

    /// Takes what another node has seen.
    pub(super) fn merge(&mut self, other: Self) {
        if self.created.is_empty() {
            *self = other;
        } else if self.created == other.created && self.epoch == other.epoch {
            self.top = self.top.max(other.top);
            self.dated = self.dated.max(other.dated);
        } else if self.created == other.created {
            self.is_disputed = true;
        }
    }

    /// Takes a stream as it is; keeps what was seen of it meanwhile.
    pub(super) fn adopt(&mut self, created: &str, epoch: &str, dated: (u64, u64)) {
        let other = Self {
            created: created.to_owned(),
            epoch: epoch.to_owned(),
            top: dated.0,
            dated,
            is_disputed: false,
        };
        if self.created != created || self.epoch != epoch {
            *self = other;
            return;
        }
        self.is_disputed = false;
        self.merge(other);
    }

    /// Judges a stream that was asked for after this was seen.
    pub(super) fn judge(&self, found: &Found<'_>) -> Verdict {
        let is_new_run = matches!(found.run, Run::New | Run::NewUnheard);
        if self.created != found.created {
            let nobody_knows = self.created.is_empty() && is_new_run && found.can_lose;
            return match nobody_knows {
                true => Verdict::Lost("its server was started again, and nobody knows what it had"),
                false => Verdict::Whole,
            };
        }
        let is_same = self.epoch == found.epoch;
        if is_new_run && (self.is_disputed || !is_same) {
            return Verdict::Lost("it has an epoch that was given up");
        }
        if is_same && found.last < self.top {
            return Verdict::Lost("it ends before what was seen of it");
        }
        if is_same && found.time.is_some_and(|time| time != self.dated.1) {
            return Verdict::Lost("it has another message at a sequence that was seen");
        }
        match found.run == Run::NewUnheard && found.can_lose {
            true => Verdict::Lost(
                "its server was started again, and some who saw it do not say what it had",
            ),
            false => Verdict::Whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUND: Found<'_> = Found {
        created: "monday",
        epoch: "a",
        last: 10,
        time: None,
        run: Run::Unknown,
        can_lose: true,
    };

    fn mark(top: u64) -> Mark {
        Mark {
            created: "monday".to_owned(),
            epoch: "a".to_owned(),
            top,
            dated: (top, 500),
            is_disputed: false,
        }
    }

    #[test]
    fn a_stream_is_whole_unless_somebody_saw_more_or_nobody_knows() {
        let disputed = Mark {
            is_disputed: true,
            ..mark(10)
        };
        let new = Found {
            run: Run::New,
            ..FOUND
        };
        let unheard = Found {
            run: Run::NewUnheard,
            ..FOUND
        };
        let synced = |found| Found {
            can_lose: false,
            ..found
        };
        for (case, mark, found, is_whole) in [
            ("as it was", mark(10), FOUND, true),
            ("with more", mark(9), FOUND, true),
            ("with less", mark(11), FOUND, false),
            (
                "with less, on servers that sync",
                mark(11),
                synced(FOUND),
                false,
            ),
            (
                "the same message",
                mark(9),
                Found {
                    time: Some(500),
                    ..FOUND
                },
                true,
            ),
            (
                "another message",
                mark(9),
                Found {
                    time: Some(501),
                    ..FOUND
                },
                false,
            ),
            (
                "made anew",
                mark(11),
                Found {
                    created: "tuesday",
                    ..FOUND
                },
                true,
            ),
            (
                "given another epoch",
                mark(11),
                Found {
                    epoch: "b",
                    ..FOUND
                },
                true,
            ),
            (
                "with an epoch of before",
                mark(11),
                Found { epoch: "b", ..new },
                false,
            ),
            ("disputed", disputed.clone(), new, false),
            ("disputed, in the same run", disputed, FOUND, true),
            ("started again", mark(10), new, true),
            ("started again, seen by others", mark(10), unheard, false),
            (
                "the same, on servers that sync",
                mark(10),
                synced(unheard),
                true,
            ),
            ("new to everybody", Mark::default(), FOUND, true),
            (
                "started again, new to everybody",
                Mark::default(),
                new,
                false,
            ),
            (
                "the same, on servers that sync",
                Mark::default(),
                synced(new),
                true,
            ),
        ] {
            let verdict = mark.judge(&found);
            assert_eq!(verdict == Verdict::Whole, is_whole, "{case}: {verdict:?}");
        }
    }

    #[test]
    fn a_sequence_that_comes_again_with_a_later_time_is_noticed() {
        let mut mark = mark(10);
        assert!(mark.hear("a", 11, 600));
        assert!(mark.hear("a", 11, 600), "two listen");
        assert!(mark.hear("a", 9, 400), "late");
        assert!(mark.hear("b", 3, 700), "of another epoch");
        assert!(!mark.hear("a", 3, 700));
        assert_eq!((mark.top, mark.dated), (11, (11, 600)));
    }

    #[test]
    fn marks_of_one_epoch_become_one() {
        let mut ours = Mark::default();
        ours.merge(mark(5));
        assert_eq!(ours, mark(5));
        ours.merge(mark(7));
        assert_eq!(ours, mark(7));
        ours.merge(Mark {
            epoch: "b".to_owned(),
            ..mark(70)
        });
        assert_eq!((ours.top, ours.is_disputed), (7, true));
        ours.adopt("monday", "a", (6, 400));
        assert_eq!(ours, mark(7));
        ours.adopt("monday", "b", (6, 400));
        assert_eq!((ours.top, ours.dated), (6, (6, 400)));
    }
}
