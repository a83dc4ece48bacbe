//! Who of this node's clients is where: told to the presence service, and to other subscribers.
//!
//! In: clients that join and leave, from their connections. Out: numbered reports and beats ([`reporter`](self)), joins and
//! leaves for subscribers on every node ([`events`]), and the presence service's answers. The node is the truth about its own
//! clients, so nothing here is confirmed: who misses something asks for a snapshot. Knows neither sessions nor sockets, and
//! is not there at all where nothing of it is switched on.

mod ask;
mod away;
mod debounce;
mod ears;
mod entry;
mod event;
mod events;
mod farewells;
mod report;
mod reporter;
mod seen;
mod stream;
mod streams;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tidegate_backbone::Backbone;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::config::Config;
use crate::counters::Counters;
use events::Events;
pub use events::Hearing;
use farewells::Farewells;
use report::Identity;
use reporter::{ORDERS, Order};
pub(crate) use seen::Seen;
use streams::Streams;

/// Presence, as far as it is this node's.
pub(crate) struct Presence {
    identity: Identity,
    lease: Duration,
    timeout: Duration,
    backbone: Arc<dyn Backbone>,
    counters: Arc<Counters>,
    streams: Streams,
    pub(crate) events: Arc<Events>,
    orders: mpsc::Sender<Order>,
    /// Held by the reporter.
    queue: tokio::sync::Mutex<mpsc::Receiver<Order>>,
    /// Beats so far.
    beats: AtomicU64,
    farewells: Mutex<Farewells>,
}

impl Presence {
    /// What the configuration asks for, if it asks for anything.
    pub(crate) fn new(
        node: Uuid,
        config: &Config,
        backbone: &Arc<dyn Backbone>,
        counters: &Arc<Counters>,
    ) -> Option<Arc<Self>> {
        let mut sets = config.channel.sets();
        if !config.presence.users && !sets.any(|(_, options)| options.tells_presence()) {
            return None;
        }
        let partitions = config.presence.partitions;
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let identity = Identity {
            node: node.to_string(),
            incarnation: u64::try_from(since_epoch.unwrap_or_default().as_nanos())
                .unwrap_or(u64::MAX),
            partitions,
        };
        let (orders, queue) = mpsc::channel(ORDERS);
        let events = Events::new(
            Arc::clone(backbone),
            Arc::clone(counters),
            identity.node.clone(),
        );
        Some(Arc::new(Self {
            identity,
            lease: config.presence.lease,
            timeout: config.presence.timeout,
            backbone: Arc::clone(backbone),
            counters: Arc::clone(counters),
            streams: Streams::new(partitions),
            events,
            orders,
            queue: tokio::sync::Mutex::new(queue),
            beats: AtomicU64::new(0),
            farewells: Mutex::default(),
        }))
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_epoch.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
