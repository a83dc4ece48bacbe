//! The sessions of a node that take frames from elsewhere, and the frames that wait for each.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidegate_backbone::{Bus, Error, Subscription};
use tokio::sync::{OnceCell, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Fate, PATIENCE, relay};
use crate::session::Address;

/// Frames that may wait for one session.
const FRAMES: usize = 1_024;

/// Bytes of them.
const BYTES: usize = 1024 * 1024;

/// The sessions of a node by their secret names.
pub(crate) struct Sessions {
    node: Uuid,
    slots: Mutex<HashMap<Uuid, Arc<Slot>>>,
    /// Since when other nodes are heard: the first of these sessions.
    hearing: OnceCell<Subscription>,
}

/// What waits for one session. Locked for a few lines, by whoever puts in or takes out. No memory while nothing waits.
#[derive(Default)]
struct Slot(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    letters: VecDeque<Letter>,
    bytes: usize,
    reader: Option<Waker>,
}

/// A frame that waits.
struct Letter {
    frame: Bytes,
    taken: oneshot::Sender<()>,
}

/// What became, or will become, of a frame.
pub(super) enum Posted {
    Waits(oneshot::Receiver<()>),
    Not(Fate),
}

/// Frames for one session. Dropping it takes the session off the list.
pub(crate) struct Inbox {
    name: Uuid,
    sessions: Arc<Sessions>,
    slot: Arc<Slot>,
}

impl Sessions {
    /// Of this node.
    pub(crate) fn new(node: Uuid) -> Arc<Self> {
        Arc::new(Self {
            node,
            slots: Mutex::default(),
            hearing: OnceCell::new(),
        })
    }

    /// The name of this node.
    pub(super) fn node(&self) -> Uuid {
        self.node
    }

    /// Hears what comes to other nodes for sessions of this one, from the first call on.
    ///
    /// # Errors
    /// Those of [`Bus::hear`].
    pub(crate) async fn hear(self: &Arc<Self>, bus: &dyn Bus) -> Result<(), Error> {
        let hearing = self.hearing.get_or_try_init(|| relay::hear(self, bus));
        hearing.await.map(|_| ())
    }

    /// Makes room for a session, and names it.
    pub(crate) fn open(self: &Arc<Self>) -> (Inbox, Address) {
        let name = Uuid::new_v4();
        let slot = Arc::<Slot>::default();
        self.slots().insert(name, Arc::clone(&slot));
        let inbox = Inbox {
            name,
            sessions: Arc::clone(self),
            slot,
        };
        let address = Address {
            session: name.to_string(),
            node: self.node.to_string(),
        };
        (inbox, address)
    }

    /// Puts a frame into the inbox of a session.
    pub(super) fn post(&self, session: Uuid, frame: Bytes) -> Posted {
        // Locked until the frame is in: a session that ends takes its slot off the list first.
        let slots = self.slots();
        match slots.get(&session) {
            Some(slot) => slot.put(frame),
            None => Posted::Not(Fate::Gone),
        }
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn put(&self, frame: Bytes) -> Posted {
        let mut waiting = self.waiting();
        if waiting.letters.len() >= FRAMES || waiting.bytes + frame.len() > BYTES {
            return Posted::Not(Fate::Full);
        }
        let (taken, outcome) = oneshot::channel();
        waiting.bytes += frame.len();
        waiting.letters.push_back(Letter { frame, taken });
        if let Some(reader) = waiting.reader.take() {
            reader.wake();
        }
        Posted::Waits(outcome)
    }

    fn take(&self, context: &Context<'_>) -> Option<Letter> {
        let mut waiting = self.waiting();
        let letter = waiting.letters.pop_front();
        match &letter {
            Some(letter) => waiting.bytes -= letter.frame.len(),
            None => waiting.reader = Some(context.waker().clone()),
        }
        if waiting.letters.is_empty() {
            waiting.letters = VecDeque::new();
        }
        letter
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Posted {
    /// Waits until the session has taken the frame, or ended.
    pub(super) async fn fate(self) -> Fate {
        match self {
            Self::Not(fate) => fate,
            Self::Waits(outcome) => match timeout(PATIENCE, outcome).await {
                Ok(Ok(())) => Fate::Taken,
                Ok(Err(_)) => Fate::Gone,
                Err(_) => Fate::Late,
            },
        }
    }
}

impl Inbox {
    /// The next frame, which counts as taken.
    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let Some(letter) = self.slot.take(context) else {
            return Poll::Pending;
        };
        // Who sent it may not wait any more.
        let _told = letter.taken.send(());
        Poll::Ready(letter.frame)
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.sessions.slots().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::task::noop_waker_ref;

    use super::*;

    fn next(inbox: &mut Inbox) -> Option<Bytes> {
        let mut context = Context::from_waker(noop_waker_ref());
        match inbox.poll_next(&mut context) {
            Poll::Ready(frame) => Some(frame),
            Poll::Pending => None,
        }
    }

    fn name(address: &Address) -> Uuid {
        Uuid::parse_str(&address.session).unwrap()
    }

    #[tokio::test]
    async fn a_frame_counts_once_it_is_taken_and_frames_stay_in_order() {
        let sessions = Sessions::new(Uuid::new_v4());
        let (mut inbox, address) = sessions.open();
        let post = |text: &'static str| sessions.post(name(&address), text.into());
        let (first, second) = (post("1"), post("2"));
        let mut first = Box::pin(first.fate());
        assert_eq!((&mut first).now_or_never(), None);
        assert_eq!(next(&mut inbox).unwrap(), "1");
        assert_eq!(first.now_or_never(), Some(Fate::Taken));
        drop(inbox);
        assert_eq!(second.fate().await, Fate::Gone);
        assert_eq!(post("3").fate().await, Fate::Gone);
    }

    #[tokio::test]
    async fn what_waits_is_bounded_in_bytes_and_number() {
        for (size, fits) in [(BYTES / 4, 4), (0, FRAMES)] {
            let sessions = Sessions::new(Uuid::new_v4());
            let (mut inbox, address) = sessions.open();
            let post = || sessions.post(name(&address), vec![0; size].into());
            for number in 0..fits {
                assert!(matches!(post(), Posted::Waits(_)), "{number}");
            }
            assert_eq!(post().fate().await, Fate::Full);
            assert!(next(&mut inbox).is_some());
            assert!(matches!(post(), Posted::Waits(_)), "there is room again");
        }
    }
}
