//! What all workers of a node share: the configuration, the backbone, the limits, and whether the node is stopping.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_backbone::{Backbone, Count};
use tidegate_service::{Access, ApiKey, TlsError};
use tidegate_telemetry::metrics::Family;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::admission::Admission;
use crate::auth::OriginPolicy;
use crate::config::Config;
use crate::control::Local;
use crate::counters::Counters;
use crate::health::{Health, Report};
use crate::hooks::Hooks;
use crate::interest::Interest;
use crate::jwks::Jwks;
use crate::ports::Ports;
use crate::presence::Presence;
use crate::quota::UserQuotas;
use crate::revocation::Revocations;
use crate::rules::Rules;
use crate::transport::{Sessions, Statuses, statuses};

/// One gateway node.
pub struct Node {
    /// What this process is called among nodes, by everything that tells nodes apart; no other run is called so.
    pub id: Uuid,
    /// As it was checked at start.
    pub config: Config,
    pub(crate) rules: Arc<Rules>,
    pub(crate) origins: OriginPolicy,
    pub(crate) backbone: Arc<dyn Backbone>,
    pub(crate) interest: Arc<Interest>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) quotas: UserQuotas,
    pub(crate) counters: Arc<Counters>,
    pub(crate) health: Health,
    /// The application's backends, if there are any.
    pub(crate) hooks: Option<Hooks>,
    /// Where keys of tokens are published, if anywhere.
    pub(crate) jwks: Option<Jwks>,
    /// Who is not let in, where there is such a list.
    pub(crate) revocations: Option<Revocations>,
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
    /// Backends that come over gRPC.
    pub(crate) grpc: Access,
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
        let id = Uuid::new_v4();
        let rules = Arc::new(Rules::new(&config)?);
        let revocations = rules.revocations.clone().map(|list| {
            let options = &config.client.revocation;
            let revocations = Revocations::new(options, list, &backbone, &counters);
            revocations.map_err(|fault| vec![format!("client.revocation: {fault}")])
        });
        let endpoints = rules.verifier.endpoints();
        Ok(Self {
            id,
            jwks: Jwks::start(&config.client.jwks, endpoints, &counters)?,
            rules,
            revocations: revocations.transpose()?,
            origins: OriginPolicy::new(&config.client.allowed_origins)?,
            quotas: UserQuotas::new(&config.client.rate_limit),
            admission: Admission::new(&config.client, Instant::now()),
            health: Health::new(&config.health, Arc::clone(&counters)),
            hooks: Hooks::start(&config, &backbone)?,
            sessions: Sessions::new(id),
            statuses: statuses(&config)?,
            tls: Ports::load(&config)?,
            grpc: grpc(&config)?,
            presence: Presence::new(id, &config, &backbone, &counters),
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

    /// All metrics, as they are now.
    pub(crate) fn metrics(&self) -> Vec<Family> {
        let mut counts = self.backbone.counts();
        counts.extend(self.tls_counts());
        let mut families = self.counters.families(&counts, &self.backbone.durability());
        let (waiting, bytes) = self.interest.waiting_for_all();
        families.extend([
            Family::gauge(
                "tidegate_worker_queue_length",
                "Publications that wait for workers now.",
            )
            .of(waiting),
            Family::gauge("tidegate_worker_queue_bytes", "Bytes of these.").of(bytes),
        ]);
        families.extend(Report::of(self).families(&self.health));
        families.extend(self.hooks.iter().flat_map(Hooks::families));
        families.extend(tidegate_telemetry::counts());
        families
    }

    /// What became of TLS on all ports.
    fn tls_counts(&self) -> [Count; 3] {
        let clients = self.tls.all().map(|tls| &*tls.port);
        tidegate_service::Tls::counts(clients.chain(self.grpc.tls.as_deref()))
    }

    /// Whether the node is of use to clients now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        Report::of(self).is_ready()
    }
}

fn grpc(config: &Config) -> Result<Access, Vec<String>> {
    let grpc = &config.grpc_api;
    let tls = grpc.tls.options("grpc_api.tls").filter(|_| grpc.enabled);
    Access::new(ApiKey::configured(&grpc.key), tls).map_err(|TlsError(faults)| faults)
}

/// The machine and the process.
pub(crate) fn default_name() -> String {
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

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tidegate_backbone::embedded::Embedded;
    use tidegate_backbone::{Channel, Publication};
    use tidegate_telemetry::metrics::page;
    use tidegate_testkit::deadline::until;

    use super::*;
    use crate::hub::Hub;
    use crate::interest::Windows;
    use crate::wire::Press;

    fn shows(node: &Node, length: u64, bytes: u64) -> bool {
        let text = page(&node.metrics());
        let lines = [
            format!("tidegate_worker_queue_length {length}"),
            format!("tidegate_worker_queue_bytes {bytes}"),
        ];
        lines.iter().all(|line| text.lines().any(|it| it == line))
    }

    #[tokio::test]
    async fn what_waits_for_workers_is_shown_until_they_take_it() {
        let backbone: Arc<dyn Backbone> = Arc::new(Embedded::new());
        let counters = Arc::<Counters>::default();
        let (interest, queues) = Interest::new(
            Arc::clone(&backbone),
            2,
            Arc::clone(&counters),
            Windows::new(0),
        );
        let hubs = (0..2).map(|number| {
            let (interest, counters) = (Arc::clone(&interest), Arc::clone(&counters));
            Hub::new(number, interest, counters, Press::new(0, 0))
        });
        let hubs: Vec<Rc<Hub>> = hubs.collect();
        let (local, _jobs) = Local::new(2);
        let node = Node::new(
            Config::default(),
            Arc::clone(&backbone),
            Arc::clone(&interest),
            counters,
            local,
        );
        let node = node.unwrap();
        let channel = Channel::parse("room").unwrap();
        let topic = interest.topic(&channel);
        topic.ready().await.unwrap();
        topic.add_worker(0);
        topic.add_worker(1);
        assert!(shows(&node, 0, 0));
        for data in ["three", "words", "more"] {
            let publication = Publication {
                data: data.into(),
                ..Publication::default()
            };
            backbone.publish(&channel, publication).await.unwrap();
        }
        // Three for each of the workers.
        until("they wait", || shows(&node, 6, 28)).await.unwrap();
        let runs = hubs.into_iter().zip(queues).map(|(hub, it)| hub.run(it));
        tokio::select! {
            _ = futures_util::future::join_all(runs) => panic!("the node is there still"),
            taken = until("they are taken", || shows(&node, 0, 0)) => taken.unwrap(),
        }
    }
}
