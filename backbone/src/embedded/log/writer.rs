//! The thread that changes a log: publications in the order in which they were sent, as many at a time as there are.
//!
//! What was stored is heard and confirmed from here, so nobody hears of what a crash could take back.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::group::{Group, Put};
use super::ids::Ids;
use crate::embedded::Clock;
use crate::embedded::listeners::Listeners;
use crate::embedded::mark::Mark;
use crate::embedded::tables::{Changes, Failure, Tables};
use crate::{Channel, Epoch, Error, Place, Position, Publication, StreamOptions};

/// Publications, or rows that go because of their age, in one change.
const GROUP: usize = 1_024;

/// Bytes of publications after which a change is made.
const GROUP_BYTES: usize = 4 * 1024 * 1024;

/// Changes in a row that only remove.
const SWEEPS: usize = 16;

/// What the writer is asked to do.
pub(super) enum Message {
    Publish(Box<Job>),
    Remove(Box<Removing>),
    /// Stores what was sent before, and ends.
    Close(oneshot::Sender<()>),
}

/// A publication to store.
pub(super) struct Job {
    pub(super) channel: Channel,
    pub(super) publication: Publication,
    pub(super) done: oneshot::Sender<Result<Option<Position>, Error>>,
    /// Its share of what may be under way.
    pub(super) room: OwnedSemaphorePermit,
}

/// Publications to remove.
pub(super) struct Removing {
    pub(super) channel: Channel,
    pub(super) offsets: RangeInclusive<u64>,
    pub(super) done: oneshot::Sender<Result<u64, Error>>,
}

pub(super) struct Writer {
    pub(super) tables: Arc<dyn Tables>,
    pub(super) mark: Option<Mark>,
    pub(super) epoch: Epoch,
    /// By namespace; channels without one are under the empty name.
    pub(super) streams: HashMap<String, (StreamOptions, Ids)>,
    pub(super) listeners: Arc<Listeners>,
    pub(super) clock: Clock,
    pub(super) messages: mpsc::Receiver<Message>,
    /// Why nothing more is stored.
    pub(super) failure: Arc<OnceLock<String>>,
    /// Told whenever something was stored.
    pub(super) stored: Arc<Notify>,
    /// How often what is too old is removed, and files are synced if changes are not.
    pub(super) tick: Duration,
    pub(super) is_synced_by_tick: bool,
}

/// What became of a publication.
enum Outcome {
    Stored(Put),
    /// It need not be: its id had been stored at this offset, or its version is superseded by what the channel has up to it.
    Known(u64),
    /// It is for those alone who listen now.
    Unstored,
}

impl Writer {
    /// Works until it is closed, or nobody can send any more. What it is given to call when it is closed is called once
    /// the tables are let go of.
    pub(super) async fn run(mut self) {
        let mut next_tick = Instant::now() + self.tick;
        let closed = loop {
            match timeout_at(next_tick, self.messages.recv()).await {
                Ok(Some(message)) => {
                    if let Some(closed) = self.take(message) {
                        break Some(closed);
                    }
                }
                Ok(None) => break None,
                Err(_) => {}
            }
            if Instant::now() >= next_tick {
                self.sweep();
                next_tick = Instant::now() + self.tick;
            }
        };
        if let Err(failure) = self.tables.sync() {
            self.fail(&failure);
        }
        drop(self);
        if let Some(closed) = closed {
            // Nobody may be waiting any more.
            let _ = closed.send(());
        }
    }

    /// Does what it is told, and what was found to be next meanwhile; gives whom to tell that it is closed, if it is to be.
    fn take(&mut self, message: Message) -> Option<oneshot::Sender<()>> {
        let mut next = Some(message);
        while let Some(message) = next {
            next = match message {
                Message::Publish(job) => self.publish(job),
                Message::Remove(removing) => {
                    self.remove(*removing);
                    None
                }
                Message::Close(closed) => return Some(closed),
            };
        }
        None
    }

    /// Stores a publication and those that wait behind it; gives what is next, if that is something else.
    fn publish(&mut self, first: Box<Job>) -> Option<Message> {
        let mut bytes = first.publication.data.len();
        let (mut jobs, mut next) = (vec![first], None);
        while jobs.len() < GROUP && bytes < GROUP_BYTES {
            match self.messages.try_recv() {
                Ok(Message::Publish(job)) => {
                    bytes += job.publication.data.len();
                    jobs.push(job);
                }
                Ok(other @ (Message::Remove(_) | Message::Close(_))) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        match self.store(&jobs) {
            Ok(outcomes) => {
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    self.tell(*job, &outcome);
                }
                self.stored.notify_waiters();
            }
            Err(failure) => {
                let error = self.fail(&failure);
                for job in jobs {
                    let _ = job.done.send(Err(error.clone()));
                }
            }
        }
        next
    }

    /// Removes publications, some in each change.
    fn remove(&mut self, removing: Removing) {
        let removed = self.remove_all(&removing.channel, removing.offsets);
        let removed = removed.map_err(|failure| self.fail(&failure));
        // Who asked may have given up.
        let _ = removing.done.send(removed);
    }

    fn remove_all(
        &mut self,
        channel: &Channel,
        offsets: RangeInclusive<u64>,
    ) -> Result<u64, Failure> {
        let (mut from, to, mut removed) = (*offsets.start(), *offsets.end(), 0);
        loop {
            self.check()?;
            let tables = Arc::clone(&self.tables);
            let view = tables.view();
            let mut group = Group::new(&*view, (self.clock)())?;
            let gone = group.take_out(channel, from..=to, GROUP)?;
            let changes = group.finish()?;
            drop(view);
            removed += gone.len() as u64;
            match gone.last() {
                Some(last) => from = last.saturating_add(1),
                None => return Ok(removed),
            }
            self.apply(changes)?;
        }
    }

    fn store(&mut self, jobs: &[Box<Job>]) -> Result<Vec<Outcome>, Failure> {
        self.check()?;
        let tables = Arc::clone(&self.tables);
        let view = tables.view();
        let mut group = Group::new(&*view, (self.clock)())?;
        let outcomes = jobs
            .iter()
            .map(|job| self.put(&mut group, job))
            .collect::<Result<Vec<_>, _>>()?;
        let stored = group.stored();
        let changes = group.finish()?;
        drop(view);
        self.apply(changes)?;
        if let Some(mark) = &self.mark {
            let marked = mark.set(stored);
            marked.map_err(|error| Failure(format!("{}: {error}", mark.path().display())))?;
        }
        Ok(outcomes)
    }

    fn put(&mut self, group: &mut Group<'_>, job: &Job) -> Result<Outcome, Failure> {
        let (channel, publication) = (&job.channel, &job.publication);
        let namespace = channel.namespace().unwrap_or_default();
        let stream = self.streams.get_mut(namespace);
        let (options, ids) = stream.ok_or_else(|| Failure(format!("{channel} is not kept")))?;
        if publication.skips_history {
            return Ok(Outcome::Unstored);
        }
        if let Some(offset) = ids.offset(&publication.id) {
            return Ok(Outcome::Known(offset));
        }
        if let Some(version) = &publication.version
            && let Some(newest) = group.superseding(channel, version)?
        {
            return Ok(Outcome::Known(newest));
        }
        let put = group.append(channel, publication, options.size)?;
        if !publication.id.is_empty() {
            ids.insert(put.time, publication.id.clone(), put.offset);
        }
        Ok(Outcome::Stored(put))
    }

    fn tell(&self, job: Job, outcome: &Outcome) {
        let offset = match outcome {
            Outcome::Known(offset) => Some(*offset),
            Outcome::Stored(put) => {
                let place = Place {
                    epoch: Arc::clone(&self.epoch),
                    offset: put.offset,
                    previous: Some(put.previous),
                    time: put.time,
                };
                self.deliver(&job.channel, job.publication, Some(place));
                Some(put.offset)
            }
            Outcome::Unstored => {
                self.deliver(&job.channel, job.publication, None);
                None
            }
        };
        let position = offset.map(|offset| Position {
            epoch: Arc::clone(&self.epoch),
            offset,
        });
        // Who sent it may not care.
        let _ = job.done.send(Ok(position));
        drop(job.room);
    }

    fn deliver(&self, channel: &Channel, publication: Publication, place: Option<Place>) {
        let heard = Publication {
            id: String::new(),
            place,
            ..publication
        };
        self.listeners.deliver(channel, heard);
    }

    /// Removes what nobody was promised any more, and syncs.
    fn sweep(&mut self) {
        for _ in 0..SWEEPS {
            match self.expire() {
                Ok(gone) if gone >= GROUP => {}
                Ok(_) => break,
                Err(failure) => {
                    self.fail(&failure);
                    return;
                }
            }
        }
        if self.is_synced_by_tick
            && let Err(failure) = self.tables.sync()
        {
            self.fail(&failure);
        }
    }

    fn expire(&mut self) -> Result<usize, Failure> {
        self.check()?;
        let (tables, now) = (Arc::clone(&self.tables), (self.clock)());
        let view = tables.view();
        let mut group = Group::new(&*view, now)?;
        let mut most = 0;
        for (namespace, (options, ids)) in &mut self.streams {
            most = most.max(group.expire(options, GROUP)?);
            let forgotten = ids.expire(now, GROUP);
            most = most.max(forgotten.len());
            for offset in forgotten {
                group.forget(namespace, offset);
            }
        }
        let changes = group.finish()?;
        drop(view);
        self.apply(changes)?;
        Ok(most)
    }

    fn apply(&self, changes: Changes) -> Result<(), Failure> {
        match changes.is_empty() {
            true => Ok(()),
            false => self.tables.apply(changes),
        }
    }

    fn check(&self) -> Result<(), Failure> {
        match self.failure.get() {
            Some(reason) => Err(Failure(reason.clone())),
            None => Ok(()),
        }
    }

    /// Stores nothing more: what is in the files and what is known here may differ.
    fn fail(&self, failure: &Failure) -> Error {
        let reason = failure.to_string();
        if self.failure.set(reason.clone()).is_ok() {
            tracing::error!(
                reason,
                "nothing more is stored until this process is started again"
            );
        }
        Error::Unavailable(reason)
    }
}
