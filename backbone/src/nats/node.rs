//! What a node's callers and its connection's task share: the subscriptions, and the link in use.
//!
//! A subscription is made while its table is locked, and so is a new link filled with all of them: whoever subscribes
//! either is in the table before and subscribed by that, or sees the new link.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use super::counters::Counters;
use super::inbox::{Inbox, Pending, Wants};
use super::link::Link;
use super::messages;
use super::metadata;
use super::monitoring::Monitoring;
use super::streams::{DELETED, Keeping, KeptStream, PROOFS, READS, Roll, Streams};
use super::subscriptions::{Entry, Subscriptions};
use super::wire::{ServerInfo, encoder};
use crate::{Channel, Ear, Error, Listener, StreamOptions, Subjects, Subscription};

/// `subscriptions` is locked for a look-up or a change, and at most to write all of them to a new link; `link` for a
/// copy. Who holds both locked `subscriptions` first.
pub(super) struct Node {
    pub(super) subjects: Subjects,
    pub(super) counters: Counters,
    pub(super) inbox: Arc<Inbox>,
    pub(super) streams: Streams,
    pub(super) monitoring: Monitoring,
    /// Who keeps the same streams.
    pub(super) roll: Roll,
    /// Told when the streams are to be looked at.
    pub(super) look: Notify,
    /// Reads of streams that may be under way.
    pub(super) reads: Semaphore,
    /// The same of proofs that nothing is missing, for those who read together.
    pub(super) proofs: Semaphore,
    /// Whose connection they go over, where there are streams.
    pub(super) reader: Option<Arc<Self>>,
    /// What its connection is for, in a word for the log.
    pub(super) carries: &'static str,
    /// Begins the ids that this node gives publications.
    id_prefix: String,
    ids: AtomicU64,
    /// Whether answers are subscribed to, which who never asks need not be permitted.
    has_inbox: AtomicBool,
    subscriptions: Mutex<Subscriptions>,
    link: Mutex<State>,
    /// The run of the server, where it is the only one.
    run: Mutex<Option<Arc<str>>>,
}

/// A message as a server sent it.
pub(super) struct Received<'a> {
    pub(super) subject: &'a [u8],
    pub(super) reply: &'a [u8],
    pub(super) headers: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// To whom a message goes.
enum Recipient<'a> {
    Listener(Arc<dyn Listener>, Option<&'a KeptStream>),
    Ear(Arc<dyn Ear>),
    Inbox,
    Nodes,
    Deletions,
}

enum State {
    Connected(Arc<Link>),
    Disconnected,
    ShutDown,
}

impl Node {
    pub(super) fn new(
        subjects: Subjects,
        streams: Vec<StreamOptions>,
        keeping: Keeping,
        monitoring: Monitoring,
    ) -> Self {
        let reader = (!streams.is_empty()).then(|| {
            let bare = Self::new(subjects.clone(), Vec::new(), keeping, Monitoring::new(&[]));
            let carries = "reads";
            Arc::new(Self { carries, ..bare })
        });
        let streams = Streams::new(&subjects, streams, keeping);
        let mut subscriptions = Subscriptions::default();
        if !streams.is_empty() {
            subscriptions.add(Entry::Nodes);
            subscriptions.add(Entry::Deletions);
        }
        Self {
            subjects,
            streams,
            monitoring,
            roll: Roll::default(),
            run: Mutex::default(),
            inbox: Arc::new(Inbox::new()),
            look: Notify::new(),
            reads: Semaphore::new(READS),
            proofs: Semaphore::new(PROOFS),
            reader,
            carries: "messages",
            id_prefix: format!("{:016x}", rand::random::<u64>()),
            ids: AtomicU64::new(0),
            counters: Counters::default(),
            has_inbox: AtomicBool::new(false),
            subscriptions: Mutex::new(subscriptions),
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

    /// Begins the ids that this node gives; no other node has it.
    pub(super) fn name(&self) -> &str {
        &self.id_prefix
    }

    /// Since when the server runs: another text for each start. `None` in a cluster, where streams are anywhere.
    pub(super) fn run(&self) -> Option<Arc<str>> {
        self.last_run().clone()
    }

    /// Does `step` while the server's run is this one; false if it is another.
    pub(super) fn while_in(&self, run: Option<&str>, step: impl FnOnce()) -> bool {
        let last = self.last_run();
        let is_same = last.as_deref() == run;
        if is_same {
            step();
        }
        is_same
    }

    /// Takes a new link into use, after subscribing to everything there.
    pub(super) fn open(&self, link: &Arc<Link>, server: &ServerInfo) {
        let run = server.run().map(Arc::from);
        if std::mem::replace(&mut *self.last_run(), run.clone()) != run {
            self.streams.doubt();
        }
        let subscriptions = self.subscriptions();
        link.add(|buffer| {
            for (sid, entry) in subscriptions.iter() {
                encoder::subscribe(buffer, &self.subject(entry), entry.group(), sid);
            }
        });
        let mut state = self.state();
        if matches!(*state, State::Disconnected) {
            *state = State::Connected(Arc::clone(link));
        }
        drop(state);
        let listeners = self.listeners(&subscriptions, |_| true);
        let ears = ears(&subscriptions);
        drop(subscriptions);
        self.look.notify_one();
        for listener in listeners {
            listener.interrupted();
        }
        for ear in ears {
            ear.interrupted();
        }
    }

    /// Tells who listens to channels of a stream that something may be missing.
    pub(super) fn interrupt(&self, stream: &KeptStream) {
        let listeners = self.listeners(&self.subscriptions(), |it| it.name == stream.name);
        listeners.iter().for_each(|listener| listener.interrupted());
    }

    /// Who listens to channels of some streams.
    fn listeners(
        &self,
        subscriptions: &Subscriptions,
        wanted: impl Fn(&KeptStream) -> bool,
    ) -> Vec<Arc<dyn Listener>> {
        let kept = subscriptions.iter().filter_map(|(_, entry)| match entry {
            Entry::Channel { channel, listener } => {
                let stream = self.streams.of(channel)?;
                wanted(stream).then(|| Arc::clone(listener))
            }
            Entry::Topic { .. } | Entry::Inbox | Entry::Nodes | Entry::Deletions => None,
        });
        kept.collect()
    }

    fn subject(&self, entry: &Entry) -> String {
        match entry {
            Entry::Channel { channel, .. } => self.listening(channel),
            Entry::Topic { topic, .. } => self.subjects.topic(topic),
            Entry::Inbox => self.inbox.subject(),
            Entry::Nodes => self.subjects.nodes().to_owned(),
            Entry::Deletions => format!("{DELETED}*"),
        }
    }

    /// The subject on which a channel is heard.
    pub(super) fn listening(&self, channel: &Channel) -> String {
        match self.streams.of(channel) {
            Some(_) => self.subjects.delivery(channel),
            None => self.subjects.publication(channel),
        }
    }

    /// An id that no other publication has.
    pub(super) fn new_id(&self) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number}", self.id_prefix)
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

    /// Waits for answers to a question that is sent on the link in use.
    pub(super) fn wait(&self, wants: Wants) -> Result<(Arc<Link>, Pending), Error> {
        if !self.has_inbox.load(Ordering::Acquire) {
            let mut subscriptions = self.subscriptions();
            if !self.has_inbox.load(Ordering::Acquire) {
                let sid = subscriptions.add(Entry::Inbox);
                if let Ok(link) = self.link() {
                    let subject = self.inbox.subject();
                    link.add(|buffer| encoder::subscribe(buffer, &subject, None, sid));
                }
                self.has_inbox.store(true, Ordering::Release);
            }
        }
        Ok((self.link()?, self.inbox.wait(wants)))
    }

    /// Sends a subscription on its way. It ends when the returned value is dropped.
    pub(super) fn add(
        self: &Arc<Self>,
        subject: &str,
        entry: Entry,
    ) -> Result<(Arc<Link>, Subscription), Error> {
        let group = entry.group().map(str::to_owned);
        let (link, sid) = {
            let mut subscriptions = self.subscriptions();
            (self.link()?, subscriptions.add(entry))
        };
        link.add(|buffer| encoder::subscribe(buffer, subject, group.as_deref(), sid));
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
    pub(super) fn deliver(&self, sid: u64, received: &Received<'_>) {
        let Received {
            subject,
            headers,
            payload,
            ..
        } = *received;
        let (listener, stream) = match self.recipient(sid) {
            Some(Recipient::Listener(listener, stream)) => (listener, stream),
            Some(Recipient::Ear(ear)) => return self.say(&*ear, received),
            Some(Recipient::Inbox) => return self.inbox.deliver(subject, headers, payload),
            Some(Recipient::Nodes) => return self.roll.hear(self, payload),
            Some(Recipient::Deletions) => return self.streams.deleted(self, subject),
            None => return,
        };
        let stream = stream.filter(|_| !metadata::is_unstored(headers));
        let decoded = match stream.map(KeptStream::epoch) {
            None => metadata::decode(headers, payload),
            Some(None) => return listener.interrupted(),
            Some(Some(epoch)) => metadata::decode_delivered(headers, payload, &epoch),
        };
        match decoded {
            // A listener that panics must not end the connection of all the others.
            Ok(publication) => {
                if let (Some(stream), Some(place)) = (stream, &publication.place) {
                    stream.heard(self, place);
                }
                let _panic = catch_unwind(AssertUnwindSafe(|| listener.deliver(publication)));
            }
            Err(reason) => {
                if let Some(total) = self.counters.malformed.add() {
                    tracing::warn!(%reason, total, "malformed publication dropped");
                }
            }
        }
    }

    /// Not behind the lock when it is told: it may end subscriptions, its own included.
    fn recipient(&self, sid: u64) -> Option<Recipient<'_>> {
        let subscriptions = self.subscriptions();
        Some(match subscriptions.get(sid)? {
            Entry::Channel { channel, listener } => {
                Recipient::Listener(Arc::clone(listener), self.streams.of(channel))
            }
            Entry::Topic { ear, .. } => Recipient::Ear(Arc::clone(ear)),
            Entry::Inbox => Recipient::Inbox,
            Entry::Nodes => Recipient::Nodes,
            Entry::Deletions => Recipient::Deletions,
        })
    }

    fn say(&self, ear: &dyn Ear, received: &Received<'_>) {
        match messages::heard(self, self.link().ok(), received) {
            Some(heard) => {
                let _panic = catch_unwind(AssertUnwindSafe(|| ear.hear(heard)));
            }
            None => {
                if let Some(total) = self.counters.malformed.add() {
                    tracing::warn!(total, "malformed message dropped");
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

    fn last_run(&self) -> MutexGuard<'_, Option<Arc<str>>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ears(subscriptions: &Subscriptions) -> Vec<Arc<dyn Ear>> {
    let ears = subscriptions.iter().filter_map(|(_, entry)| match entry {
        Entry::Topic { ear, .. } => Some(Arc::clone(ear)),
        Entry::Channel { .. } | Entry::Inbox | Entry::Nodes | Entry::Deletions => None,
    });
    ears.collect()
}
