//! What went wrong on the way through NATS, counted always and logged at most now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Count;

/// At least this long between two log lines of one counter.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) malformed: Counter,
    pub(super) refused: Counter,
    pub(super) lost: Counter,
}

impl Counters {
    /// Messages dropped because their metadata was malformed or too large.
    #[must_use]
    pub fn malformed(&self) -> u64 {
        self.malformed.total()
    }

    /// Errors that the server reported, such as a subject that we have no permission on.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.total()
    }

    /// Times that the connection to NATS was lost. What is published until it is back is lost to this node.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.total()
    }

    /// All of them.
    pub(super) fn counts(&self) -> Vec<Count> {
        [
            (
                "nats_malformed",
                "Messages dropped because their metadata was malformed.",
                &self.malformed,
            ),
            (
                "nats_refused",
                "Errors that the NATS server reported, such as a forbidden subject.",
                &self.refused,
            ),
            (
                "nats_lost",
                "Times that the connection to NATS was lost.",
                &self.lost,
            ),
        ]
        .map(|(name, help, counter)| Count {
            name,
            help,
            value: counter.total(),
        })
        .to_vec()
    }
}

/// One count. `last_log` is locked for a comparison.
#[derive(Debug, Default)]
pub(super) struct Counter {
    total: AtomicU64,
    last_log: Mutex<Option<Instant>>,
}

impl Counter {
    /// Counts one, and says the total if it is time to log it.
    pub(super) fn add(&self) -> Option<u64> {
        self.add_at(Instant::now())
    }

    fn add_at(&self, now: Instant) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let mut last_log = self.last_log.lock().unwrap_or_else(PoisonError::into_inner);
        if last_log.is_some_and(|last| now.saturating_duration_since(last) < LOG_INTERVAL) {
            return None;
        }
        *last_log = Some(now);
        Some(total)
    }

    fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_counted_and_little_is_logged() {
        let counter = Counter::default();
        let start = Instant::now();
        assert_eq!(counter.add_at(start), Some(1));
        assert_eq!(counter.add_at(start + LOG_INTERVAL / 2), None);
        assert_eq!(counter.add_at(start + LOG_INTERVAL), Some(3));
        assert_eq!(counter.total(), 3);
    }
}
