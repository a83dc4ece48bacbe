//! What a node's callers and its connection's task share: the subscriptions, and the link in use.
//!
//! A subscription is made while its table is locked, and so is a new link filled with all of them: whoever subscribes
//! either is in the table before and subscribed by that, or sees the new link.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::counters::Counters;
use super::link::Link;
use super::metadata;
use super::subscriptions::{Entry, Subscriptions};
use super::wire::encoder;
use crate::{Channel, Error, Listener, Subjects, Subscription};

/// `subscriptions` is locked for a look-up or a change, and at most to write all of them to a new link; `link` for a
/// copy. Who holds both locked `subscriptions` first.
pub(super) struct Node {
    pub(super) subjects: Subjects,
    pub(super) counters: Counters,
    subscriptions: Mutex<Subscriptions>,
    link: Mutex<State>,
}

enum State {
    Connected(Arc<Link>),
    Disconnected,
    ShutDown,
}

impl Node {
    pub(super) fn new(subjects: Subjects) -> Self {
        Self {
            subjects,
            counters: Counters::default(),
            subscriptions: Mutex::default(),
            link: Mutex::new(State::Disconnected),
        }
    }

    /// The link in use.
    pub(super) fn link(&self) -> Result<Arc<Link>, Error> {
        match &*self.state() {
            State::Connected(link) => Ok(Arc::clone(link)),
            State::Disconnected => Err(Error::Unavailable("not connected to nats".to_owned())),
            State::ShutDown => Err(Error::Unavailable("it was shut down".to_owned())),
        }
    }

    /// Takes a new link into use, after subscribing to everything there.
    pub(super) fn open(&self, link: &Arc<Link>) {
        let subscriptions = self.subscriptions();
        link.add(|buffer| {
            for (sid, entry) in subscriptions.iter() {
                let subject = self.subjects.publication(&entry.channel);
                encoder::subscribe(buffer, &subject, sid);
            }
        });
        let mut state = self.state();
        if matches!(*state, State::Disconnected) {
            *state = State::Connected(Arc::clone(link));
        }
    }

    /// Has no link from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        if matches!(*state, State::Connected(_)) {
            *state = State::Disconnected;
        }
    }

    /// Has no link for ever; gives the one that was in use.
    pub(super) fn shut_down(&self) -> Option<Arc<Link>> {
        match std::mem::replace(&mut *self.state(), State::ShutDown) {
            State::Connected(link) => Some(link),
            State::Disconnected | State::ShutDown => None,
        }
    }

    /// Sends a subscription to the channel's subject on its way. It ends when the returned value is dropped.
    pub(super) fn subscribe(
        self: &Arc<Self>,
        channel: &Channel,
        subject: &str,
        listener: Arc<dyn Listener>,
    ) -> Result<(Arc<Link>, Subscription), Error> {
        let entry = Entry {
            channel: channel.clone(),
            listener,
        };
        let (link, sid) = {
            let mut subscriptions = self.subscriptions();
            (self.link()?, subscriptions.add(entry))
        };
        link.add(|buffer| encoder::subscribe(buffer, subject, sid));
        let node = Arc::clone(self);
        Ok((link, Subscription::new(move || node.unsubscribe(sid))))
    }

    fn unsubscribe(&self, sid: u64) {
        let (_entry, link) = {
            let mut subscriptions = self.subscriptions();
            (subscriptions.remove(sid), self.link())
        };
        if let Ok(link) = link {
            link.add(|buffer| encoder::unsubscribe(buffer, sid));
        }
    }

    /// Hands a message to the listener of its subscription, if there is one still. What a panic says is for the
    /// process's hook to show.
    pub(super) fn deliver(&self, sid: u64, headers: &[u8], payload: &[u8]) {
        let listener = match self.subscriptions().get(sid) {
            Some(entry) => Arc::clone(&entry.listener),
            None => return,
        };
        match metadata::decode(headers, payload) {
            // A listener that panics must not end the connection of all the others.
            Ok(publication) => {
                let _panic = catch_unwind(AssertUnwindSafe(|| listener.deliver(publication)));
            }
            Err(reason) => {
                if let Some(total) = self.counters.malformed.add() {
                    tracing::warn!(%reason, total, "malformed publication dropped");
                }
            }
        }
    }

    /// The server reports an error.
    pub(super) fn refused(&self, error: &str) {
        if let Some(total) = self.counters.refused.add() {
            tracing::error!(total, error, "nats reports an error");
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        self.subscriptions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
