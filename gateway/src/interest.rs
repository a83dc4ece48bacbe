//! Which channels this node listens to, and which of its workers want each.
//!
//! A [`Topic`] is one running backbone subscription. It lives as long as some worker holds it: the last holder to let
//! go ends the subscription. Publications go from the backbone's task to the queue of each interested worker, encoded
//! at most once per format for the whole node, without a lock.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tidegate_backbone::{Backbone, Channel, Error, Listener, Publication, Subscription};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::broadcast::Broadcast;
use crate::counters::Counters;

/// Workers a node can have: one bit each in a topic's set.
pub const MAX_WORKERS: usize = 64;

/// Publications that may wait for one worker. When it is full a publication is dropped for that worker and counted.
pub const WORKER_QUEUE: usize = 65_536;

/// Bytes of publications that may wait for one worker, with the same outcome.
pub const WORKER_QUEUE_BYTES: usize = 64 * 1024 * 1024;

/// What waits for one worker.
struct Queue {
    sender: Sender<Broadcast>,
    /// Of the publications in it.
    bytes: AtomicUsize,
}

/// The channels that this node listens to.
pub struct Interest {
    backbone: Arc<dyn Backbone>,
    queues: Arc<[Queue]>,
    counters: Arc<Counters>,
    topics: Mutex<HashMap<Channel, Weak<Topic>>>,
}

/// One channel's backbone subscription, shared by the workers that want it.
pub struct Topic {
    interest: Weak<Interest>,
    route: Arc<Route>,
    subscription: OnceCell<Subscription>,
}

/// Where a channel's publications go: a listener of the backbone.
struct Route {
    channel: Channel,
    /// Bit `n` is set while worker `n` has subscribers.
    workers: AtomicU64,
    queues: Arc<[Queue]>,
    counters: Arc<Counters>,
}

impl Interest {
    /// Interest of a node with `workers` workers, and the queue that each of them must consume.
    #[must_use]
    pub fn new(
        backbone: Arc<dyn Backbone>,
        workers: usize,
        counters: Arc<Counters>,
    ) -> (Arc<Self>, Vec<Receiver<Broadcast>>) {
        assert!(
            (1..=MAX_WORKERS).contains(&workers),
            "a node has 1 to {MAX_WORKERS} workers"
        );
        let queue = |_| {
            let (sender, receiver) = channel(WORKER_QUEUE);
            let bytes = AtomicUsize::new(0);
            (Queue { sender, bytes }, receiver)
        };
        let (queues, receivers): (Vec<_>, Vec<_>) = (0..workers).map(queue).unzip();
        let interest = Self {
            backbone,
            queues: queues.into(),
            counters,
            topics: Mutex::default(),
        };
        (Arc::new(interest), receivers)
    }

    /// The topic of a channel, shared with everyone who holds it now.
    #[must_use]
    pub fn topic(self: &Arc<Self>, channel: &Channel) -> Arc<Topic> {
        let mut topics = self.topics();
        if let Some(topic) = topics.get(channel).and_then(Weak::upgrade) {
            return topic;
        }
        let route = Route {
            channel: channel.clone(),
            workers: AtomicU64::new(0),
            queues: Arc::clone(&self.queues),
            counters: Arc::clone(&self.counters),
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

    /// Says that worker number `worker` has taken a publication of this size off its queue.
    pub(crate) fn taken(&self, worker: usize, bytes: usize) {
        self.queues[worker]
            .bytes
            .fetch_sub(bytes, Ordering::Relaxed);
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
        let listener: Arc<dyn Listener> = Arc::clone(&self.route) as _;
        let subscribe = || interest.backbone.subscribe(&self.route.channel, listener);
        self.subscription
            .get_or_try_init(subscribe)
            .await
            .map(|_| ())
    }

    /// Starts handing publications to worker number `worker`.
    pub fn add_worker(&self, worker: usize) {
        self.route.workers.fetch_or(1 << worker, Ordering::Release);
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

impl Listener for Route {
    fn deliver(&self, publication: Publication) {
        let mut workers = self.workers.load(Ordering::Acquire);
        if workers == 0 {
            return;
        }
        let broadcast = Broadcast::new(
            self.channel.clone(),
            publication,
            Arc::clone(&self.counters),
        );
        while workers != 0 {
            let worker = workers.trailing_zeros() as usize;
            workers &= workers - 1;
            if !self.queues[worker].offer(broadcast.clone()) {
                self.counters.worker_queue_full.add(1);
            }
        }
    }
}

impl Queue {
    /// Adds a publication; false when there is no room for it.
    fn offer(&self, broadcast: Broadcast) -> bool {
        let size = broadcast.size();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = before + size <= WORKER_QUEUE_BYTES && self.sender.try_send(broadcast).is_ok();
        if !fits {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        fits
    }
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
    use super::*;

    #[test]
    fn a_worker_queue_is_bounded_in_bytes_until_they_are_taken() {
        let counters = Arc::new(Counters::default());
        let backbone = tidegate_backbone::embedded::Embedded::new();
        let (interest, mut queues) = Interest::new(Arc::new(backbone), 1, Arc::clone(&counters));
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
        let taken = queues[0].try_recv().unwrap();
        interest.taken(0, taken.size());
        deliver();
        assert_eq!(counters.worker_queue_full.get(), 1);
        deliver();
        assert_eq!(counters.worker_queue_full.get(), 2);
    }
}
