//! The sessions of a node that take frames from elsewhere, and the frames that wait for each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tidegate_backbone::{Bus, Error, Subscription};
use tokio::sync::{OnceCell, mpsc, oneshot};
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
    slots: Mutex<HashMap<Uuid, Slot>>,
    /// Since when other nodes are heard: the first of these sessions.
    hearing: OnceCell<Subscription>,
}

struct Slot {
    sender: mpsc::Sender<Letter>,
    waiting: Arc<AtomicUsize>,
}

/// A frame that waits.
struct Letter {
    frame: Bytes,
    taken: oneshot::Sender<()>,
    _weight: Weight,
}

/// Bytes that wait, until this is dropped.
struct Weight(Arc<AtomicUsize>, usize);

/// What became, or will become, of a frame.
pub(super) enum Posted {
    Waits(oneshot::Receiver<()>),
    Not(Fate),
}

/// Frames for one session. Dropping it takes the session off the list.
pub(crate) struct Inbox {
    name: Uuid,
    sessions: Arc<Sessions>,
    receiver: mpsc::Receiver<Letter>,
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
        let (sender, receiver) = mpsc::channel(FRAMES);
        let waiting = Arc::default();
        self.slots().insert(name, Slot { sender, waiting });
        let inbox = Inbox {
            name,
            sessions: Arc::clone(self),
            receiver,
        };
        let address = Address {
            session: name.to_string(),
            node: self.node.to_string(),
        };
        (inbox, address)
    }

    /// Puts a frame into the inbox of a session.
    pub(super) fn post(&self, session: Uuid, frame: Bytes) -> Posted {
        let slots = self.slots();
        let Some(slot) = slots.get(&session) else {
            return Posted::Not(Fate::Gone);
        };
        let weight = Weight(Arc::clone(&slot.waiting), frame.len());
        if slot.waiting.fetch_add(frame.len(), Ordering::Relaxed) + frame.len() > BYTES {
            return Posted::Not(Fate::Full);
        }
        let (taken, outcome) = oneshot::channel();
        let letter = Letter {
            frame,
            taken,
            _weight: weight,
        };
        match slot.sender.try_send(letter) {
            Ok(()) => Posted::Waits(outcome),
            Err(mpsc::error::TrySendError::Full(_)) => Posted::Not(Fate::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Posted::Not(Fate::Gone),
        }
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
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
        match self.receiver.poll_recv(context) {
            Poll::Ready(Some(letter)) => {
                // Who sent it may not wait any more.
                let _told = letter.taken.send(());
                Poll::Ready(letter.frame)
            }
            // The list has the sender for as long as this is there.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.sessions.slots().remove(&self.name);
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
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
