//! Which channels this node listens to, and which of its workers want each.
//!
//! A [`Topic`] is one running backbone subscription. It lives as long as some worker holds it: the last holder to let
//! go ends the subscription. Publications go from the backbone's task to the queue of each interested worker, encoded
//! at most once per format for the whole node. Those of a kept channel pass its ring on the way, where what is missing is
//! noticed and read from the stream, and from which clients that come back are given what they missed.

mod kept;
mod lingering;
mod removals;
mod repairs;
mod ring;
mod route;
#[cfg(test)]
pub(crate) mod testing;
mod windows;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use tidegate_backbone::{
    Backbone, Channel, Error, From, Listener, Position, Range, Removed, Subscription, Top,
};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};

use crate::archive::Archive;
use crate::broadcast::{Broadcast, Recent};
use crate::counters::{Counters, Namespace};
use crate::occupancy::Occupancy;
use kept::Kept;
pub(crate) use kept::Missed;
use lingering::Lingering;
pub(crate) use lingering::let_go;
pub(crate) use removals::heed;
use repairs::Repairs;
pub(crate) use repairs::keep;
use route::Queue;
pub use route::{Item, Route, WORKER_QUEUE, WORKER_QUEUE_BYTES};
pub use windows::Windows;

/// Workers a node can have: one bit each in a topic's set.
pub const MAX_WORKERS: usize = 64;

/// How long a position that is behind a client's is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(5);

/// The channels that this node listens to.
pub struct Interest {
    backbone: Arc<dyn Backbone>,
    queues: Arc<[Queue]>,
    counters: Arc<Counters>,
    windows: Windows,
    lingering: Lingering,
    archive: Archive,
    repairs: Arc<Repairs>,
    topics: Mutex<HashMap<Channel, Weak<Topic>>>,
    occupancy: OnceLock<Arc<Occupancy>>,
}

/// One channel's backbone subscription, shared by the workers that want it.
pub struct Topic {
    interest: Weak<Interest>,
    route: Arc<Route>,
    subscription: OnceCell<Subscription>,
}

/// Where a client that comes back wants to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Behind this position, with everything since. An empty epoch is any.
    Since(Position),
    /// With the newest publication, unless it is the one at this position.
    Newest(Position),
}

impl Interest {
    /// Interest of a node with `workers` workers, and the queue that each of them must consume.
    #[must_use]
    pub fn new(
        backbone: Arc<dyn Backbone>,
        workers: usize,
        counters: Arc<Counters>,
        windows: Windows,
    ) -> (Arc<Self>, Vec<Receiver<Item>>) {
        assert!(
            (1..=MAX_WORKERS).contains(&workers),
            "a node has 1 to {MAX_WORKERS} workers"
        );
        let (queues, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| Queue::new()).unzip();
        let archive = Archive::new(Arc::clone(&backbone), windows.archived.clone());
        let interest = Self {
            archive,
            lingering: Lingering::new(windows.linger),
            backbone,
            queues: queues.into(),
            counters,
            windows,
            repairs: Arc::default(),
            topics: Mutex::default(),
            occupancy: OnceLock::new(),
        };
        (Arc::new(interest), receivers)
    }

    /// The topic of a channel, shared with everyone who holds it now.
    #[must_use]
    pub fn topic(self: &Arc<Self>, channel: &Channel) -> Arc<Topic> {
        // Let go of after the topics: what is dropped last takes itself off them.
        let found;
        let mut topics = self.topics();
        found = topics.get(channel).and_then(Weak::upgrade);
        // One that was lost ends with its subscribers; who comes now begins anew.
        if let Some(topic) = found.as_ref().filter(|topic| !topic.is_lost()) {
            return Arc::clone(topic);
        }
        let stream = self.backbone.stream(channel);
        let kept = stream.map(|it| Kept::new(self.windows.limits(channel), it));
        let route = Route {
            channel: channel.clone(),
            workers: AtomicU64::new(0),
            queues: Arc::clone(&self.queues),
            counters: Arc::clone(&self.counters),
            traffic: Arc::clone(self.counters.traffic.of(channel)),
            repairs: Arc::clone(&self.repairs),
            kept,
        };
        let topic = Arc::new(Topic {
            interest: Arc::downgrade(self),
            route: Arc::new(route),
            subscription: OnceCell::new(),
        });
        topics.insert(channel.clone(), Arc::downgrade(&topic));
        self.counters.channels.add(1);
        topic
    }

    /// Takes over a topic that a worker has no subscribers of any more.
    pub(crate) fn linger(&self, topic: &Arc<Topic>) {
        self.lingering.hold(topic);
    }

    /// Has this told of workers' first and last subscribers from here on.
    pub(crate) fn tell(&self, occupancy: &Arc<Occupancy>) {
        // The first one stays: a node has one.
        let _set = self.occupancy.set(Arc::clone(occupancy));
    }

    /// Who is told of workers' first and last subscribers.
    pub(crate) fn occupancy(&self) -> Option<&Occupancy> {
        self.occupancy.get().map(|it| &**it)
    }

    /// What the streams do not have any more.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Channels that this node listens to.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.topics().len()
    }

    /// Publications that wait for worker number `worker`.
    pub(crate) fn waiting(&self, worker: usize) -> u64 {
        let queue = &self.queues[worker].sender;
        (queue.max_capacity() - queue.capacity()) as u64
    }

    /// Publications that wait for workers, and their bytes.
    pub(crate) fn waiting_for_all(&self) -> (u64, u64) {
        let workers = 0..self.queues.len();
        let bytes = self
            .queues
            .iter()
            .map(|it| it.bytes.load(Ordering::Relaxed));
        (
            workers.map(|it| self.waiting(it)).sum(),
            bytes.sum::<usize>() as u64,
        )
    }

    /// Says that worker number `worker` has taken a publication of this size off its queue.
    pub(crate) fn taken(&self, worker: usize, bytes: usize) {
        self.queues[worker]
            .bytes
            .fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Lets go of what is at hand of channels where publications were removed.
    fn forget(&self, removed: &Removed) {
        let topics = match removed {
            Removed::In(channel) => self.kept_topics(&BTreeSet::from([channel.clone()])),
            Removed::Anywhere => self.all_kept_topics(),
        };
        for topic in topics {
            if let Some(kept) = &topic.route.kept {
                kept.forget(&topic.route);
            }
        }
    }

    fn kept_topics(&self, channels: &BTreeSet<Channel>) -> Vec<Arc<Topic>> {
        let topics = self.topics();
        let found = channels.iter().filter_map(|it| topics.get(it)?.upgrade());
        found.filter(|topic| topic.route.kept.is_some()).collect()
    }

    fn all_kept_topics(&self) -> Vec<Arc<Topic>> {
        let topics = self.topics();
        let all = topics.values().filter_map(Weak::upgrade);
        all.filter(|topic| topic.route.kept.is_some()).collect()
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<Channel, Weak<Topic>>> {
        // A panic while it was held leaves a whole map: every change is one insert or remove.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Topic {
    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.route.channel
    }

    /// Waits until the backbone delivers this channel. Callers at the same time share one attempt.
    ///
    /// # Errors
    /// The backbone's [`Error`]; the next caller tries again.
    pub async fn ready(&self) -> Result<(), Error> {
        let Some(interest) = self.interest.upgrade() else {
            return Err(Error::Unavailable("the node has stopped".to_owned()));
        };
        self.subscription
            .get_or_try_init(|| self.open(&interest))
            .await
            .map(|_| ())
    }

    async fn open(&self, interest: &Interest) -> Result<Subscription, Error> {
        let listener: Arc<dyn Listener> = Arc::clone(&self.route) as _;
        let backbone = &interest.backbone;
        let subscription = backbone.subscribe(self.channel(), listener).await?;
        if let Some(kept) = &self.route.kept {
            let tops = backbone.tops(std::slice::from_ref(self.channel())).await?;
            kept.open(&self.route, &tops[0]);
        }
        Ok(subscription)
    }

    /// Makes ready what a client wishes that comes back; gives the wish as it can be fulfilled, if it can, and with what.
    ///
    /// # Errors
    /// The backbone's [`Error`].
    pub(crate) async fn prepare(&self, wish: &Wish) -> Result<Option<(Wish, Missed)>, Error> {
        let (Some(kept), Some(interest)) = (&self.route.kept, self.interest.upgrade()) else {
            return Ok(None);
        };
        let backbone = &*interest.backbone;
        let Some(position) = kept.position() else {
            return Ok(None);
        };
        match wish {
            Wish::Since(since) if !is_of(since, &position) => Ok(None),
            Wish::Since(since) => {
                let mut since = since.clone();
                if since.offset > position.offset {
                    match self.await_offset(&since).await? {
                        Some(offset) => since.offset = offset,
                        None => return Ok(None),
                    }
                }
                let sources = (backbone, &interest.archive);
                let missed = kept.reach(&self.route, sources, since.offset).await?;
                Ok(missed.map(|missed| (Wish::Since(since), missed)))
            }
            Wish::Newest(_) => {
                let before = position.offset.saturating_sub(1);
                let missed = match kept.missed(before) {
                    Some(missed) => Some(missed),
                    None => {
                        let sources = (backbone, &interest.archive);
                        kept.reach(&self.route, sources, before).await?
                    }
                };
                Ok(missed.map(|missed| (wish.clone(), missed)))
            }
        }
    }

    /// Waits until this node has heard of an offset that a client has had from another. Gives the offset behind which the
    /// client goes on; none if it cannot be right.
    async fn await_offset(&self, since: &Position) -> Result<Option<u64>, Error> {
        let (Some(kept), Some(interest)) = (&self.route.kept, self.interest.upgrade()) else {
            return Ok(None);
        };
        let (backbone, offset) = (&interest.backbone, since.offset);
        let tops = backbone.tops(std::slice::from_ref(self.channel())).await?;
        if tops[0].position.offset < offset {
            // What the client had last may have been removed since.
            let range = Range {
                from: From::After(offset),
                limit: 1,
                max_bytes: 0,
            };
            let page = backbone.read(self.channel(), range).await?;
            let position = kept.position().filter(|_| page.is_gapless);
            let position = position.filter(|it| is_of(since, it));
            return Ok(position.map(|it| it.offset.min(offset)));
        }
        let end = Instant::now() + PATIENCE;
        while kept.position().is_some_and(|it| it.offset < offset) {
            interest.repairs.ask(self.channel());
            if Instant::now() > end {
                let reason = "the node has not heard of the client's position yet";
                return Err(Error::Unavailable(reason.to_owned()));
            }
            sleep(LOOK).await;
        }
        Ok(Some(offset))
    }

    /// Everything behind one offset up to another, of a kept channel; `None` if that is not at hand.
    pub(crate) fn between(&self, after: u64, to: u64) -> Option<Vec<Broadcast>> {
        let found = self.route.kept.as_ref()?.between(after, to)?.into_iter();
        let broadcasts = found.map(|recent| self.route.broadcast_of(recent, None));
        Some(broadcasts.collect())
    }

    /// What a client missed up to an offset, and what came since; `None` if that is not at hand any more.
    pub(crate) fn complete(&self, missed: &Missed, to: u64) -> Option<Vec<Arc<Recent>>> {
        self.route.kept.as_ref()?.complete(missed, to)
    }

    pub(crate) fn route(&self) -> &Arc<Route> {
        &self.route
    }

    /// Publications of its namespace.
    pub(crate) fn traffic(&self) -> &Namespace {
        &self.route.traffic
    }

    pub(crate) fn is_by(&self, route: &Arc<Route>) -> bool {
        Arc::ptr_eq(&self.route, route)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.route.kept.is_some()
    }

    fn is_lost(&self) -> bool {
        self.route.kept.as_ref().is_some_and(Kept::is_lost)
    }

    fn differs(&self, top: &Top) -> bool {
        self.route.kept.as_ref().is_some_and(|it| it.differs(top))
    }

    async fn repair(&self) {
        let (Some(kept), Some(interest)) = (&self.route.kept, self.interest.upgrade()) else {
            return;
        };
        interest.counters.position_repairs.add(1);
        if !kept.repair(&self.route, &*interest.backbone).await {
            tracing::warn!(
                channel = self.channel().as_str(),
                "publications are gone from the stream before this node had them, subscribers have to recover"
            );
            interest.counters.positions_lost.add(1);
            self.route.lose().await;
        }
    }

    /// Starts handing publications to worker number `worker`. Of a kept channel, those behind the position that it gives.
    pub fn add_worker(&self, worker: usize) -> Option<Position> {
        let begin = || {
            self.route.workers.fetch_or(1 << worker, Ordering::Release);
        };
        let Some(kept) = &self.route.kept else {
            begin();
            return None;
        };
        kept.begin_here(begin)
    }

    /// Stops handing publications to worker number `worker`.
    pub fn remove_worker(&self, worker: usize) {
        self.route
            .workers
            .fetch_and(!(1 << worker), Ordering::Release);
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let Some(interest) = self.interest.upgrade() else {
            return;
        };
        interest.counters.channels.sub(1);
        let mut topics = interest.topics();
        // A successor may stand in the map already: it was made after this topic's last holder let go.
        if topics
            .get(&self.route.channel)
            .is_some_and(|topic| topic.strong_count() == 0)
        {
            topics.remove(&self.route.channel);
        }
    }
}

/// Whether a client's position may be of the same stream.
fn is_of(client: &Position, ours: &Position) -> bool {
    client.epoch.is_empty() || client.epoch == ours.epoch
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interest")
            .field("channels", &self.channel_count())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic")
            .field("channel", &self.route.channel)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_backbone::Publication;
    use tidegate_backbone::embedded::Embedded;

    use super::*;

    #[test]
    fn a_worker_queue_is_bounded_in_bytes_until_they_are_taken() {
        let counters = Arc::new(Counters::default());
        let backbone = Embedded::new();
        let (interest, mut queues) = Interest::new(
            Arc::new(backbone),
            1,
            Arc::clone(&counters),
            Windows::new(0),
        );
        let topic = interest.topic(&Channel::parse("news").unwrap());
        topic.add_worker(0);
        let size = WORKER_QUEUE_BYTES / 4;
        let data = bytes::Bytes::from(vec![0; size]);
        let deliver = || {
            topic.route.deliver(Publication {
                data: data.clone(),
                ..Publication::default()
            });
        };
        (0..5).for_each(|_| deliver());
        assert_eq!(counters.worker_queue_full.get(), 1);
        let Item::Publication(taken) = queues[0].try_recv().unwrap() else {
            panic!("nothing was lost");
        };
        interest.taken(0, taken.size());
        deliver();
        assert_eq!(counters.worker_queue_full.get(), 1);
        deliver();
        assert_eq!(counters.worker_queue_full.get(), 2);
    }
}
