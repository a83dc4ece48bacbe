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
    /// Subscribers that found no gateway, or found fault with what it said.
    pub(crate) gave_up: u64,
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
        assert_eq!((self.unrecovered, self.gave_up), (0, 0), "{self}\n{output}");
        // If nobody had to recover, or little was stored, nothing was tried.
        let (recoveries, subscribers) = (self.recoveries, u64::from(self.subscribers));
        assert!(recoveries >= subscribers, "{self}\n{output}");
        assert!(
            verdict.acknowledged * 10 > verdict.published,
            "{self}\n{output}"
        );
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
