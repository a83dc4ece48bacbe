//! What all clients together saw.

use std::fmt;
use std::time::Duration;

use super::verdict::Verdict;

/// The verdict of all channels, and what else is of interest.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) subscribers: u64,
    pub(crate) verdict: Verdict,
    pub(crate) recoveries: u64,
    /// Times that a subscriber was told that it cannot have everything.
    pub(crate) unrecovered: u64,
    /// Subscribers that found no gateway, or found fault with what it said.
    pub(crate) gave_up: u64,
    pub(crate) longest_silence: Duration,
}

impl Tally {
    /// Whether everybody has everything, and it was put to the test: so many recoveries there were at least, and not much less
    /// was stored than published.
    pub(crate) fn is_clean(&self, recoveries: u64) -> bool {
        self.verdict.is_clean()
            && (self.unrecovered, self.gave_up) == (0, 0)
            && self.recoveries >= recoveries
            && self.verdict.acknowledged * 10 > self.verdict.published
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} clients, {}, {} recoveries, {} not recovered, {} gave up, longest time without delivery {:.1} s",
            self.subscribers,
            self.verdict,
            self.recoveries,
            self.unrecovered,
            self.gave_up,
            self.longest_silence.as_secs_f64()
        )
    }
}
