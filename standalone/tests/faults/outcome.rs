//! What came of a run, as one line.

use std::fmt;

use super::tally::Tally;

/// What clients saw, and what else is of interest.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) tally: Tally,
    /// What the gateways wrote.
    pub(crate) output: String,
}

impl Outcome {
    /// # Panics
    /// When anything is wrong.
    pub(crate) fn check(&self) {
        let recoveries = self.tally.subscribers;
        assert!(self.tally.is_clean(recoveries), "{self}\n{}", self.output);
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.seed, self.tally)
    }
}
