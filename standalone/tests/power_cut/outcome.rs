//! What came of the rounds of a setting, as one line.

use std::fmt;

use super::verdict::Verdict;

/// The verdict of all rounds.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) rounds: u64,
    /// Rounds after which something acknowledged was missing.
    pub(crate) losses: u64,
    /// Rounds after which the positions of clients belonged to another epoch.
    pub(crate) epochs: u64,
    pub(crate) verdict: Verdict,
}

impl Outcome {
    /// # Panics
    /// When anything that was acknowledged is missing, or somebody was told that it might be.
    pub(crate) fn check_whole(&self) {
        assert!(self.is_tried(), "{self}");
        assert!(self.verdict.is_whole() && self.epochs == 0, "{self}");
    }

    /// # Panics
    /// When somebody misses something and was not told.
    pub(crate) fn check_honest(&self) {
        assert!(self.is_tried(), "{self}");
        assert!(self.verdict.is_honest(), "{self}");
    }

    /// Nothing is shown by a load that is hardly acknowledged.
    fn is_tried(&self) -> bool {
        self.rounds > 0 && self.verdict.acknowledged >= self.rounds * 50
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: seed {}, {} power cuts, {} with loss, {} with a new epoch: {}",
            self.name, self.seed, self.rounds, self.losses, self.epochs, self.verdict
        )
    }
}
