//! What came of a run, as one line.

use std::fmt;
use std::time::Duration;

use super::verdict::Verdict;

/// The verdict of all channels, and what else is of interest.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) seed: u64,
    pub(crate) subscribers: u32,
    pub(crate) verdict: Verdict,
    pub(crate) recoveries: u64,
    /// Times that a subscriber was told that it cannot have everything.
    pub(crate) unrecovered: u64,
    pub(crate) longest_silence: Duration,
    /// What the gateways wrote.
    pub(crate) output: String,
}

impl Outcome {
    /// # Panics
    /// When anything is wrong.
    pub(crate) fn check(&self) {
        let Self {
            verdict, output, ..
        } = self;
        assert!(verdict.is_clean(), "{self}\n{output}");
        assert_eq!(self.unrecovered, 0, "{self}\n{output}");
        // Every gateway was killed once with clients on it, or else nothing was tried.
        let (recoveries, subscribers) = (self.recoveries, u64::from(self.subscribers));
        assert!(recoveries >= subscribers, "{self}\n{output}");
        let is_most = verdict.acknowledged * 2 > verdict.published;
        assert!(is_most, "{self}\n{output}");
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {}: {} clients, {}, {} recoveries, {} not recovered, longest time without delivery {:.1} s",
            self.seed,
            self.subscribers,
            self.verdict,
            self.recoveries,
            self.unrecovered,
            self.longest_silence.as_secs_f64()
        )
    }
}
