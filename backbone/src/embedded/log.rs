//! What is kept of channels, with an offset for each publication: stored by one thread, read by anyone.

mod feed;
mod group;
mod ids;
mod record;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::Clock;
use super::incarnation;
use super::listeners::Listeners;
use super::mark::Mark;
use super::options::{OpenError, Sync};
use super::tables::{Failure, Rows, Table, Tables, View};
use crate::{
    Channel, Confirmation, Epoch, Error, From, Page, Place, Position, Publication, Range, Removal,
    StreamOptions, Top,
};
pub(super) use feed::LogFeed;
use group::{Head, Kept, Total};
use ids::Ids;
use writer::{Job, Message, Removing, Writer};

/// Time in which a publication must be stored.
const PATIENCE: Duration = Duration::from_secs(4);

/// Publications that may be under way; more wait.
const UNDER_WAY: usize = 16_384;

/// Bytes of publications that may be under way; more wait.
const BYTES_UNDER_WAY: u32 = 64 * 1024 * 1024;

/// How often what is too old is removed.
const TICK: Duration = Duration::from_secs(1);

/// A log that is open.
pub(super) struct Log {
    tables: Arc<dyn Tables>,
    epoch: Epoch,
    messages: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    failure: Arc<OnceLock<String>>,
    /// Told whenever something was stored.
    stored: Arc<Notify>,
}

impl Log {
    /// Opens the log in these tables, and starts its thread.
    pub(super) fn open(
        tables: Arc<dyn Tables>,
        mark: Option<Mark>,
        streams: Vec<StreamOptions>,
        sync: Sync,
        listeners: Arc<Listeners>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let total = Total::read(&*tables.view())?;
        let epoch = incarnation::begin(&*tables, sync, mark.as_ref(), total.stored)?;
        if let Some(mark) = &mark {
            let begun = mark.begin(total.stored);
            begun.map_err(|reason| OpenError::new(mark.path(), reason))?;
        }
        let view = tables.view();
        let by_namespace = |options: StreamOptions| {
            let ids = Ids::read(&*view, &options)?;
            let namespace = options.namespace.clone().unwrap_or_default();
            Ok((namespace, (options, ids)))
        };
        let streams = streams.into_iter().map(by_namespace);
        let streams = streams.collect::<Result<HashMap<_, _>, Failure>>()?;
        drop(view);
        let (sender, messages) = mpsc::channel(UNDER_WAY);
        let failure = Arc::new(OnceLock::new());
        let stored = Arc::<Notify>::default();
        let writer = Writer {
            tables: Arc::clone(&tables),
            mark,
            epoch: Arc::clone(&epoch),
            streams,
            listeners,
            clock,
            messages,
            failure: Arc::clone(&failure),
            stored: Arc::clone(&stored),
            tick: match sync {
                Sync::Always => TICK,
                Sync::Interval(interval) => interval.min(TICK),
            },
            is_synced_by_tick: sync != Sync::Always,
        };
        start(writer).map_err(OpenError::Thread)?;
        Ok(Self {
            tables,
            epoch,
            messages: sender,
            room: Arc::new(Semaphore::new(BYTES_UNDER_WAY as usize)),
            failure,
            stored,
        })
    }

    /// Whether publications are stored.
    pub(super) fn is_ready(&self) -> bool {
        self.failure.get().is_none()
    }

    /// Hands a publication to the thread.
    pub(super) async fn send(
        &self,
        channel: &Channel,
        publication: Publication,
    ) -> Result<Confirmation, Error> {
        if let Some(reason) = self.failure.get() {
            return Err(Error::Unavailable(reason.clone()));
        }
        let deadline = Instant::now() + PATIENCE;
        let size = u32::try_from(publication.data.len()).unwrap_or(u32::MAX);
        let (done, stored) = oneshot::channel();
        let handed = async {
            let size = size.clamp(1, BYTES_UNDER_WAY);
            let room = Arc::clone(&self.room).acquire_many_owned(size).await.ok()?;
            let job = Job {
                channel: channel.clone(),
                publication,
                done,
                room,
            };
            self.messages
                .send(Message::Publish(Box::new(job)))
                .await
                .ok()
        };
        match timeout_at(deadline, handed).await {
            Ok(Some(())) => Ok(Box::pin(async move {
                match timeout_at(deadline, stored).await {
                    Ok(Ok(result)) => result,
                    Ok(Err(_)) => Err(closed()),
                    Err(_) => Err(Error::Unavailable("the disk is too slow".to_owned())),
                }
            })),
            Ok(None) => Err(closed()),
            Err(_) => Err(Error::Unavailable(
                "too many publications wait for the disk".to_owned(),
            )),
        }
    }

    /// Removes publications of a channel; returns how many there were.
    pub(super) async fn remove(&self, channel: &Channel, removal: &Removal) -> Result<u64, Error> {
        let offsets = match removal {
            Removal::All => 0..=u64::MAX,
            Removal::Offsets(epoch, _) if *epoch != self.epoch => return Ok(0),
            Removal::Offsets(_, offsets) => offsets.clone(),
        };
        let (done, removed) = oneshot::channel();
        let removing = Removing {
            channel: channel.clone(),
            offsets,
            done,
        };
        let removal = async {
            let message = Message::Remove(Box::new(removing));
            self.messages.send(message).await.map_err(|_| closed())?;
            removed.await.unwrap_or_else(|_| Err(closed()))
        };
        let slow = || Error::Unavailable("the disk is too slow".to_owned());
        let removed = timeout_at(Instant::now() + PATIENCE, removal).await;
        removed.unwrap_or_else(|_| Err(slow()))
    }

    /// The newest place of each channel.
    pub(super) async fn tops(&self, channels: Vec<Channel>) -> Result<Vec<Top>, Error> {
        let epoch = Arc::clone(&self.epoch);
        self.look(move |view| {
            let top = |channel| {
                let (head, kept) = known(view, channel)?;
                Ok(top(&epoch, head, kept))
            };
            channels.iter().map(top).collect()
        })
        .await
    }

    /// Reads a channel.
    pub(super) async fn read(&self, channel: Channel, range: Range) -> Result<Page, Error> {
        let epoch = Arc::clone(&self.epoch);
        self.look(move |view| page(view, &epoch, &channel, range))
            .await
    }

    /// Stores what was sent, and ends the thread.
    pub(super) async fn close(&self) {
        let (sender, closed) = oneshot::channel();
        let close = async {
            // An error says that it has ended already.
            let _ = self.messages.send(Message::Close(sender)).await;
            let _ = closed.await;
        };
        if timeout_at(Instant::now() + PATIENCE, close).await.is_err() {
            tracing::error!("the disk is too slow: not everything that was sent may be stored");
            return;
        }
        if self.is_ready()
            && let Err(reason) = incarnation::end(&*self.tables)
        {
            tracing::error!(%reason, "the end could not be stored");
        }
    }

    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn View) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Error> {
        let tables = Arc::clone(&self.tables);
        let looked = spawn_blocking(move || read(&*tables.view())).await;
        let looked = looked.map_err(|error| Error::Unavailable(error.to_string()))?;
        looked.map_err(|failure| Error::Unavailable(failure.to_string()))
    }
}

fn start(writer: Writer) -> Result<(), std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    thread::Builder::new()
        .name("tidegate-log".to_owned())
        .spawn(move || runtime.block_on(writer.run()))?;
    Ok(())
}

fn closed() -> Error {
    Error::Unavailable("it was shut down".to_owned())
}

fn known(view: &dyn View, channel: &Channel) -> Result<(Head, Option<Kept>), Failure> {
    let namespace = channel.namespace().unwrap_or_default();
    Ok((Head::read(view, namespace)?, Kept::read(view, channel)?))
}

fn top(epoch: &Epoch, head: Head, kept: Option<Kept>) -> Top {
    Top {
        position: Position {
            epoch: Arc::clone(epoch),
            offset: kept.map_or(head.last, |it| it.newest),
        },
        is_empty: kept.is_none(),
    }
}

fn page(view: &dyn View, epoch: &Epoch, channel: &Channel, range: Range) -> Result<Page, Failure> {
    let (head, kept) = known(view, channel)?;
    let key = |offset| record::publication_key(channel, offset);
    let rows: Rows<'_> = match range.from {
        From::After(offset) => {
            let from = key(offset.saturating_add(1));
            view.rows(Table::Publications, &from, &key(u64::MAX))
        }
        From::Before(offset) => {
            let rows = view.rows(Table::Publications, &key(0), &key(offset));
            Box::new(rows.rev())
        }
    };
    let (mut publications, mut bytes, mut has_more) = (Vec::new(), 0, false);
    for row in rows {
        let (key, value) = row?;
        let (time, publication) = record::decode(value)?;
        bytes += publication.data.len();
        let is_over = bytes > range.max_bytes && !publications.is_empty();
        if is_over || publications.len() >= range.limit {
            has_more = true;
            break;
        }
        let place = Place {
            epoch: Arc::clone(epoch),
            offset: record::offset_of(&key)?,
            previous: None,
            time,
        };
        publications.push(Publication {
            place: Some(place),
            ..publication
        });
    }
    let is_gapless = is_gapless(range.from, head, kept);
    Ok(Page {
        top: top(epoch, head, kept),
        publications,
        is_gapless,
        // How far a channel was trimmed is known exactly, so that there is no other proof.
        removed: match kept {
            Some(_) if !is_gapless => u64::MAX,
            Some(_) | None => 0,
        },
        has_more,
    })
}

/// Whether nothing behind the offset has gone.
fn is_gapless(from: From, head: Head, kept: Option<Kept>) -> bool {
    match (from, kept) {
        (From::After(after), Some(kept)) => (kept.trimmed..=kept.newest).contains(&after),
        (From::After(after), None) => (head.forgotten..=head.last).contains(&after),
        (From::Before(_), _) => false,
    }
}

#[cfg(test)]
mod tests;
