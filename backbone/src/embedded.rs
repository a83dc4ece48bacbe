//! The backbone inside one process.
//!
//! In: a publication. Out: the same publication at each listener of its channel, called one after the other by the
//! publisher itself, so there is no queue, no task and no copy of the payload. Nothing here knows NATS.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use futures_util::future::BoxFuture;

use crate::{
    Backbone, Channel, Confirmation, DurabilityReport, Error, Listener, Page, Publication, Range,
    StreamOptions, Streams, Subscription, Top,
};

/// Carries publications to the listeners of its own process. A clone is another handle to the same listeners.
#[derive(Clone, Default)]
pub struct Embedded {
    shared: Arc<Shared>,
}

/// `listeners` is locked for a look-up or a change, never while a listener runs.
#[derive(Default)]
struct Shared {
    listeners: RwLock<HashMap<Channel, Listeners>>,
    next_id: AtomicU64,
    is_closed: AtomicBool,
}

/// The listeners of one channel. A change makes a new list, so a publisher keeps the one it began with.
type Listeners = Arc<[(u64, Arc<dyn Listener>)]>;

impl Embedded {
    /// A backbone without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Streams for Embedded {
    fn stream(&self, _channel: &Channel) -> Option<&StreamOptions> {
        None
    }

    fn durability(&self) -> Vec<DurabilityReport> {
        Vec::new()
    }

    fn tops<'a>(&'a self, channels: &'a [Channel]) -> BoxFuture<'a, Result<Vec<Top>, Error>> {
        let first = channels.first().cloned();
        Box::pin(async move { first.map_or(Ok(Vec::new()), |it| Err(Error::NotKept(it))) })
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        _range: Range,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move { Err(Error::NotKept(channel.clone())) })
    }
}

impl Backbone for Embedded {
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            let listeners = self.shared.read().get(channel).cloned();
            if let Some((last, others)) = listeners.as_deref().and_then(<[_]>::split_last) {
                for (_, listener) in others {
                    listener.deliver(publication.clone());
                }
                last.1.deliver(publication);
            }
            let confirmation: Confirmation = Box::pin(ready(Ok(None)));
            Ok(confirmation)
        })
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
            self.shared.add(channel, id, listener);
            let (shared, channel) = (Arc::clone(&self.shared), channel.clone());
            Ok(Subscription::new(move || shared.remove(&channel, id)))
        })
    }

    fn is_ready(&self) -> bool {
        self.shared.check_open().is_ok()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.is_closed.store(true, Ordering::Release);
            let _gone = std::mem::take(&mut *self.shared.write());
        })
    }
}

impl Shared {
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("it was shut down".to_owned()));
        }
        Ok(())
    }

    fn add(&self, channel: &Channel, id: u64, listener: Arc<dyn Listener>) {
        let mut channels = self.write();
        let before = channels.get(channel).cloned().unwrap_or_default();
        let after = before.iter().cloned().chain([(id, listener)]).collect();
        channels.insert(channel.clone(), after);
    }

    fn remove(&self, channel: &Channel, id: u64) {
        let mut channels = self.write();
        let Entry::Occupied(mut entry) = channels.entry(channel.clone()) else {
            return;
        };
        let before = Arc::clone(entry.get());
        if before.len() > 1 {
            entry.insert(
                before
                    .iter()
                    .filter(|(other, _)| *other != id)
                    .cloned()
                    .collect(),
            );
        } else if before.iter().any(|(other, _)| *other == id) {
            entry.remove();
        }
        // The listener may be dropped with `before`, and its own drop may come back here.
        drop(channels);
        drop(before);
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Channel, Listeners>> {
        self.listeners
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Channel, Listeners>> {
        self.listeners
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
