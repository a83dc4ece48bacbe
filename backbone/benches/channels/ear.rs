//! A listener that costs next to nothing: it counts, and it takes the time of publications that carry one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_backbone::{Listener, Publication};
use tokio::sync::Notify;

/// What times in payloads count from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Publications with a payload of this length carry the time at which they were due.
const STAMP: usize = size_of::<u64>();

/// What all ears heard. `delays` is locked for a push or for taking everything.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    count: AtomicUsize,
    delays: Mutex<Vec<Duration>>,
    more: Notify,
}

impl Heard {
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until `count` publications were heard.
    pub(crate) async fn wait_for(&self, count: usize) {
        loop {
            let more = self.more.notified();
            if self.count() >= count {
                return;
            }
            more.await;
        }
    }

    pub(crate) fn take_delays(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.delays.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Listens to one channel.
#[derive(Debug)]
pub(crate) struct Ear {
    all: Arc<Heard>,
    own: AtomicUsize,
}

impl Ear {
    pub(crate) fn new(all: &Arc<Heard>) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::clone(all),
            own: AtomicUsize::new(0),
        })
    }

    /// How many publications it heard.
    pub(crate) fn count(&self) -> usize {
        self.own.load(Ordering::Acquire)
    }
}

impl Listener for Ear {
    fn deliver(&self, publication: Publication) {
        if let Ok(stamp) = <[u8; STAMP]>::try_from(&publication.data[..]) {
            let due = *START + Duration::from_nanos(u64::from_le_bytes(stamp));
            let mut delays = self
                .all
                .delays
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            delays.push(due.elapsed());
        }
        self.own.fetch_add(1, Ordering::Release);
        self.all.count.fetch_add(1, Ordering::Release);
        self.all.more.notify_one();
    }
}

/// A publication that carries the time at which it is due.
pub(crate) fn stamped(due: Instant) -> Publication {
    let since = u64::try_from((due - *START).as_nanos()).unwrap_or(u64::MAX);
    Publication {
        data: Bytes::copy_from_slice(&since.to_le_bytes()),
        ..Publication::default()
    }
}

/// Sets the time that stamps count from, before the first is made.
pub(crate) fn start_clock() {
    LazyLock::force(&START);
}
