//! What is wrong with `presence.*`.

use std::time::Duration;

use tidegate_proto::node::MAX_PARTITIONS;

use super::Findings;
use crate::config::PresenceConfig;

/// The leases that the presence service takes.
const LEASES: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(120);

impl Findings {
    pub(super) fn presence_of_all(&mut self, presence: &PresenceConfig) {
        self.instant("presence.timeout", presence.timeout);
        let wrong = !LEASES.contains(&presence.lease);
        self.when(wrong, "presence.lease", "must be from 500ms to 2m");
        let wrong = !(1..=MAX_PARTITIONS).contains(&presence.partitions);
        self.when(wrong, "presence.partitions", "must be from 1 to 1024");
    }
}
