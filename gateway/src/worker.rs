//! What the connections of one worker thread share: their hub, their timers, the buffer that they read into, and the
//! list of them, by which they are closed one after the other when the node stops.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Instant;

use slab::Slab;
use tidegate_codec::DisconnectCode;
use tidegate_websocket::Inflater;
use tokio::sync::mpsc::Receiver;
use tokio::time::sleep_until;

use crate::control::{Errand, Job};
use crate::hub::Hub;
use crate::interest::{self, Item};
use crate::node::Node;
use crate::outbox::Outbox;
use crate::tls::Tls;
use crate::users::Users;
use crate::wheel::Wheel;
use crate::wire::Press;

/// Bytes that are taken from a socket at a time.
const READ: usize = 16 * 1024;

/// One worker thread.
pub(crate) struct Worker {
    pub(crate) node: Arc<Node>,
    pub(crate) hub: Rc<Hub>,
    pub(crate) wheel: Wheel,
    /// Bytes of no connection in particular; in use only while one is reading.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    /// Of no connection in particular either.
    pub(crate) inflater: RefCell<Inflater>,
    /// Connections by user.
    pub(crate) users: Rc<Users>,
    connections: RefCell<Slab<Place>>,
    /// Connections so far.
    entered: Cell<u64>,
}

/// A connection's place in the list.
struct Place {
    outbox: Weak<Outbox>,
    /// Greater than that of every older one.
    number: u64,
}

impl Worker {
    /// Starts the tasks of a worker on its thread.
    pub(crate) fn start(
        node: Arc<Node>,
        number: usize,
        (queue, jobs): (Receiver<Item>, Receiver<Job>),
    ) -> Rc<Self> {
        let websocket = &node.config.websocket;
        let hub = Hub::new(
            number,
            Arc::clone(&node.interest),
            Arc::clone(&node.counters),
            Press::new(websocket.compression_level, websocket.compression_min_size),
        );
        let worker = Rc::new(Self {
            node,
            hub,
            wheel: Wheel::new(),
            scratch: RefCell::new(vec![0; READ].into()),
            inflater: RefCell::default(),
            users: Rc::default(),
            connections: RefCell::default(),
            entered: Cell::default(),
        });
        actix_web::rt::spawn(Rc::clone(&worker.hub).run(queue));
        let turning = Rc::clone(&worker);
        actix_web::rt::spawn(async move { turning.wheel.run().await });
        actix_web::rt::spawn(Rc::clone(&worker).drain());
        actix_web::rt::spawn(Rc::clone(&worker).work(jobs));
        if number == 0 {
            for tls in worker.node.tls.all() {
                actix_web::rt::spawn(watch_certificate(Arc::clone(tls)));
            }
            let period = worker.node.config.client.channel_position_check_delay;
            let interest = Arc::downgrade(&worker.node.interest);
            actix_web::rt::spawn(interest::heed(interest.clone()));
            actix_web::rt::spawn(interest::let_go(interest.clone()));
            actix_web::rt::spawn(interest::keep(interest, period));
            if let Some(presence) = worker.node.presence.clone() {
                actix_web::rt::spawn(presence.run());
            }
        }
        worker
    }

    /// Lists and counts a connection; gives the number of its place, until it [leaves](Self::leave).
    pub(crate) fn enter(&self, outbox: &Rc<Outbox>) -> u32 {
        self.node.connection_opened();
        let number = self.entered.replace(self.entered.get() + 1);
        let outbox = Rc::downgrade(outbox);
        let place = self
            .connections
            .borrow_mut()
            .insert(Place { outbox, number });
        u32::try_from(place).expect("a process has fewer files than that")
    }

    /// Takes a connection off the list; its outbox has to be there still.
    pub(crate) fn leave(&self, place: u32) {
        let place = self.connections.borrow_mut().remove(place as usize);
        if let Some(outbox) = place.outbox.upgrade() {
            outbox.retire(&self.node.counters.queue_bytes);
        }
        self.node.connection_closed();
    }

    /// Does what backends want of this worker's connections.
    async fn work(self: Rc<Self>, mut jobs: Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            match job {
                Job::Errand(errand) => self.send(&errand),
                Job::Channels(census) => census.add(|add| self.hub.each_channel(add)),
                Job::Users(census) => census.add(|users| self.users.add_to(users)),
                Job::GiveAway(count) => self.give_away(count),
            }
            tokio::task::yield_now().await;
        }
    }

    /// Asks so many of its oldest connections to connect again.
    fn give_away(&self, count: usize) {
        let connections = self.connections.borrow();
        let mut oldest: Vec<_> = connections.iter().map(|(_, it)| it).collect();
        if count < oldest.len() {
            oldest.select_nth_unstable_by_key(count, |it| it.number);
        }
        for outbox in oldest
            .iter()
            .take(count)
            .filter_map(|it| it.outbox.upgrade())
        {
            self.node.counters.given_away.add(1);
            outbox.ask_to_close(DisconnectCode::ForceReconnect);
        }
    }

    /// Gives an errand to those whom it may be for; they know whether it is.
    fn send(&self, errand: &Arc<Errand>) {
        let give = |outbox: &Rc<Outbox>| {
            if !outbox.send(errand) {
                errand.tally.missed();
            }
        };
        match (&errand.whom.user, &errand.whom.channel) {
            (_, Some(channel)) => self.hub.each_subscriber(channel, give),
            (Some(user), None) => self.users.each(user, give),
            (None, None) => self.users.each_of_all(give),
        }
    }

    /// Once the node is stopping, closes the connections in the order of their numbers, spread over the drain period.
    async fn drain(self: Rc<Self>) {
        let Ok(plan) = self
            .node
            .drain()
            .wait_for(Option::is_some)
            .await
            .map(|plan| *plan)
        else {
            return;
        };
        let Some(plan) = plan else { return };
        let keys: Vec<usize> = self
            .connections
            .borrow()
            .iter()
            .map(|(key, _)| key)
            .collect();
        let count = keys.len();
        for (index, key) in keys.into_iter().enumerate() {
            let at: Instant = plan.since + plan.period.mul_f64(index as f64 / count as f64);
            sleep_until(at.into()).await;
            let connections = self.connections.borrow();
            let outbox = connections.get(key).and_then(|it| it.outbox.upgrade());
            drop(connections);
            if let Some(outbox) = outbox {
                outbox.ask_to_close(DisconnectCode::Shutdown);
            }
        }
    }
}

/// Keeps a certificate of the node up to date.
async fn watch_certificate(tls: Arc<Tls>) {
    match Arc::clone(&tls.port).watch().await {}
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.connections.borrow().len();
        f.debug_struct("Worker")
            .field("connections", &connections)
            .finish_non_exhaustive()
    }
}
