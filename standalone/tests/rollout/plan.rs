//! How much load there is, and how gateways are replaced under it.

use std::time::Duration;

use super::balancer::Probe;

/// The load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) subscribers: u32,
    pub(crate) channels: u32,
    /// Publications per second of all channels together.
    pub(crate) rate: u32,
    /// `shutdown.drain` of the gateways.
    pub(crate) drain: Duration,
    pub(crate) probe: Probe,
    /// Whether gateways give clients away to those that have fewer.
    pub(crate) rebalances: bool,
    pub(crate) style: Style,
    /// How many times as many connects a second one gateway may see as if clients left evenly and were shared evenly.
    pub(crate) slack: f64,
}

/// Who replaces gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// SIGTERM; the balancer notices by `/ready`.
    Signal,
    /// The pod is no endpoint any more; after `before` comes SIGTERM, and `grace` after the beginning a SIGKILL.
    Kubernetes { before: Duration, grace: Duration },
}

impl Load {
    /// Over how long connects are counted for their rate. A machine that stands still for a second, which others may make it
    /// do, lets clients come together who were sent away one after the other; for a quarter of the drain it does not.
    pub(crate) fn window(&self) -> Duration {
        self.drain / 4
    }

    /// Between two publications of a channel.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_secs(1) * self.channels / self.rate
    }
}
