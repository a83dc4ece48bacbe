//! How often times came, by their length. Counting takes no lock: two additions to words that others may add to as well.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the buckets, in seconds; one more has what is longer.
pub(crate) const SECONDS: [f64; 16] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0,
];

/// The same in microseconds.
const MICROS: [u64; SECONDS.len()] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000,
];

/// Times, by their length. Aligned so that threads that count in different ones do not slow each other.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Histogram {
    buckets: [AtomicU64; MICROS.len() + 1],
    /// In nanoseconds: much of what is measured is shorter than a microsecond.
    sum: AtomicU64,
}

/// What a histogram held at some moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// How often, by bucket.
    pub(crate) counts: [u64; MICROS.len() + 1],
    /// Of all, in seconds.
    pub(crate) sum: f64,
}

impl Histogram {
    /// Counts a time.
    pub fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        let bucket = MICROS.partition_point(|end| *end < micros);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// What it holds now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut counts = [0; MICROS.len() + 1];
        for (count, bucket) in counts.iter_mut().zip(&self.buckets) {
            *count = bucket.load(Ordering::Relaxed);
        }
        let sum = Duration::from_nanos(self.sum.load(Ordering::Relaxed));
        Snapshot {
            counts,
            sum: sum.as_secs_f64(),
        }
    }
}

impl Snapshot {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What several hold together.
    #[must_use]
    pub fn merged(all: impl IntoIterator<Item = Self>) -> Self {
        all.into_iter().fold(Self::default(), |mut sum, other| {
            for (count, more) in sum.counts.iter_mut().zip(other.counts) {
                *count += more;
            }
            sum.sum += other.sum;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_where_it_is_not_above_the_end() {
        for (micros, bucket) in [
            (0, 0),
            (50, 0),
            (51, 1),
            (1_000, 4),
            (1_001, 5),
            (5_000_000, 15),
            (5_000_001, 16),
            (u64::MAX / 1_000, 16),
        ] {
            let histogram = Histogram::default();
            histogram.record(Duration::from_micros(micros));
            let counts = histogram.snapshot().counts;
            let found = counts.iter().position(|it| *it == 1);
            assert_eq!(found, Some(bucket), "{micros}");
        }
        let histogram = Histogram::default();
        histogram.record(Duration::from_nanos(50_001));
        assert_eq!(histogram.snapshot().counts[1], 1);
    }

    #[test]
    fn buckets_are_the_same_in_both_units() {
        for (seconds, micros) in SECONDS.iter().zip(MICROS) {
            assert_eq!((seconds * 1e6).round() as u64, micros);
        }
    }

    #[test]
    fn several_are_read_as_one() {
        let (one, other) = (Histogram::default(), Histogram::default());
        one.record(Duration::from_millis(1));
        other.record(Duration::from_millis(1));
        other.record(Duration::from_secs(9));
        let all = Snapshot::merged([one.snapshot(), other.snapshot()]);
        assert_eq!((all.count(), all.counts[4], all.counts[16]), (3, 2, 1));
        assert!((all.sum - 9.002).abs() < 1e-9, "{}", all.sum);
    }
}
