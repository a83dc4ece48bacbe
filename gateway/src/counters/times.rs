//! How long things take. Each thread counts where few others do.

use std::time::Duration;

use tidegate_telemetry::metrics::{Family, Histogram, Snapshot};

/// Places in which workers count.
const SHARDS: usize = 8;

/// Times of one node.
#[derive(Debug, Default)]
pub struct Times {
    fan_out: [Histogram; SHARDS],
    stream: Histogram,
    subject: Histogram,
}

impl Times {
    /// A worker has put a publication before its subscribers so long after it came to the node.
    pub fn fanned_out(&self, worker: usize, time: Duration) {
        self.fan_out[worker % SHARDS].record(time);
    }

    /// A publication was confirmed so long after it was sent.
    pub fn confirmed(&self, is_kept: bool, time: Duration) {
        match is_kept {
            true => self.stream.record(time),
            false => self.subject.record(time),
        }
    }

    pub(super) fn families(&self) -> [Family; 2] {
        let mut fan_out = Family::histogram(
            "tidegate_fan_out_seconds",
            "From a publication's arrival at the node until a worker has queued it for its subscribers.",
        );
        let snapshots = self.fan_out.iter().map(Histogram::snapshot);
        fan_out.add_histogram(&[], Snapshot::merged(snapshots));
        let mut confirm = Family::histogram(
            "tidegate_confirm_seconds",
            "How long publications of this node's clients and backends take until a stream, or the carrier alone, confirms them.",
        );
        confirm.add_histogram(&[("by", "stream")], self.stream.snapshot());
        confirm.add_histogram(&[("by", "carrier")], self.subject.snapshot());
        [fan_out, confirm]
    }
}
