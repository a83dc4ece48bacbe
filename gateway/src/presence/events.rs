//! Joins and leaves: from the node where they happen to those that have subscribers who want to know.
//!
//! A node hears the events of a channel while somebody on it does, and tells its own over the bus too, so that all are in one
//! order. What waits to be told, and what waits for users to come back, is bounded.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::{
    self as backbone, Backbone, Channel, ClientInfo, Ear, Error, Heard, Message, Subscription,
};
use tokio::sync::{Notify, OnceCell, mpsc};
use tokio::time::Instant;

use super::away::{Away, Sight};
use super::debounce::Debounce;
use super::entry::ClientId;
use super::event::{self, Back, Event};
use crate::broadcast::Happening;
use crate::counters::Counters;
use crate::interest::{Route, Topic};

/// Events that wait to be told; one more is dropped and counted.
const QUEUE: usize = 65_536;

/// The events of all channels.
pub(crate) struct Events {
    backbone: Arc<dyn Backbone>,
    counters: Arc<Counters>,
    /// The name of this node.
    node: String,
    hearings: Mutex<HashMap<Channel, Weak<Hearing>>>,
    /// Hearings so far.
    opened: AtomicU64,
    queue: mpsc::Sender<(Channel, Bytes)>,
    /// Held by the task that tells them.
    waiting: tokio::sync::Mutex<mpsc::Receiver<(Channel, Bytes)>>,
    debounce: Mutex<Debounce>,
    away: Mutex<Away>,
    /// Told when a leave begins to wait.
    parked: Notify,
}

/// Where the subscribers on this node are told of one channel's events, while somebody holds it.
pub struct Hearing {
    events: Weak<Events>,
    /// No other one's.
    number: u64,
    route: Arc<Route>,
    /// How long leaves wait.
    debounce: Duration,
    subscription: OnceCell<Subscription>,
}

impl Events {
    pub(super) fn new(
        backbone: Arc<dyn Backbone>,
        counters: Arc<Counters>,
        node: String,
    ) -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Arc::new(Self {
            backbone,
            counters,
            node,
            hearings: Mutex::default(),
            opened: AtomicU64::new(0),
            queue,
            waiting: tokio::sync::Mutex::new(waiting),
            debounce: Mutex::default(),
            away: Mutex::default(),
            parked: Notify::new(),
        })
    }

    /// Makes sure that this node hears the events of a topic's channel.
    ///
    /// # Errors
    /// The backbone's [`Error`].
    pub(crate) async fn hear(
        self: &Arc<Self>,
        topic: &Topic,
        debounce: Duration,
    ) -> Result<Arc<Hearing>, Error> {
        let hearing = self.hearing(topic, debounce);
        let open = || self.open(&hearing);
        hearing.subscription.get_or_try_init(open).await?;
        Ok(hearing)
    }

    fn hearing(self: &Arc<Self>, topic: &Topic, debounce: Duration) -> Arc<Hearing> {
        // Let go behind the lock, which its drop takes.
        let found;
        let mut hearings = self.hearings();
        found = hearings.get(topic.channel()).and_then(Weak::upgrade);
        // A topic that was lost has a successor with a route of its own.
        if let Some(hearing) = found.as_ref().filter(|it| topic.is_by(&it.route)) {
            return Arc::clone(hearing);
        }
        let hearing = Arc::new(Hearing {
            events: Arc::downgrade(self),
            number: self.opened.fetch_add(1, Ordering::Relaxed),
            route: Arc::clone(topic.route()),
            debounce,
            subscription: OnceCell::new(),
        });
        hearings.insert(topic.channel().clone(), Arc::downgrade(&hearing));
        hearing
    }

    async fn open(&self, hearing: &Arc<Hearing>) -> Result<Subscription, Error> {
        let topic = backbone::Topic::events(hearing.route.channel());
        let ear = Arc::new(EventEar(Arc::downgrade(hearing)));
        self.backbone.hear(&topic, None, ear).await
    }

    /// Has an event told to every node that hears it, this one included.
    pub(super) fn tell(&self, channel: &Channel, happening: Happening, info: &ClientInfo) {
        self.queue(channel, event::write(happening, info, None));
    }

    /// Has a join of a client told to every node but this one, whose subscribers were never told that it had left. `beat` is
    /// the last that this node has sent.
    pub(super) fn tell_return(&self, channel: &Channel, info: &ClientInfo, beat: u64) {
        let node = self.node.clone();
        let back = Some(Back { node, beat });
        self.queue(channel, event::write(Happening::Join, info, back));
    }

    fn queue(&self, channel: &Channel, data: Bytes) {
        if self.queue.try_send((channel.clone(), data)).is_err() {
            self.counters.events_dropped.add(1);
        }
    }

    /// Takes a leave that only the presence service could tell of, as of a beat of the client's node.
    pub(super) fn left(&self, channel: &Channel, info: ClientInfo, beat: u64) {
        let hearing = self.hearings().get(channel).and_then(Weak::upgrade);
        let client = ClientId::parse(&info.client);
        if let Some((hearing, client)) = hearing.zip(client)
            && self.away().lapsed(hearing.sight(client), beat)
        {
            self.take(&hearing, Happening::Leave, info);
        }
    }

    /// Takes what a node tells.
    fn heard(&self, hearing: &Hearing, event: Event) {
        if event.back.as_ref().is_some_and(|it| it.node == self.node) {
            return;
        }
        let sight = hearing.sight(event.client);
        let mut away = self.away();
        let is_news = match (event.happening, event.back) {
            (Happening::Leave, _) => away.left(sight),
            (Happening::Join, Some(back)) => away.returned(sight, back.beat),
            (Happening::Join, None) => {
                away.joined(sight);
                true
            }
        };
        drop(away);
        if is_news {
            self.take(hearing, event.happening, event.info);
        }
    }

    fn take(&self, hearing: &Hearing, happening: Happening, info: ClientInfo) {
        let route = &hearing.route;
        if hearing.debounce.is_zero() {
            return route.happen(happening, info);
        }
        let mut debounce = self.debounce();
        match happening {
            Happening::Join if debounce.undoes(route.channel(), &info) => {}
            Happening::Join => route.happen(happening, info),
            Happening::Leave => {
                let due = (Instant::now() + hearing.debounce).into_std();
                let parked = debounce.leave(route.channel().clone(), info, due);
                self.parked.notify_one();
                if let Err(info) = parked {
                    route.happen(happening, info);
                }
            }
        }
    }

    /// Tells what waits, and what has waited for long enough, for as long as it is polled.
    pub(super) async fn run(&self) {
        tokio::join!(self.tell_all(), self.release_all());
    }

    async fn tell_all(&self) {
        let mut waiting = self.waiting.lock().await;
        while let Some((channel, data)) = waiting.recv().await {
            self.say(&channel, data).await;
        }
    }

    /// Tells what still waits.
    pub(super) async fn tell_rest(&self) {
        let mut waiting = self.waiting.lock().await;
        while let Ok((channel, data)) = waiting.try_recv() {
            self.say(&channel, data).await;
        }
    }

    async fn say(&self, channel: &Channel, data: Bytes) {
        let topic = backbone::Topic::events(channel);
        if let Err(error) = self.backbone.tell(&topic, Message::new(data)).await {
            tracing::debug!(channel = channel.as_str(), %error, "event not told");
            self.counters.events_dropped.add(1);
        }
    }

    async fn release_all(&self) {
        loop {
            let next = self.debounce().next();
            tokio::select! {
                () = self.parked.notified() => {}
                () = sleep_until_some(next) => self.release(),
            }
        }
    }

    fn release(&self) {
        let now = Instant::now().into_std();
        loop {
            let Some((channel, info)) = self.debounce().due(now) else {
                return;
            };
            let hearing = self.hearings().get(&channel).and_then(Weak::upgrade);
            if let Some(hearing) = hearing {
                hearing.route.happen(Happening::Leave, info);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_deaf(&self) -> bool {
        self.hearings().is_empty()
    }

    fn hearings(&self) -> MutexGuard<'_, HashMap<Channel, Weak<Hearing>>> {
        // A panic while it was held leaves a whole map: every change is one insert or remove.
        self.hearings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> MutexGuard<'_, Away> {
        // A panic while it was held leaves a client that is told as left twice at worst.
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn debounce(&self) -> MutexGuard<'_, Debounce> {
        // A panic while it was held leaves a turn without a leave at worst, which is passed over.
        self.debounce.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hearing {
    fn sight(&self, client: ClientId) -> Sight {
        Sight {
            hearing: self.number,
            client,
        }
    }
}

impl Drop for Hearing {
    fn drop(&mut self) {
        let Some(events) = self.events.upgrade() else {
            return;
        };
        let mut hearings = events.hearings();
        let channel = self.route.channel();
        // A successor may stand in the map already: it was made after this one's last holder let go.
        if hearings
            .get(channel)
            .is_some_and(|it| it.strong_count() == 0)
        {
            hearings.remove(channel);
        }
    }
}

/// Hears the events of one channel.
struct EventEar(Weak<Hearing>);

impl Ear for EventEar {
    fn hear(&self, heard: Heard) {
        let Some(hearing) = self.0.upgrade() else {
            return;
        };
        let Some(events) = hearing.events.upgrade() else {
            return;
        };
        match event::read(heard.message.data) {
            Some(event) => events.heard(&hearing, event),
            None => events.counters.presence_ignored.add(1),
        }
    }
}

async fn sleep_until_some(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Hearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hearing")
            .field("route", &self.route)
            .finish_non_exhaustive()
    }
}
