//! How far a stream was known to reach, and whether one that a server tells of can be the same. Pure.
//!
//! Servers that do not sync before they confirm can come back from a power cut with a stream that has lost its end. It has the
//! time at which it was made, and gives its sequences a second time. That is noticed by those who have seen more of it; where
//! nobody is left who has, the loss is assumed.

use serde::{Deserialize, Serialize};

/// Bytes of a text in a mark that another node has sent.
const TEXT_LIMIT: usize = 512;

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
    /// The highest sequence that was confirmed to a publisher, and the id of the publication.
    #[serde(default)]
    pub(super) named: (u64, String),
    /// Others have seen the stream under another epoch.
    #[serde(skip)]
    is_disputed: bool,
}

/// What a server says of a stream.
#[derive(Debug, Clone)]
pub(super) struct Found<'a> {
    pub(super) created: &'a str,
    pub(super) epoch: &'a str,
    pub(super) last: u64,
    /// The time of the message at the mark's dated sequence, if it is there.
    pub(super) time: Option<u64>,
    /// The id of the message at the mark's named sequence, if it is there; empty if it has none.
    pub(super) id: Option<String>,
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
    /// Somebody has had everything up to a sequence.
    pub(super) fn reach(&mut self, epoch: &str, sequence: u64) {
        if self.epoch == epoch {
            self.top = self.top.max(sequence);
        }
    }

    /// A publication is confirmed.
    pub(super) fn confirm(&mut self, epoch: &str, sequence: u64, id: String) {
        self.reach(epoch, sequence);
        // A publisher may give longer ids than others take.
        if self.epoch == epoch && sequence > self.named.0 && id.len() <= TEXT_LIMIT {
            self.named = (sequence, id);
        }
    }

    /// A message is heard. False: its sequence was another's before.
    pub(super) fn hear(&mut self, epoch: &str, sequence: u64, time: u64) -> bool {
        if self.epoch != epoch {
            return true;
        }
        self.reach(epoch, sequence);
        let (last, then) = self.dated;
        if sequence > last {
            self.dated = (sequence, time);
        }
        sequence > last || time <= then
    }

    /// Whether its texts are as short as those of nodes.
    pub(super) fn is_short(&self) -> bool {
        let texts = [&self.created, &self.epoch, &self.named.1];
        texts.iter().all(|text| text.len() <= TEXT_LIMIT)
    }

    /// Takes what another node has seen.
    pub(super) fn merge(&mut self, other: Self) {
        if self.created.is_empty() {
            *self = other;
        } else if self.created == other.created && self.epoch == other.epoch {
            self.top = self.top.max(other.top);
            self.dated = self.dated.max(other.dated);
            if other.named.0 > self.named.0 {
                self.named = other.named;
            }
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
            ..Self::default()
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
        let is_late = found.time.is_some_and(|time| time != self.dated.1);
        let is_foreign = found.id.as_ref().is_some_and(|id| *id != self.named.1);
        if is_same && (is_late || is_foreign) {
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

    fn found(last: u64) -> Found<'static> {
        Found {
            created: "monday",
            epoch: "a",
            last,
            time: None,
            id: None,
            run: Run::Unknown,
            can_lose: true,
        }
    }

    fn mark(top: u64) -> Mark {
        Mark {
            created: "monday".to_owned(),
            epoch: "a".to_owned(),
            top,
            dated: (top, 500),
            named: (top, "x".to_owned()),
            is_disputed: false,
        }
    }

    #[test]
    fn a_stream_is_whole_unless_somebody_saw_more_or_nobody_knows() {
        let disputed = Mark {
            is_disputed: true,
            ..mark(10)
        };
        let same = || found(10);
        let new = || Found {
            run: Run::New,
            ..same()
        };
        let unheard = || Found {
            run: Run::NewUnheard,
            ..same()
        };
        let synced = |found| Found {
            can_lose: false,
            ..found
        };
        let at = |time| Found {
            time: Some(time),
            ..same()
        };
        let by = |id: &str| Found {
            id: Some(id.to_owned()),
            ..same()
        };
        let of = |epoch, found| Found { epoch, ..found };
        let tuesday = Found {
            created: "tuesday",
            ..same()
        };
        let nothing = Mark::default;
        for (case, mark, found, is_whole) in [
            ("as it was", mark(10), same(), true),
            ("with more", mark(9), same(), true),
            ("with less", mark(11), same(), false),
            ("with less, and synced", mark(11), synced(same()), false),
            ("the time that was seen", mark(9), at(500), true),
            ("another time", mark(9), at(501), false),
            ("the id that was confirmed", mark(9), by("x"), true),
            ("another id", mark(9), by(""), false),
            ("made anew", mark(11), tuesday, true),
            ("given an epoch", mark(11), of("b", same()), true),
            ("with an epoch of before", mark(11), of("b", new()), false),
            ("disputed", disputed.clone(), new(), false),
            ("disputed, in the same run", disputed, same(), true),
            ("started again", mark(10), new(), true),
            ("started again, seen by others", mark(10), unheard(), false),
            ("the same, and synced", mark(10), synced(unheard()), true),
            ("new to everybody", nothing(), same(), true),
            ("started again, new to everybody", nothing(), new(), false),
            ("the same, and synced", nothing(), synced(new()), true),
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
