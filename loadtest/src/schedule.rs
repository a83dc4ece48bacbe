//! An open-loop schedule: when each of many sends is meant to happen, whether or not the server keeps up.
//!
//! Times are computed from the start, never from the last send, so nothing drifts and nothing is omitted: what is sent late
//! keeps its intended time. It knows no clock.

use serde::{Deserialize, Serialize};

const SECOND: f64 = 1e9;

/// A stretch of sends at an even rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// The first send, in nanoseconds.
    pub start: u64,
    /// No send is at or after it.
    pub end: u64,
    /// Sends per second.
    pub rate: f64,
}

impl Schedule {
    /// When send number `index` is meant to happen; `None` past the end.
    #[must_use]
    pub fn at(&self, index: u64) -> Option<u64> {
        if self.rate <= 0.0 {
            return None;
        }
        // 2^53 sends are more than any run has.
        let time = self.start + (index as f64 * SECOND / self.rate) as u64;
        (time < self.end).then_some(time)
    }

    /// How many sends there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let length = self.end.saturating_sub(self.start) as f64;
        let mut count = (length * self.rate / SECOND).ceil() as u64;
        while self.at(count).is_some() {
            count += 1;
        }
        while count > 0 && self.at(count - 1).is_none() {
            count -= 1;
        }
        count
    }
}

/// A schedule and how far it has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    schedule: Schedule,
    next: u64,
}

impl Progress {
    /// Nothing sent yet.
    #[must_use]
    pub fn new(schedule: Schedule) -> Self {
        Self { schedule, next: 0 }
    }

    /// The number and the intended time of the next send, if it is due at `now`.
    pub fn due(&mut self, now: u64) -> Option<(u64, u64)> {
        let time = self.schedule.at(self.next).filter(|time| *time <= now)?;
        self.next += 1;
        Some((self.next - 1, time))
    }

    /// When the next send is meant to happen; `None` when all are done.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.schedule.at(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: f64, seconds: u64) -> Schedule {
        let (start, end) = (5_000, 5_000 + seconds * 1_000_000_000);
        Schedule { start, end, rate }
    }

    #[test]
    fn sends_are_even_and_end() {
        let four = schedule(4.0, 1);
        let times = (0..5).map(|index| four.at(index));
        let quarter = 250_000_000;
        let expected = (0..4).map(|index| Some(5_000 + index * quarter));
        assert!(times.eq(expected.chain([None])));
    }

    #[test]
    fn the_count_is_that_of_the_sends() {
        for (rate, seconds, expected) in [
            (4.0, 1, 4),
            (1_000.0, 20, 20_000),
            (0.2, 4, 1),
            (0.3, 10, 3),
            (7.0, 3, 21),
            (0.0, 10, 0),
        ] {
            let schedule = schedule(rate, seconds);
            assert_eq!(schedule.count(), expected, "{schedule:?}");
        }
    }

    #[test]
    fn a_late_sender_catches_up_with_the_intended_times() {
        let mut progress = Progress::new(schedule(10.0, 1));
        assert_eq!(progress.due(4_999), None);
        assert_eq!(progress.due(5_000), Some((0, 5_000)));
        assert_eq!(progress.due(5_000), None);
        let late = 5_000 + 250_000_000;
        assert_eq!(progress.due(late), Some((1, 100_005_000)));
        assert_eq!(progress.due(late), Some((2, 200_005_000)));
        assert_eq!(progress.due(late), None);
        assert_eq!(progress.next(), Some(300_005_000));
    }
}
