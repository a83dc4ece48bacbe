//! Who on this worker listens to what: publications in, frames in the logs of their channels out.
//!
//! A worker's hub belongs to one thread. It takes what waits in the worker's queue, adds the publications of each
//! channel to that channel's [`log`] as ready-made frames, and wakes the subscribers' tasks, which then write from where
//! they stand to the head at once. While they write the next publications gather, so that a busy channel costs each
//! subscriber one write for many. Nothing is encoded, copied, allocated or locked per subscriber.

mod batch;
mod delivery;
mod fan_out;
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

use tidegate_backbone::{Channel, Epoch, Error, Position};

use crate::broadcast::{Broadcast, Recent};
use crate::counters::Counters;
use crate::interest::{Interest, Missed, Topic};
use crate::outbox::Outbox;
use crate::presence::Hearing;
use crate::wire::{Press, Wire};
use batch::Batch;
pub use delivery::Delivery;
use log::{Cursor, Log};
use progress::Progress;
use segments::Spares;

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
        if let Some(occupancy) = self.interest.occupancy() {
            occupancy.enter(members.topic.channel());
        }
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
            self.interest.linger(&members.topic);
            let mut channels = self.channels.borrow_mut();
            let channel = members.topic.channel();
            if let Some(occupancy) = self.interest.occupancy() {
                occupancy.leave(channel);
            }
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

    /// What a client missed, with what came since, that is not delivered because it was before; `None` if
    /// that is not at hand.
    pub(crate) fn missed(&self, missed: &Missed) -> Option<Vec<Arc<Recent>>> {
        let reached = self.members.progress.as_ref()?.reached();
        self.members.topic.complete(missed, reached)
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
