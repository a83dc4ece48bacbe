//! What all workers of a node share: the configuration, the backbone, the limits, and whether the node is stopping.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_backbone::Backbone;
use tokio::sync::{Notify, watch};

use crate::admission::Admission;
use crate::auth::OriginPolicy;
use crate::config::Config;
use crate::control::Local;
use crate::counters::Counters;
use crate::hooks::Hooks;
use crate::interest::Interest;
use crate::ports::Ports;
use crate::presence::Presence;
use crate::quota::UserQuotas;
use crate::rules::Rules;
use crate::transport::{Sessions, Statuses, statuses};

/// One gateway node.
pub struct Node {
    /// As it was checked at start.
    pub config: Config,
    pub(crate) rules: Arc<Rules>,
    pub(crate) origins: OriginPolicy,
    pub(crate) backbone: Arc<dyn Backbone>,
    pub(crate) interest: Arc<Interest>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) quotas: UserQuotas,
    pub(crate) counters: Arc<Counters>,
    /// The application's backends, if there are any.
    pub(crate) hooks: Option<Hooks>,
    /// Those that take frames from elsewhere.
    pub(crate) sessions: Arc<Sessions>,
    /// How connects over HTTP are refused.
    pub(crate) statuses: Statuses,
    /// Of the machine and the process.
    default_name: String,
    /// Its workers, for what backends want of connections.
    pub(crate) local: Local,
    /// Where anything of it is switched on.
    pub(crate) presence: Option<Arc<Presence>>,
    /// What clients speak on each port, if it is TLS.
    pub(crate) tls: Ports,
    /// Told when the last connection of a node that is stopping has ended.
    deserted: Notify,
    drain: watch::Sender<Option<Drain>>,
}

/// The node is stopping: every connection is to be closed at some time in this period.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drain {
    pub(crate) since: Instant,
    pub(crate) period: Duration,
}

impl Node {
    /// A node over `backbone` whose workers take from `interest`'s queues.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn new(
        config: Config,
        backbone: Arc<dyn Backbone>,
        interest: Arc<Interest>,
        counters: Arc<Counters>,
        local: Local,
    ) -> Result<Self, Vec<String>> {
        Ok(Self {
            rules: Arc::new(Rules::new(&config)?),
            origins: OriginPolicy::new(&config.client.allowed_origins)?,
            quotas: UserQuotas::new(&config.client.rate_limit),
            admission: Admission::new(&config.client, Instant::now()),
            hooks: Hooks::start(&config, &backbone)?,
            sessions: Sessions::new(),
            statuses: statuses(&config)?,
            tls: Ports::load(&config)?,
            presence: Presence::new(&config, &backbone, &counters),
            config,
            backbone,
            interest,
            counters,
            local,
            default_name: default_name(),
            deserted: Notify::new(),
            drain: watch::Sender::new(None),
        })
    }

    /// What operators know it by.
    pub(crate) fn name(&self) -> &str {
        match self.config.node.name.as_str() {
            "" => &self.default_name,
            name => name,
        }
    }

    /// Counts a connection in.
    pub(crate) fn connection_opened(&self) {
        self.counters.connections.add(1);
        self.counters.connections_accepted.add(1);
    }

    /// Takes one off.
    pub(crate) fn connection_closed(&self) {
        self.counters.connections.sub(1);
        if self.is_draining() && self.counters.connections.get() == 0 {
            self.deserted.notify_one();
        }
    }

    /// Waits until a node that is stopping has no connections.
    pub(crate) async fn deserted(&self) {
        while self.counters.connections.get() > 0 {
            self.deserted.notified().await;
        }
    }

    /// Tells every connection to close within the drain period.
    pub(crate) fn start_drain(&self) {
        self.drain.send_replace(Some(Drain {
            since: Instant::now(),
            period: self.config.shutdown.drain,
        }));
    }

    /// Whether the node is stopping.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.borrow().is_some()
    }

    /// Tells when the node is stopping.
    pub(crate) fn drain(&self) -> watch::Receiver<Option<Drain>> {
        self.drain.subscribe()
    }

    /// Whether the node is of use to clients now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.backbone.is_ready()
    }
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("backbone", &self.backbone)
            .field("interest", &self.interest)
            .finish_non_exhaustive()
    }
}
