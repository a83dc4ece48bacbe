//! What a worker counts and measures.

use std::collections::BTreeMap;

use crate::latency::{Latencies, Metric, Samples};
use crate::order::Counters;

/// Reasons that are told apart; a server that gives ever new ones does not fill the memory.
const REASONS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counters: Counters,
    pub(super) deliveries: Latencies,
    others: BTreeMap<Metric, Latencies>,
}

impl Tally {
    /// Takes a latency other than of a delivery.
    pub(super) fn record(&mut self, metric: Metric, latency: u64) {
        self.others.entry(metric).or_default().record(latency);
    }

    /// Counts what went wrong.
    pub(super) fn fault(&mut self, reason: &str) {
        let faults = &mut self.counters.faults;
        let known = faults.len() < REASONS || faults.contains_key(reason);
        let reason = if known { reason } else { "other" };
        *faults.entry(reason.to_owned()).or_default() += 1;
    }

    /// The latencies since the last time.
    pub(super) fn drain(&mut self) -> BTreeMap<Metric, Samples> {
        let mut drained = BTreeMap::from([(Metric::Delivery, self.deliveries.drain())]);
        for (metric, latencies) in &mut self.others {
            drained.insert(*metric, latencies.drain());
        }
        drained
    }
}
