//! How the publications of a namespace are delivered: each or only the newest, how many to a frame, and how often.

use std::time::{Duration, Instant};

/// Bytes of publications that never wait for others.
pub(super) const GATHER_LIMIT: usize = 256 * 1024;

/// The options of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Publications in one frame at most.
    pub batch: usize,
    /// How long the first of several waits for the others.
    pub delay: Duration,
    /// Time between two deliveries at least.
    pub interval: Duration,
    /// `None`: every publication counts. Otherwise the newest does, of each value of the tag with this name; without a
    /// name, of the channel.
    pub newest_by: Option<String>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            batch: 16,
            delay: Duration::ZERO,
            interval: Duration::ZERO,
            newest_by: None,
        }
    }
}

impl Delivery {
    /// When what begins to gather now is delivered; `None` for at once.
    pub(super) fn due(&self, now: Instant, last: Option<Instant>) -> Option<Instant> {
        let rested = last.map_or(now, |last| last + self.interval);
        let due = rested.max(now + self.delay);
        (due > now).then_some(due)
    }

    /// Whether publications may ever have to wait.
    pub(super) fn is_paced(&self) -> bool {
        self.delay + self.interval > Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_burst_waits_for_the_delay_or_for_its_turn() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        for (delay, interval, last, expected) in [
            (0, 0, None, None),
            (0, 0, Some(0), None),
            (5, 0, Some(1), Some(5)),
            (0, 100, None, None),
            (0, 100, Some(100), None),
            (0, 100, Some(30), Some(70)),
            (5, 100, Some(99), Some(5)),
            (5, 100, Some(30), Some(70)),
        ] {
            let delivery = Delivery {
                delay: ms(delay),
                interval: ms(interval),
                ..Delivery::default()
            };
            let due = delivery.due(now, last.map(|ago| now - ms(ago)));
            assert_eq!(due.map(|due| due - now), expected.map(ms));
        }
    }
}
