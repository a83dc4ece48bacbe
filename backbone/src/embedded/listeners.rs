//! Who listens to which channel of this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use crate::{Channel, Listener, Publication, Subscription};

/// `by_channel` is locked for a look-up or a change, never while a listener runs.
#[derive(Default)]
pub(super) struct Listeners {
    by_channel: RwLock<HashMap<Channel, Row>>,
    next_id: AtomicU64,
}

/// The listeners of one channel. A change makes a new list, so a publisher keeps the one it began with.
type Row = Arc<[(u64, Arc<dyn Listener>)]>;

impl Listeners {
    /// Calls each listener of the channel.
    pub(super) fn deliver(&self, channel: &Channel, publication: Publication) {
        let row = self
            .by_channel
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(channel)
            .cloned();
        if let Some((last, others)) = row.as_deref().and_then(<[_]>::split_last) {
            for (_, listener) in others {
                listener.deliver(publication.clone());
            }
            last.1.deliver(publication);
        }
    }

    /// Adds a listener until the subscription is dropped.
    pub(super) fn add(
        self: &Arc<Self>,
        channel: &Channel,
        listener: Arc<dyn Listener>,
    ) -> Subscription {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let mut channels = self.write();
        let before = channels.get(channel).cloned().unwrap_or_default();
        let after = before.iter().cloned().chain([(id, listener)]).collect();
        channels.insert(channel.clone(), after);
        let (listeners, channel) = (Arc::clone(self), channel.clone());
        Subscription::new(move || listeners.remove(&channel, id))
    }

    pub(super) fn clear(&self) {
        let _gone = std::mem::take(&mut *self.write());
    }

    fn remove(&self, channel: &Channel, id: u64) {
        let mut channels = self.write();
        let Entry::Occupied(mut entry) = channels.entry(channel.clone()) else {
            return;
        };
        let before = Arc::clone(entry.get());
        if before.len() > 1 {
            let others = before.iter().filter(|(other, _)| *other != id);
            entry.insert(others.cloned().collect());
        } else if before.iter().any(|(other, _)| *other == id) {
            entry.remove();
        }
        // The listener may be dropped with `before`, and its own drop may come back here.
        drop(channels);
        drop(before);
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Channel, Row>> {
        self.by_channel
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
