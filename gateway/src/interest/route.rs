//! Where a channel's publications go: from the backbone's task to the queues of the workers that want them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tidegate_backbone::{Channel, ClientInfo, Listener, Publication, TraceContext};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Repairs;
use super::kept::Kept;
use crate::broadcast::{Broadcast, Happening, Recent};
use crate::counters::{Counters, Namespace};

/// Publications that may wait for one worker. When it is full a publication is dropped for that worker and counted; the
/// worker's hub gets those of a kept channel from its ring.
pub const WORKER_QUEUE: usize = 65_536;

/// Bytes of publications that may wait for one worker, with the same outcome.
pub const WORKER_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// What a worker is told.
#[derive(Debug, Clone)]
pub enum Item {
    /// There is a publication.
    Publication(Broadcast),
    /// Subscribers that came by this route cannot be given everything any more.
    Lost(Arc<Route>),
}

/// What waits for one worker.
pub(super) struct Queue {
    pub(super) sender: Sender<Item>,
    /// Of the publications in it.
    pub(super) bytes: AtomicUsize,
}

impl Queue {
    pub(super) fn new() -> (Self, Receiver<Item>) {
        let (sender, receiver) = channel(WORKER_QUEUE);
        let bytes = AtomicUsize::new(0);
        (Self { sender, bytes }, receiver)
    }

    /// Adds a publication; false when there is no room for it.
    fn offer(&self, broadcast: Broadcast) -> bool {
        let size = broadcast.size();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = before + size <= WORKER_QUEUE_BYTES
            && self.sender.try_send(Item::Publication(broadcast)).is_ok();
        if !fits {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        fits
    }
}

/// Where a channel's publications go: a listener of the backbone.
pub struct Route {
    pub(super) channel: Channel,
    /// Bit `n` is set while worker `n` has subscribers.
    pub(super) workers: AtomicU64,
    pub(super) queues: Arc<[Queue]>,
    pub(super) counters: Arc<Counters>,
    /// Of its namespace.
    pub(super) traffic: Arc<Namespace>,
    pub(super) repairs: Arc<Repairs>,
    /// Where the channel is kept.
    pub(super) kept: Option<Kept>,
}

impl Route {
    pub(super) fn broadcast(&self, publication: Publication) -> Broadcast {
        let counters = Arc::clone(&self.counters);
        Broadcast::new(self.channel.clone(), publication, counters)
    }

    /// One that is at hand.
    pub(super) fn broadcast_of(
        &self,
        recent: Arc<Recent>,
        trace: Option<TraceContext>,
    ) -> Broadcast {
        let counters = Arc::clone(&self.counters);
        Broadcast::of(self.channel.clone(), recent, trace, counters)
    }

    /// Hands a publication to the workers that want it.
    pub(super) fn forward(&self, broadcast: &Broadcast) {
        let mut workers = self.workers.load(Ordering::Acquire);
        if workers == 0 {
            return;
        }
        let traced = broadcast.traced();
        let broadcast = traced.as_ref().unwrap_or(broadcast);
        if !broadcast.is_happening() {
            self.traffic.received.add(1);
        }
        while workers != 0 {
            let worker = workers.trailing_zeros() as usize;
            workers &= workers - 1;
            if !self.queues[worker].offer(broadcast.clone()) {
                self.counters.worker_queue_full.add(1);
            }
        }
    }

    /// The channel.
    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Hands a join or leave to the workers that have subscribers.
    pub(crate) fn happen(&self, happening: Happening, info: ClientInfo) {
        if self.workers.load(Ordering::Acquire) != 0 {
            let (channel, counters) = (self.channel.clone(), Arc::clone(&self.counters));
            self.forward(&Broadcast::happening(channel, happening, info, counters));
        }
    }

    /// Tells every worker that subscribers cannot be given everything any more.
    pub(super) async fn lose(self: &Arc<Self>) {
        let workers = self.workers.load(Ordering::Acquire);
        for (number, queue) in self.queues.iter().enumerate() {
            if workers & (1 << number) != 0 {
                // A worker that is gone has no subscribers.
                let _gone = queue.sender.send(Item::Lost(Arc::clone(self))).await;
            }
        }
    }
}

impl Listener for Route {
    fn deliver(&self, publication: Publication) {
        if let Some(kept) = &self.kept {
            return kept.hear(self, publication);
        }
        if self.workers.load(Ordering::Acquire) != 0 {
            self.forward(&self.broadcast(publication));
        }
    }

    fn interrupted(&self) {
        if self.kept.is_some() {
            self.repairs.ask(&self.channel);
        }
    }
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Route")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}
