//! From the worker's queue into the logs: publications, joins and leaves of each channel, together where they may be.
//!
//! In: items of the queue, and the time. Out: frames in logs, and subscribers that are woken. Nothing here knows who joins
//! or leaves.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;
use tidegate_codec::Encoded;
use tokio::sync::mpsc::Receiver;

use super::batch::Batch;
use super::delivery::GATHER_LIMIT;
use super::log::Log;
use super::{Delivery, Hub, Members, progress};
use crate::broadcast::{Broadcast, Form};
use crate::interest::{Item, Route};

/// Publications taken from the worker's queue before other tasks of the worker get a turn.
const BATCH: usize = 64;

/// Bytes of publications after which they get a turn, however few these are: a burst must not fill the outbox of a client
/// that reads.
const BATCH_BYTES: usize = 64 * 1024;

impl Hub {
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
                    broadcast.taken();
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
        let is_kept = broadcast.recent().is_some_and(|it| it.epoch().is_some());
        let Some(progress) = progress.filter(|_| is_kept) else {
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
                // Joins and leaves have subscribers of their own.
                let all = batch.broadcasts.as_slice();
                let alike =
                    |one: &Broadcast, next: &Broadcast| one.is_happening() == next.is_happening();
                for part in all.chunk_by(alike) {
                    self.append_part(log, part, &members);
                }
            }
            self.time(&batch.broadcasts);
        }
    }

    /// Counts how long publications took that were delivered now.
    fn time(&self, broadcasts: &[Broadcast]) {
        let now = now();
        for broadcast in broadcasts.iter().filter(|it| !it.is_happening()) {
            let time = now.saturating_duration_since(broadcast.since());
            self.counters.times.fanned_out(self.worker, time);
        }
    }

    /// Adds publications, or joins and leaves, to a log that they belong in.
    fn append_part(&self, log: &Log, part: &[Broadcast], members: &Members) {
        let (delivery, traffic) = (&members.delivery, members.topic.traffic());
        if !part[0].is_happening() {
            let delivered = self.append(log, part, delivery, log.needs_whole());
            let count = (delivered * log.len()) as u64;
            self.counters.publications_out.add(count);
            traffic.delivered.add(count);
            part.iter().for_each(|it| it.queued(log.len()));
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
        let readable = batch.iter().filter_map(|it| Some((it, log.message(it)?)));
        if let Some(tag) = &delivery.newest_by {
            return readable
                .map(|(broadcast, message)| log.put(broadcast.key(tag), message, &self.press))
                .count();
        }
        let mut first = None;
        let messages: SmallVec<[Encoded; 4]> = readable
            .inspect(|(broadcast, _)| first = first.or(Some(*broadcast)))
            .map(|(_, message)| message.clone())
            .collect();
        if messages.is_empty() {
            return 0;
        }
        let first = first.filter(|_| needs_whole);
        let whole = first.and_then(|first| first.encoded(Form::Whole(log.wire().format)));
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
