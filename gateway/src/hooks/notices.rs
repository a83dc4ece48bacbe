//! Takes what backends are told from where it happens: each has a queue of its own, so that one that is down delays nobody
//! else's notices.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tidegate_codec::Format;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use super::question::{Question, Via};
use super::target::Target;

/// Notices to one backend that wait; further ones are lost.
const WAITING: usize = 16_384;

/// Notices to one backend under way at a time.
const UNDER_WAY: usize = 16;

/// How often a notice is given to a backend that does not take it, and the time between, which doubles.
const TRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A notice, and what tells it from every other.
pub(super) struct Notice {
    pub(super) question: Question,
    /// Empty where it is about no connection.
    pub(super) transport: Cow<'static, str>,
    pub(super) format: Format,
    pub(super) stamp: Stamp,
}

impl Notice {
    pub(super) fn via(&self) -> Via<'_> {
        Via {
            transport: &self.transport,
            format: self.format,
        }
    }
}

/// When something happened, and an id that is the same whenever it is told.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) id: String,
    pub(super) time_ms: u64,
}

impl Stamp {
    fn now() -> Self {
        Self {
            id: uuid::Uuid::new_v4().to_string(),
            time_ms: now_ms(),
        }
    }

    /// How long ago that was.
    pub(super) fn age(&self) -> Duration {
        Duration::from_millis(now_ms().saturating_sub(self.time_ms))
    }
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The notices to one backend.
pub(super) struct Queue {
    sender: mpsc::Sender<Notice>,
    pending: Arc<Pending>,
}

/// How many notices of a node are neither told nor lost yet.
#[derive(Default)]
pub(super) struct Pending {
    count: AtomicUsize,
    changed: Notify,
}

impl Pending {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    fn end(&self) {
        if self.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_waiters();
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until there is none, but no longer than `patience`.
    pub(super) async fn drained(&self, patience: Duration) {
        let drained = async {
            loop {
                let changed = self.changed.notified();
                if self.count() == 0 {
                    return;
                }
                changed.await;
            }
        };
        if timeout(patience, drained).await.is_err() {
            tracing::warn!(
                notices = self.count(),
                "notices to backends are lost, for the node stops"
            );
        }
    }
}

impl Queue {
    /// Starts telling `target`.
    pub(super) fn start(runtime: &Handle, target: Arc<Target>, pending: Arc<Pending>) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        runtime.spawn(tell_all(receiver, target, Arc::clone(&pending)));
        Self { sender, pending }
    }

    /// Puts a notice at the end; it is lost when there is no room.
    pub(super) fn push(&self, question: Question, via: Via<'static>, target: &Target) {
        let notice = Notice {
            question,
            transport: Cow::Borrowed(via.transport),
            format: via.format,
            stamp: Stamp::now(),
        };
        self.pending.add();
        if self.sender.try_send(notice).is_err() {
            target.meter.lost();
            self.pending.end();
        }
    }
}

async fn tell_all(mut notices: mpsc::Receiver<Notice>, target: Arc<Target>, pending: Arc<Pending>) {
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some(notice) = notices.recv().await {
        let permit = Arc::clone(&room).acquire_owned().await;
        let (target, pending) = (Arc::clone(&target), Arc::clone(&pending));
        tokio::spawn(async move {
            tell(&notice, &target).await;
            pending.end();
            drop(permit);
        });
    }
}

/// Gives a notice away: until it is stored, where it can be; else until the backend takes it, or has been told often enough.
async fn tell(notice: &Notice, target: &Target) {
    let (mut pause, mut tries) = (FIRST_PAUSE, 0);
    while target.take(notice).await.is_err() {
        tries += 1;
        if tries >= TRIES && !target.stores() {
            return lose(notice, target);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn lose(notice: &Notice, target: &Target) {
    target.meter.lost();
    let event = notice.question.subject.event().name();
    let client = &notice.question.caller.client;
    tracing::warn!(
        event,
        client,
        "a notice is lost, for the backend does not take it"
    );
}
