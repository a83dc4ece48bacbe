//! Latencies as HDR histograms: recorded apart in each process and for each second, then merged from their samples.
//!
//! Percentiles are only ever taken of merged samples, never averaged.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Below it latencies are not told apart, in nanoseconds.
const LOWEST: u64 = 1_000;

/// Above it they all count as this long.
const HIGHEST: u64 = 3_600_000_000_000;

/// Significant decimal digits.
const DIGITS: u8 = 3;

/// What the report shows of each.
const PERCENTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// From the intended send of a message to its arrival.
    Delivery,
    /// From the first packet to the last subscription's reply.
    Connect,
    /// From the intended send of a publish to its reply.
    Publish,
    /// From the intended send of a subscribe to its reply.
    Subscribe,
    /// From the intended send of an unsubscribe to its reply.
    Unsubscribe,
    /// From the reconnect's first packet until everything missed has come.
    Replay,
    /// From the drop of a connection until everything missed has come.
    Recovery,
    /// In closed loop: from a message's send until all have it.
    Round,
    /// From the intended send of a message until this program sent it.
    Lag,
}

/// Latencies of one kind.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST, HIGHEST, DIGITS);
        Self(histogram.expect("the bounds are in order"))
    }
}

impl Latencies {
    /// Takes one, in nanoseconds.
    pub fn record(&mut self, latency: u64) {
        self.0.saturating_record(latency.max(LOWEST));
    }

    /// Adds what another one has.
    pub fn merge(&mut self, samples: &Samples) {
        for (latency, count) in &samples.0 {
            self.0.saturating_record_n(*latency, *count);
        }
    }

    /// All that is in it, which leaves it empty.
    pub fn drain(&mut self) -> Samples {
        let values = self.0.iter_recorded();
        let samples = values.map(|value| (value.value_iterated_to(), value.count_at_value()));
        let samples = Samples(samples.collect());
        self.0.reset();
        samples
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of all does not exceed, in milliseconds.
    #[must_use]
    pub fn percentile(&self, percentile: f64) -> f64 {
        milliseconds(self.0.value_at_percentile(percentile))
    }

    /// The figures that are written down.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let percentiles = PERCENTILES.map(|at| (format!("p{at}"), self.percentile(at)));
        Summary {
            count: self.count(),
            mean_ms: self.0.mean() / 1e6,
            max_ms: milliseconds(self.0.max()),
            percentiles_ms: percentiles.into(),
            curve_ms: self.curve(),
        }
    }

    /// Percentile and latency, closer together towards 100.
    fn curve(&self) -> Vec<(f64, f64)> {
        let steps = self.0.iter_quantiles(4);
        let points = steps.map(|step| {
            let latency = milliseconds(step.value_iterated_to());
            (step.quantile_iterated_to() * 100.0, latency)
        });
        points.collect()
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

/// Latencies on their way to another process: value and count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples(Vec<(u64, u64)>);

/// The figures of one kind of latency, in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub mean_ms: f64,
    pub max_ms: f64,
    pub percentiles_ms: BTreeMap<String, f64>,
    /// Percentile and latency.
    pub curve_ms: Vec<(f64, f64)>,
}

impl Summary {
    /// One of the percentiles, by its name.
    #[must_use]
    pub fn percentile(&self, name: &str) -> f64 {
        self.percentiles_ms.get(name).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Percentiles of `count` latencies from 1 ms up, merged from processes that had every third each.
    #[test]
    fn percentiles_come_from_merged_samples() {
        let mut parts = [0, 1, 2].map(|_| Latencies::default());
        for latency in 1..=1_000_u64 {
            // One process has the slow ones: an average of percentiles would hide them.
            let part = if latency > 990 { 2 } else { latency % 2 };
            parts[usize::try_from(part).unwrap()].record(latency * 1_000_000);
        }
        let mut all = Latencies::default();
        for part in &mut parts {
            all.merge(&part.drain());
            assert_eq!(part.count(), 0);
        }
        let summary = all.summary();
        assert_eq!(summary.count, 1_000);
        for (name, expected) in [("p50", 500.0), ("p99", 990.0), ("p99.9", 999.0)] {
            let found = summary.percentile(name);
            assert!((found / expected - 1.0).abs() < 0.002, "{name}: {found}");
        }
        assert!((summary.max_ms / 1_000.0 - 1.0).abs() < 0.002);
        assert!(
            summary
                .curve_ms
                .is_sorted_by(|a, b| a.0 <= b.0 && a.1 <= b.1)
        );
    }

    #[test]
    fn what_is_out_of_range_counts_at_the_range_s_end() {
        let mut latencies = Latencies::default();
        latencies.record(0);
        latencies.record(u64::MAX);
        assert_eq!(latencies.count(), 2);
        assert!(latencies.summary().max_ms >= 3_600_000.0);
    }
}
