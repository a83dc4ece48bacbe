//! Who on this worker listens to what: publications in, frames in the logs of their channels out.
//!
//! A worker's hub belongs to one thread. It takes what waits in the worker's queue, adds the publications of each
//! channel to that channel's [`log`] as ready-made frames, and wakes the subscribers' tasks, which then write from where
//! they stand to the head at once. While they write the next publications gather, so that a busy channel costs each
//! subscriber one write for many. Nothing is encoded, copied, allocated or locked per subscriber.

mod batch;
mod delivery;
pub(crate) mod log;
mod newest;
mod progress;
mod segments;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use tidegate_backbone::{Channel, Epoch, Error, Position};
use tidegate_codec::Encoded;
use tokio::sync::mpsc::Receiver;

use crate::broadcast::{Broadcast, Form};
use crate::counters::Counters;
use crate::interest::{Interest, Item, Route, Topic};
use crate::outbox::Outbox;
use crate::presence::Hearing;
use crate::wire::{Press, Wire};
use batch::Batch;
pub use delivery::Delivery;
use delivery::GATHER_LIMIT;
use log::{Cursor, Log};
use progress::Progress;
use segments::Spares;

/// Publications taken from the worker's queue before other tasks of the worker get a turn.
const BATCH: usize = 64;

/// Bytes of publications after which they get a turn, however few these are: a burst must not fill the outbox of a client
/// that reads.
const BATCH_BYTES: usize = 64 * 1024;

/// The subscribers of one worker.
pub struct Hub {
    worker: usize,
    interest: Arc<Interest>,
    counters: Arc<Counters>,
    /// Publications taken from the worker's queue so far.
    taken: Cell<u64>,
    channels: RefCell<HashMap<Channel, Rc<Members>>>,
    /// Channels with publications to be delivered now.
    touched: RefCell<Vec<Rc<Members>>>,
    /// Channels with publications to be delivered later.
    held: RefCell<BTreeMap<Turn, Rc<Members>>>,
    /// Turns given out so far.
    turns: Cell<u64>,
    spares: Rc<Spares>,
    press: Press,
}

/// The subscribers of one channel.
struct Members {
    topic: Arc<Topic>,
    delivery: Arc<Delivery>,
    /// The first of the worker's publications that is for them. Those before it were queued for members who have left,
    /// and a gap may follow them.
    since: u64,
    /// One for each form of frames that somebody needs.
    logs: RefCell<Vec<Rc<Log>>>,
    /// Publications that stand in no log yet.
    batch: RefCell<Batch>,
    /// When there last was a delivery, where that matters.
    delivered: Cell<Option<Instant>>,
    /// How far they are in a kept channel.
    progress: Option<Progress>,
}

/// How a subscriber is given a channel.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Options of the namespace.
    pub delivery: Arc<Delivery>,
    /// Whether publications come as patches of the one before.
    pub is_delta: bool,
    /// Where joins and leaves are heard, if they are to be.
    pub hearing: Option<Arc<Hearing>>,
}

/// A time, and a number that makes it unique.
type Turn = (Instant, u64);

/// A place among a channel's subscribers; dropping it gives it up.
pub struct Membership {
    hub: Rc<Hub>,
    members: Rc<Members>,
    cursor: Rc<Cursor>,
}

impl Hub {
    /// The hub of worker number `worker`.
    #[must_use]
    pub fn new(
        worker: usize,
        interest: Arc<Interest>,
        counters: Arc<Counters>,
        press: Press,
    ) -> Rc<Self> {
        Rc::new(Self {
            press,
            worker,
            interest,
            counters,
            taken: Cell::new(0),
            channels: RefCell::default(),
            touched: RefCell::default(),
            held: RefCell::default(),
            turns: Cell::new(0),
            spares: Rc::default(),
        })
    }

    /// Delivers what comes in for this worker until the node is gone.
    pub async fn run(self: Rc<Self>, mut queue: Receiver<Item>) {
        loop {
            let first = tokio::select! {
                first = queue.recv() => match first {
                    Some(first) => Some(first),
                    None => return,
                },
                () = sleep_until_some(self.next_turn()) => None,
            };
            self.take(first, &mut queue);
            self.release_held();
            self.deliver();
            // Connections' tasks run on this thread too: let them write.
            tokio::task::yield_now().await;
        }
    }

    /// Collects what waits in the queue, within bounds.
    fn take(&self, first: Option<Item>, queue: &mut Receiver<Item>) {
        let (mut next, mut count, mut bytes) = (first, 0, 0);
        while let Some(item) = next {
            let size = match item {
                Item::Publication(broadcast) => {
                    let size = broadcast.size();
                    self.collect(broadcast);
                    self.interest.taken(self.worker, size);
                    size
                }
                Item::Lost(route) => {
                    self.lose(&route);
                    0
                }
            };
            self.taken.set(self.taken.get() + 1);
            count += 1;
            bytes += size;
            let has_room = count < BATCH && bytes < BATCH_BYTES;
            next = has_room.then(|| queue.try_recv().ok()).flatten();
        }
    }

    /// Takes one publication, for [`Hub::deliver`] to put before the subscribers of its channel on this worker.
    pub fn collect(&self, broadcast: Broadcast) {
        let channels = self.channels.borrow();
        let Some(members) = channels.get(broadcast.channel()) else {
            return;
        };
        let progress = members.progress.as_ref();
        let Some(progress) = progress.filter(|_| !broadcast.is_happening()) else {
            if self.taken.get() >= members.since {
                self.gather(members, broadcast);
            }
            return;
        };
        match progress.step(&broadcast) {
            progress::Step::Next => self.gather(members, broadcast),
            progress::Step::Known => {}
            // The worker's queue was full for a while.
            progress::Step::Gap(after) => match members.topic.between(after, broadcast.offset()) {
                Some(missing) if missing.first().is_none_or(|it| it.continues(after)) => {
                    missing.into_iter().for_each(|it| {
                        progress.step(&it);
                        self.gather(members, it);
                    });
                }
                Some(_) | None => members.lose(),
            },
        }
    }

    fn gather(&self, members: &Rc<Members>, broadcast: Broadcast) {
        let mut batch = members.batch.borrow_mut();
        if batch.broadcasts.is_empty() {
            self.schedule(members, &mut batch);
        }
        batch.push(broadcast, &members.delivery);
        if batch.bytes > GATHER_LIMIT
            && let Some(turn) = batch.turn.take()
        {
            self.touched
                .borrow_mut()
                .extend(self.held.borrow_mut().remove(&turn));
        }
    }

    /// Finds the time for a batch that begins to gather.
    fn schedule(&self, members: &Rc<Members>, batch: &mut Batch) {
        let delivery = &members.delivery;
        let due = delivery
            .is_paced()
            .then(|| delivery.due(now(), members.delivered.get()));
        let Some(due) = due.flatten() else {
            return self.touched.borrow_mut().push(Rc::clone(members));
        };
        let turn = (due, self.turns.replace(self.turns.get() + 1));
        batch.turn = Some(turn);
        self.held.borrow_mut().insert(turn, Rc::clone(members));
    }

    /// When the next batch has gathered for long enough.
    fn next_turn(&self) -> Option<Instant> {
        self.held.borrow().first_key_value().map(|((at, _), _)| *at)
    }

    /// Moves batches whose time has come to those that are delivered.
    fn release_held(&self) {
        let mut held = self.held.borrow_mut();
        if held.is_empty() {
            return;
        }
        let now = now();
        while let Some(first) = held.first_entry().filter(|first| first.key().0 <= now) {
            let members = first.remove();
            members.batch.borrow_mut().turn = None;
            self.touched.borrow_mut().push(members);
        }
    }

    /// Puts what was collected into the logs, and wakes whoever has to write it.
    pub fn deliver(&self) {
        for members in self.touched.take() {
            let batch = members.batch.take();
            if members.delivery.is_paced() {
                members.delivered.set(Some(now()));
            }
            if let Some(progress) = &members.progress {
                progress.delivered();
            }
            for log in members.logs.borrow().iter() {
                // Joins and leaves are never patches, nor what patches are of.
                let all = batch.broadcasts.as_slice();
                let alike =
                    |one: &Broadcast, next: &Broadcast| one.is_happening() == next.is_happening();
                for part in all.chunk_by(alike) {
                    self.append_part(log, part, &members.delivery);
                }
            }
        }
    }

    /// Adds publications, or joins and leaves, to a log that they belong in.
    fn append_part(&self, log: &Log, part: &[Broadcast], delivery: &Delivery) {
        if !part[0].is_happening() {
            let delivered = self.append(log, part, delivery, log.needs_whole());
            let count = (delivered * log.len()) as u64;
            self.counters.publications_out.add(count);
        } else if log.is_hearing() {
            let delivered = self.append(log, part, delivery, false);
            let count = (delivered * log.len()) as u64;
            self.counters.events_out.add(count);
        }
    }

    /// Adds publications to a log; gives the number of those that clients of its form can read.
    fn append(
        &self,
        log: &Log,
        batch: &[Broadcast],
        delivery: &Delivery,
        needs_whole: bool,
    ) -> usize {
        let form = log.form();
        let readable = || batch.iter().filter_map(|it| Some((it, it.encoded(form)?)));
        if let Some(tag) = &delivery.newest_by {
            return readable()
                .map(|(broadcast, message)| log.put(broadcast.key(tag), message, &self.press))
                .count();
        }
        let messages: SmallVec<[Encoded; 4]> =
            readable().map(|(_, message)| message.clone()).collect();
        if messages.is_empty() {
            return 0;
        }
        let first = needs_whole.then(|| readable().next()).flatten();
        let whole = first.and_then(|(first, _)| first.encoded(Form::Whole(log.wire().format)));
        log.append(&messages, delivery.batch, &self.press, whole);
        messages.len()
    }

    /// Tells the subscribers of a route that they cannot be given everything any more.
    fn lose(&self, route: &Arc<Route>) {
        let channels = self.channels.borrow();
        let mut all = channels.values();
        if let Some(members) = all.find(|members| members.topic.is_by(route)) {
            members.lose();
        }
    }

    /// The offset up to which this worker's subscribers of a kept channel have been given it, if there are any.
    #[must_use]
    pub fn reached(&self, topic: &Arc<Topic>) -> Option<u64> {
        let channels = self.channels.borrow();
        let members = channels.get(topic.channel())?;
        let is_same = Arc::ptr_eq(&members.topic, topic);
        members
            .progress
            .as_ref()
            .filter(|_| is_same)
            .map(Progress::reached)
    }

    /// Shows the subscribers of a channel on this worker.
    pub(crate) fn each_subscriber(&self, channel: &Channel, show: impl Fn(&Rc<Outbox>)) {
        if let Some(members) = self.channels.borrow().get(channel) {
            members.logs.borrow().iter().for_each(|log| log.each(&show));
        }
    }

    /// Shows every channel of this worker, with the number of its subscribers here.
    pub(crate) fn each_channel(&self, mut show: impl FnMut(&Channel, usize)) {
        for (channel, members) in self.channels.borrow().iter() {
            show(
                channel,
                members.logs.borrow().iter().map(|log| log.len()).sum(),
            );
        }
    }

    /// What the worker makes frames with.
    pub(crate) fn press(&self) -> &Press {
        &self.press
    }

    /// Makes sure that this node receives a channel. Joins nobody yet: see [`Hub::attach`].
    ///
    /// # Errors
    /// The backbone's [`Error`].
    pub async fn join(&self, channel: &Channel) -> Result<Arc<Topic>, Error> {
        let topic = self.interest.topic(channel);
        topic.ready().await?;
        Ok(topic)
    }

    /// Starts delivery of a joined channel to a connection's outbox.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the topic was lost meanwhile.
    pub fn attach(
        self: &Rc<Self>,
        topic: Arc<Topic>,
        outbox: &Rc<Outbox>,
        terms: &Terms,
    ) -> Result<Membership, Error> {
        let members = self.members(topic, &terms.delivery)?;
        let log = members.log(outbox.wire(), terms, &self.spares);
        let cursor = log.join(outbox);
        self.counters.subscriptions.add(1);
        Ok(Membership {
            hub: Rc::clone(self),
            members,
            cursor,
        })
    }

    /// The subscribers of a topic, none if there were none.
    fn members(&self, topic: Arc<Topic>, delivery: &Arc<Delivery>) -> Result<Rc<Members>, Error> {
        let mut channels = self.channels.borrow_mut();
        if let Some(members) = channels.get(topic.channel()) {
            if Arc::ptr_eq(&members.topic, &topic) {
                return Ok(Rc::clone(members));
            }
            // A topic has a successor when it was lost.
            members.lose();
        }
        let position = topic.add_worker(self.worker);
        if topic.is_kept() && position.is_none() {
            topic.remove_worker(self.worker);
            let reason = "the channel's position was lost".to_owned();
            return Err(Error::Unavailable(reason));
        }
        let members = Rc::new(Members {
            delivery: Arc::clone(delivery),
            since: self.taken.get() + self.interest.waiting(self.worker),
            logs: RefCell::default(),
            batch: RefCell::default(),
            delivered: Cell::new(None),
            progress: position.map(Progress::new),
            topic,
        });
        channels.insert(members.topic.channel().clone(), Rc::clone(&members));
        Ok(members)
    }

    fn detach(&self, membership: &Membership) {
        membership.cursor.leave();
        self.counters.subscriptions.sub(1);
        let log = membership.cursor.log();
        if log.len() > 0 {
            return;
        }
        let members = &membership.members;
        let mut logs = members.logs.borrow_mut();
        logs.retain(|other| !Rc::ptr_eq(other, log));
        if logs.is_empty() {
            members.topic.remove_worker(self.worker);
            let mut channels = self.channels.borrow_mut();
            let channel = members.topic.channel();
            if channels
                .get(channel)
                .is_some_and(|it| Rc::ptr_eq(it, members))
            {
                channels.remove(channel);
            }
        }
    }
}

impl Members {
    /// Tells everybody that they cannot be given everything any more.
    fn lose(&self) {
        for log in self.logs.borrow().iter() {
            log.lose(self.topic.channel());
        }
    }

    /// The log for clients of this form.
    fn log(&self, wire: Wire, terms: &Terms, spares: &Rc<Spares>) -> Rc<Log> {
        let mut logs = self.logs.borrow_mut();
        let is_hearing = terms.hearing.is_some();
        let mut found = logs.iter();
        if let Some(log) = found.find(|log| log.is_for(wire, terms.is_delta, is_hearing)) {
            return Rc::clone(log);
        }
        let is_newest = self.delivery.newest_by.is_some();
        let hearing = terms.hearing.clone();
        let log = Log::new(wire, terms.is_delta, hearing, Rc::clone(spares), is_newest);
        logs.push(Rc::clone(&log));
        log
    }
}

impl Membership {
    /// The channel.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        self.members.topic.channel()
    }

    /// In a kept channel, the position behind which it is delivered.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.members.progress.as_ref().map(Progress::position)
    }

    /// Everything of a kept channel behind an offset that is not delivered because it was before; `None` if that is not at
    /// hand.
    pub(crate) fn missed(&self, after: u64) -> Option<Vec<Broadcast>> {
        let reached = self.members.progress.as_ref()?.reached();
        self.members.topic.between(after, reached)
    }

    /// The newest of those publications, if it is at hand.
    pub(crate) fn newest(&self) -> Option<Broadcast> {
        let reached = self.members.progress.as_ref()?.reached();
        self.members
            .topic
            .between(reached.saturating_sub(1), reached)?
            .pop()
    }

    /// The subscriber has the publication that the next one may be a patch of.
    pub(crate) fn has_base(&self) {
        self.cursor.has_base();
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.hub.detach(self);
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels = self.channels.borrow().len();
        f.debug_struct("Hub")
            .field("worker", &self.worker)
            .field("channels", &channels)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("channel", self.channel())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
