//! Which channels have subscribers on any node: the backend is told of each one's first subscriber, and of its last.
//!
//! In: the first and the last subscriber of each worker, from hubs. Out: notices. Where nodes share a bus the truth is a record
//! for each channel in a stream, which names the nodes that have subscribers: whoever writes the first name tells, and whoever
//! takes off the last one. A notice is stored before anything else may happen to the record, so it is told at least once, and
//! after those before it. Knows no sessions.

mod desk;
mod ledger;
mod record;
mod records;
mod sweep;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tidegate_backbone::{Backbone, Channel, Ear, Heard, Subscription, Topic};
use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until, timeout};

use crate::cluster::Cluster;
use crate::config::Config;
use crate::hooks::{ChannelHooks, TargetId, Teller};
use desk::{Desk, Step};
use ledger::Ledger;
use records::{Fault, Records};

/// Channels about which something is done at a time.
const WIDTH: usize = 32;

/// Time before a server that did not answer, or has no JetStream, is asked again.
const RETRY: Duration = Duration::from_secs(1);
const RECHECK: Duration = Duration::from_secs(30);

/// How long a node that stops waits for its channels to be released.
const PATIENCE: Duration = Duration::from_secs(5);

/// The channels of a node that a backend is told of.
pub(crate) struct Occupancy {
    /// How long each namespace's channels are without subscribers before that is told.
    delays: HashMap<Option<String>, Duration>,
    targets: HashMap<Option<String>, TargetId>,
    desk: Mutex<Desk>,
    changed: Notify,
    /// Told when nothing is left.
    idle: Notify,
}

impl Occupancy {
    /// `None` when no backend is told.
    pub(crate) fn new(config: &Config) -> Option<Arc<Self>> {
        let (mut delays, mut targets) = (HashMap::new(), HashMap::new());
        for (namespace, options) in config.channel.sets() {
            if let Some(target) = ChannelHooks::new(config, options).state {
                let namespace = namespace.map(str::to_owned);
                delays.insert(namespace.clone(), options.state_vacated_delay);
                targets.insert(namespace, target);
            }
        }
        (!targets.is_empty()).then(|| {
            Arc::new(Self {
                delays,
                targets,
                desk: Mutex::default(),
                changed: Notify::new(),
                idle: Notify::new(),
            })
        })
    }

    /// A worker has the first subscriber of a channel.
    pub(crate) fn enter(&self, channel: &Channel) {
        if self.delay(channel).is_some() && self.desk().enter(channel) {
            self.changed.notify_one();
        }
    }

    /// A worker had the last one.
    pub(crate) fn leave(&self, channel: &Channel) {
        if let Some(delay) = self.delay(channel) {
            self.desk().leave(channel, Instant::now() + delay);
            self.changed.notify_one();
        }
    }

    /// Does what is to be done, on this runtime, until the node has ended.
    pub(crate) fn run(
        self: Arc<Self>,
        cluster: &Arc<Cluster>,
        teller: Teller,
    ) -> impl Future<Output = ()> + Send + 'static {
        let bus = Arc::clone(&cluster.node.backbone);
        let (node, cluster) = (cluster.uid().to_owned(), Arc::downgrade(cluster));
        self.run_over(bus, cluster, node, teller)
    }

    async fn run_over(
        self: Arc<Self>,
        bus: Arc<dyn Backbone>,
        cluster: Weak<Cluster>,
        node: String,
        teller: Teller,
    ) {
        let _given_up = match bus.reaches_others() {
            true => Some(self.prepare(&*bus, &node).await),
            false => None,
        };
        let ledger = Ledger::new(bus, node, teller, self.targets.clone());
        let longest = self.delays.values().max().copied().unwrap_or_default();
        tokio::select! {
            () = self.work(&ledger) => {}
            () = sweep::watch(&ledger, cluster, longest), if ledger.bus.reaches_others() => {}
        }
    }

    /// Waits a while until every channel without subscribers is released.
    pub(crate) async fn finish(&self) {
        let finished = async {
            loop {
                let idle = self.idle.notified();
                if self.desk().is_empty() {
                    return;
                }
                idle.await;
            }
        };
        if timeout(PATIENCE, finished).await.is_err() {
            tracing::info!("other nodes, or the next, release what channels this node still has");
        }
    }

    /// Makes the stream, and hears when others believe that this node is gone. Tries until both succeed.
    async fn prepare(self: &Arc<Self>, bus: &dyn Backbone, node: &str) -> Subscription {
        let ear = Arc::new(GivenUp {
            node: node.to_owned(),
            occupancy: Arc::downgrade(self),
        });
        loop {
            let made = Records(bus).create().await;
            let heard = async {
                let heard = bus
                    .hear(&Topic::node_given_up(), None, Arc::clone(&ear) as _)
                    .await;
                heard.map_err(|error| Fault::Unavailable(error.to_string()))
            };
            let error = match made {
                Ok(()) => match heard.await {
                    Ok(subscription) => return subscription,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::error!(%error, "backends are not told yet which channels are occupied, which needs JetStream");
            let is_missing = matches!(error, Fault::NoStream);
            sleep(if is_missing { RECHECK } else { RETRY }).await;
        }
    }

    async fn work(&self, ledger: &Ledger) {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < WIDTH
                && let Some((channel, step)) = self.next()
            {
                running.push(self.perform(ledger, channel, step));
            }
            let due = self.desk().due();
            let due = async {
                match due {
                    Some(at) => sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(()) = running.next() => {}
                () = self.changed.notified() => {}
                () = due, if running.len() < WIDTH => {}
            }
        }
    }

    fn next(&self) -> Option<(Channel, Step)> {
        let mut desk = self.desk();
        let next = desk.next(Instant::now());
        if desk.is_empty() {
            self.idle.notify_waiters();
        }
        next
    }

    async fn perform(&self, ledger: &Ledger, channel: Channel, step: Step) {
        let performed = ledger.perform(channel.as_str(), step).await;
        if let Err(error) = &performed {
            let channel = channel.as_str();
            tracing::warn!(channel, ?step, %error, "what became of a channel is not told yet");
            if matches!(error, Fault::NoStream) {
                // Somebody deleted it, with what it said of this node.
                let _made_next_time = Records(&*ledger.bus).create().await;
                self.desk().doubt();
            }
        }
        let mut desk = self.desk();
        desk.done(&channel, step, performed.is_ok(), Instant::now());
        if desk.is_empty() {
            self.idle.notify_waiters();
        }
    }

    fn delay(&self, channel: &Channel) -> Option<Duration> {
        let namespace = channel.namespace().map(str::to_owned);
        self.delays.get(&namespace).copied()
    }

    fn doubt(&self) {
        self.desk().doubt();
        self.changed.notify_one();
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears whom others gave up.
struct GivenUp {
    node: String,
    occupancy: Weak<Occupancy>,
}

impl Ear for GivenUp {
    fn hear(&self, heard: Heard) {
        if heard.message.data == self.node.as_bytes() {
            self.interrupted();
        }
    }

    /// While this node heard nothing it may have been given up.
    fn interrupted(&self) {
        if let Some(occupancy) = self.occupancy.upgrade() {
            occupancy.doubt();
        }
    }
}

impl fmt::Debug for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Occupancy").finish_non_exhaustive()
    }
}
