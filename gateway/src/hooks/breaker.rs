//! Spares a backend that fails: after so many failures in a row nothing is asked for a while, then one question tries.

use std::time::{Duration, Instant};

/// Whether to ask. Pure: it is told the time.
#[derive(Debug)]
pub(super) struct Breaker {
    /// Zero for never.
    limit: usize,
    pause: Duration,
    failures: usize,
    /// Nothing is asked before.
    until: Option<Instant>,
}

impl Breaker {
    pub(super) const fn new(limit: usize, pause: Duration) -> Self {
        Self {
            limit,
            pause,
            failures: 0,
            until: None,
        }
    }

    /// Whether a question may be asked now. The first one after a pause begins another, which its success ends.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        match self.until {
            Some(until) if now < until => false,
            Some(_) => {
                self.until = Some(now + self.pause);
                true
            }
            None => true,
        }
    }

    /// Notes an answer; tells whether it ended a pause.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.until.take().is_some()
    }

    /// Notes a failure; tells whether it began a pause.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.limit == 0 || self.failures < self.limit {
            return false;
        }
        self.until.replace(now + self.pause).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(1);

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try_after_the_pause() {
        let now = Instant::now();
        let mut breaker = Breaker::new(2, PAUSE);
        assert!(breaker.allows(now) && !breaker.failed(now));
        assert!(!breaker.succeeded());
        assert!(!breaker.failed(now) && breaker.failed(now));
        assert!(!breaker.allows(now + PAUSE / 2));
        let later = now + PAUSE;
        assert!(breaker.allows(later), "one tries");
        assert!(!breaker.allows(later), "the others wait for it");
        assert!(!breaker.failed(later) && !breaker.allows(later + PAUSE / 2));
        assert!(breaker.allows(later + PAUSE) && breaker.succeeded());
        assert!(breaker.allows(later + PAUSE) && breaker.allows(later + PAUSE));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let now = Instant::now();
        let mut breaker = Breaker::new(0, PAUSE);
        assert!((0..100).all(|_| breaker.allows(now) && !breaker.failed(now)));
    }
}
