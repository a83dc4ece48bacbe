//! What each second shows: rates, latencies, and what the server, this program and others used.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::State;
use crate::clock::{self, SECOND};
use crate::outcome::Row;
use crate::procfs::{Busy, Usage};

/// What has been used until a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) at: u64,
    pub(super) server: Usage,
    pub(super) tool: Duration,
    /// Of all but spinners.
    busy: Duration,
}

#[derive(Debug)]
pub(super) struct Watch {
    server: Vec<u32>,
    tool: Vec<u32>,
    spinners: Vec<u32>,
    began: u64,
    last: Sample,
    last_deliveries: u64,
    last_connects: u64,
    /// By seconds of the clock.
    samples: BTreeMap<u64, Sample>,
    rows: Vec<Row>,
    peak: u64,
}

impl Watch {
    pub(super) fn new(server: Vec<u32>, tool: Vec<u32>, spinners: Vec<u32>) -> Self {
        let mut watch = Self {
            server,
            tool,
            spinners,
            began: clock::now(),
            last: Sample::default(),
            last_deliveries: 0,
            last_connects: 0,
            samples: BTreeMap::new(),
            rows: Vec::new(),
            peak: 0,
        };
        watch.last = watch.sample();
        watch
    }

    /// What has been used until now.
    pub(super) fn sample(&self) -> Sample {
        Sample {
            at: clock::now(),
            server: Usage::of_all(&self.server),
            tool: Usage::of_all(&self.tool).cpu,
            busy: Busy::now()
                .busy
                .saturating_sub(Usage::of_all(&self.spinners).cpu),
        }
    }

    /// The sample of a second of the clock.
    pub(super) fn sample_at(&self, second: u64) -> Option<Sample> {
        self.samples.get(&second).copied()
    }

    /// The next moment at which to look.
    pub(super) fn next_second(&self) -> u64 {
        (self.last.at / SECOND + 1) * SECOND
    }

    /// Looks, and says how this second was.
    pub(super) fn second(&mut self, state: &mut State) -> Row {
        let sample = self.sample();
        let counters = state.counters();
        let recent = state.take_recent();
        let seconds = (sample.at - self.last.at).max(1) as f64 / SECOND as f64;
        let cores =
            |now: Duration, before: Duration| now.saturating_sub(before).as_secs_f64() / seconds;
        let server = cores(sample.server.cpu, self.last.server.cpu);
        let tool = cores(sample.tool, self.last.tool);
        let busy = cores(sample.busy, self.last.busy);
        let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let row = Row {
            second: (sample.at - self.began) as f64 / SECOND as f64,
            live: counters.live,
            connects_per_second: per_second(counters.connects, self.last_connects),
            deliveries_per_second: per_second(counters.deliveries, self.last_deliveries),
            p50_ms: (recent.count() > 0).then(|| recent.percentile(50.0)),
            p99_ms: (recent.count() > 0).then(|| recent.percentile(99.0)),
            server_cores: server,
            server_bytes: sample.server.resident,
            tool_cores: tool,
            foreign_cores: (busy - server - tool).max(0.0),
        };
        self.peak = self.peak.max(sample.server.resident);
        self.samples.insert(sample.at / SECOND, sample);
        (self.last_deliveries, self.last_connects) = (counters.deliveries, counters.connects);
        self.last = sample;
        self.rows.push(row.clone());
        row
    }

    /// The most memory that the server had.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// Processors that others used, on average.
    pub(super) fn foreign(&self) -> f64 {
        let sum: f64 = self.rows.iter().map(|row| row.foreign_cores).sum();
        sum / self.rows.len().max(1) as f64
    }

    pub(super) fn timeline(&self) -> Vec<Row> {
        self.rows.clone()
    }
}
