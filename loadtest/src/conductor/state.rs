//! What the workers have told until now, taken together.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::latency::{Latencies, Metric, Samples, Summary};
use crate::order::{Counters, Notice};

/// What one worker has told.
#[derive(Debug, Default)]
struct Told {
    connected: bool,
    dropped: bool,
    published: bool,
    counted: bool,
    reached: Option<u64>,
    missing: Option<u64>,
    counters: Counters,
}

#[derive(Debug)]
pub(super) struct State {
    workers: Vec<Told>,
    latencies: BTreeMap<Metric, Latencies>,
    /// Deliveries' latencies since they were last taken.
    recent: Latencies,
    published: Vec<u32>,
    /// When the last stretch of publishing began.
    began: u64,
    /// Deliveries of all workers, at seconds of the clock.
    deliveries: BTreeMap<u64, (usize, u64)>,
}

impl State {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Told::default()).collect(),
            latencies: BTreeMap::new(),
            recent: Latencies::default(),
            published: Vec::new(),
            began: 0,
            deliveries: BTreeMap::new(),
        }
    }

    pub(super) fn take(&mut self, worker: usize, notice: Notice) -> Result<()> {
        let told = &mut self.workers[worker];
        match notice {
            Notice::Connected => told.connected = true,
            Notice::Dropped => told.dropped = true,
            Notice::Reached { at } => told.reached = Some(at),
            Notice::Counted(counters) => (told.counters, told.counted) = (counters, true),
            Notice::Published { counts, began } => {
                told.published = true;
                (self.published, self.began) = (counts, began);
            }
            Notice::Tick {
                second,
                counters,
                latencies,
            } => {
                told.counters = counters;
                self.add(latencies);
                let (workers, sum) = self.deliveries.entry(second).or_default();
                *workers += 1;
                *sum += self.workers[worker].counters.deliveries;
            }
            Notice::Done {
                counters,
                latencies,
                missing,
            } => {
                (told.counters, told.missing) = (counters, Some(missing));
                self.add(latencies);
            }
            Notice::Failed(reason) => bail!("a worker failed: {reason}"),
        }
        Ok(())
    }

    fn add(&mut self, latencies: BTreeMap<Metric, Samples>) {
        for (metric, samples) in latencies {
            if metric == Metric::Delivery {
                self.recent.merge(&samples);
            }
            self.latencies.entry(metric).or_default().merge(&samples);
        }
    }

    /// Forgets what was told of an order that is given again.
    pub(super) fn expect_again(&mut self) {
        for worker in &mut self.workers {
            worker.connected = false;
            worker.dropped = false;
            worker.published = false;
            worker.reached = None;
        }
    }

    pub(super) fn all_connected(&self) -> bool {
        self.workers.iter().all(|worker| worker.connected)
    }

    /// Makes [`State::all_counted`] wait for counts that are told from now on.
    pub(super) fn count_again(&mut self) {
        for worker in &mut self.workers {
            worker.counted = false;
        }
    }

    pub(super) fn all_counted(&self) -> bool {
        self.workers.iter().all(|worker| worker.counted)
    }

    pub(super) fn all_dropped(&self) -> bool {
        self.workers.iter().all(|worker| worker.dropped)
    }

    pub(super) fn all_done(&self) -> bool {
        self.workers.iter().all(|worker| worker.missing.is_some())
    }

    /// Whether the publishers have published all that they were told to.
    pub(super) fn is_published(&self) -> bool {
        self.workers.iter().any(|worker| worker.published)
    }

    /// When the last of so many workers has reached what was awaited.
    pub(super) fn reached(&self, workers: usize) -> Option<u64> {
        let times: Vec<u64> = self
            .workers
            .iter()
            .filter_map(|worker| worker.reached)
            .collect();
        (times.len() == workers).then(|| times.into_iter().max())?
    }

    /// Messages published, by channel.
    pub(super) fn published(&self) -> &[u32] {
        &self.published
    }

    pub(super) fn began(&self) -> u64 {
        self.began
    }

    pub(super) fn missing(&self) -> u64 {
        self.workers
            .iter()
            .filter_map(|worker| worker.missing)
            .sum()
    }

    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for worker in &self.workers {
            sum.add(&worker.counters);
        }
        sum
    }

    /// Seconds of the clock from this one on at which every worker told, with the deliveries until then. A worker that is
    /// very busy misses some.
    pub(super) fn deliveries_from(&self, second: u64) -> impl Iterator<Item = (u64, u64)> {
        let told = self.deliveries.range(second..);
        let complete = told.filter(|(_, (workers, _))| *workers == self.workers.len());
        complete.map(|(second, (_, sum))| (*second, *sum))
    }

    /// Takes one latency of the run itself.
    pub(super) fn record(&mut self, metric: Metric, latency: u64) {
        self.latencies.entry(metric).or_default().record(latency);
    }

    /// Deliveries' latencies since the last time.
    pub(super) fn take_recent(&mut self) -> Latencies {
        std::mem::take(&mut self.recent)
    }

    pub(super) fn summaries(&self) -> BTreeMap<Metric, Summary> {
        let some = self
            .latencies
            .iter()
            .filter(|(_, latencies)| latencies.count() > 0);
        some.map(|(metric, latencies)| (*metric, latencies.summary()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tick(second: u64, deliveries: u64) -> Notice {
        let counters = Counters {
            deliveries,
            ..Counters::default()
        };
        let mut latencies = Latencies::default();
        latencies.record(1_000_000 * deliveries);
        Notice::Tick {
            second,
            counters,
            latencies: BTreeMap::from([(Metric::Delivery, latencies.drain())]),
        }
    }

    #[test]
    fn workers_are_summed_and_their_samples_merged() {
        let mut state = State::new(2);
        state.take(0, tick(5, 10)).unwrap();
        assert_eq!(state.deliveries_from(0).next(), None);
        state.take(1, tick(5, 30)).unwrap();
        assert_eq!(state.deliveries_from(5).next(), Some((5, 40)));
        assert_eq!(state.deliveries_from(6).next(), None);
        assert_eq!(state.counters().deliveries, 40);
        assert_eq!(state.summaries()[&Metric::Delivery].count, 2);
        assert_eq!(state.take_recent().count(), 2);
        assert_eq!(state.take_recent().count(), 0);
    }

    #[test]
    fn something_is_reached_when_all_have_reached_it() {
        let mut state = State::new(2);
        state.take(1, Notice::Reached { at: 9 }).unwrap();
        assert_eq!(state.reached(2), None);
        state.take(0, Notice::Reached { at: 7 }).unwrap();
        assert_eq!(state.reached(2), Some(9));
        state.expect_again();
        assert_eq!(state.reached(2), None);
    }

    #[test]
    fn a_worker_s_failure_ends_the_run() {
        let failed = Notice::Failed("why".into());
        let error = State::new(1).take(0, failed).unwrap_err();
        assert!(error.to_string().contains("why"));
    }
}
