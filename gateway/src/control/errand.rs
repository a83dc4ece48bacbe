//! Something that connections of several workers are to do, and how many have.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_backbone::Channel;
use tokio::sync::oneshot;

use super::{Connected, Order, Whom};

/// What a worker is to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Give it to those whom it may be for.
    Errand(Arc<Errand>),
    /// Add its channels, with their subscribers.
    Channels(Census<BTreeMap<Channel, u64>>),
    /// Add its users, by hash.
    Users(Census<HashSet<u32>>),
    /// Ask so many of its oldest connections to connect again.
    GiveAway(usize),
}

/// For some connections of this node. It is over when the last of them has let go of it.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) whom: Whom,
    pub(crate) task: Task,
    pub(crate) tally: Arc<Tally>,
    /// Dropped with it, which its sender notices.
    pub(super) _end: oneshot::Sender<Infallible>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Task {
    /// Obey.
    Order(Order),
    /// Tell who you are.
    Describe,
    /// Look whether you may be here.
    Review,
}

/// What came of an errand.
#[derive(Debug)]
pub(crate) struct Tally {
    reached: AtomicU64,
    has_missed: AtomicBool,
    found: Mutex<BTreeMap<String, Connected>>,
    /// Those found have ids behind this one, and are no more than this.
    page: (String, usize),
}

impl Tally {
    /// For a page of connections behind a connection's id.
    pub(crate) fn new(after: &str, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            reached: AtomicU64::new(0),
            has_missed: AtomicBool::new(false),
            found: Mutex::default(),
            page: (after.to_owned(), limit),
        })
    }

    /// A connection obeyed.
    pub(crate) fn reached(&self) {
        self.reached.fetch_add(1, Ordering::Relaxed);
    }

    /// Somebody did not get it.
    pub(crate) fn missed(&self) {
        self.has_missed.store(true, Ordering::Relaxed);
    }

    /// A connection is there.
    pub(crate) fn found(&self, client: &str, connected: Connected) {
        let (after, limit) = &self.page;
        if client <= after.as_str() {
            return;
        }
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.insert(client.to_owned(), connected);
        if found.len() > *limit {
            found.pop_last();
        }
    }

    /// How many obeyed.
    pub(crate) fn count(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// Whether somebody did not get it.
    pub(crate) fn has_missed(&self) -> bool {
        self.has_missed.load(Ordering::Relaxed)
    }

    /// Who is there.
    pub(crate) fn take_found(&self) -> BTreeMap<String, Connected> {
        std::mem::take(&mut *self.found.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What the workers add to, one after the other.
#[derive(Debug)]
pub(crate) struct Census<T> {
    pub(super) total: Arc<Mutex<T>>,
    pub(super) _end: Arc<oneshot::Sender<Infallible>>,
}

impl<T> Census<T> {
    fn with<R>(&self, add: impl FnOnce(&mut T) -> R) -> R {
        add(&mut self.total.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Census<HashSet<u32>> {
    pub(crate) fn add(self, add: impl FnOnce(&mut HashSet<u32>)) {
        self.with(add);
    }
}

impl Census<BTreeMap<Channel, u64>> {
    /// Adds what is shown to it.
    pub(crate) fn add(self, show: impl FnOnce(&mut dyn FnMut(&Channel, usize))) {
        self.with(|total| {
            show(&mut |channel, count| {
                // Most channels of one worker are those of another, too.
                match total.get_mut(channel) {
                    Some(sum) => *sum += count as u64,
                    None => drop(total.insert(channel.clone(), count as u64)),
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_first_ids_behind_the_one_given() {
        let tally = Tally::new("b", 2);
        let somebody = Connected {
            user: "u".to_owned(),
            format: "json".to_owned(),
            channels: 0,
        };
        for client in ["e", "a", "d", "b", "c"] {
            tally.found(client, somebody.clone());
        }
        let found: Vec<_> = tally.take_found().into_keys().collect();
        assert_eq!(found, ["c", "d"]);
    }
}
