//! Namespaces that are kept, as JetStream streams: made and kept in step, published to, and read.
//!
//! A stream takes what is published in its namespace and republishes it once it is stored, with its sequence and the one
//! before it on the same subject, to the subjects that gateways listen to. A channel's offset is that sequence; the epoch is
//! the time at which the stream was made.

mod feed;
mod gathering;
mod keeping;
mod mark;
mod namespace;
mod partitions;
mod proving;
mod publishing;
mod reading;
mod removing;
mod roll;
mod settings;
mod sweeping;
mod tops;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::inbox::{Answer, Wants};
use super::jetstream::{ATTEMPT, ApiError, PATIENCE, PAUSE, Request, ask, parse};
use super::monitoring::Monitoring;
use super::node::Node;
use crate::{
    Channel, Durability, DurabilityReport, Epoch, Error, Partition, Place, StreamOptions, Subjects,
    Top,
};
pub(super) use feed::NatsFeed;
use gathering::Gathering;
pub(super) use keeping::keep;
use mark::Mark;
use namespace::Namespace;
use proving::Doubt;
use publishing::Sent;
pub(super) use publishing::{publish, settle};
pub(super) use reading::{PROOFS, READS, read};
pub(super) use removing::remove;
pub(super) use roll::{Roll, leave};
use settings::Info;
pub(super) use settings::milliseconds;
use sweeping::Sweeping;
pub(super) use tops::tops;

/// Begins the subjects on which JetStream says that a stream was deleted, which is named behind it.
pub(super) const DELETED: &str = "$JS.EVENT.ADVISORY.STREAM.DELETED.";

/// Pause between two looks at whether it is known what a stream is.
const SETTLING: Duration = Duration::from_millis(10);

/// The streams of a node, by namespace.
#[derive(Debug)]
pub(super) struct Streams {
    subjects: Subjects,
    /// Channels without a namespace are under the empty name.
    by_namespace: HashMap<String, Namespace>,
}

/// Whether a node makes streams what they have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    /// It makes them, and keeps their settings in step.
    Keep,
    /// It takes them as it finds them.
    Observe,
}

/// One stream.
#[derive(Debug)]
pub(super) struct KeptStream {
    pub(super) options: StreamOptions,
    keeping: Keeping,
    pub(super) name: String,
    /// Which of the streams of its namespace it is, from zero.
    partition: u32,
    /// The subjects that it takes.
    subjects: String,
    /// Those under which it stores what it takes.
    stored: String,
    /// Those that it republishes to.
    delivery: String,
    state: Mutex<State>,
    /// What was seen of it. Who holds both locked `state` first.
    mark: Mutex<Mark>,
    /// Publications under way.
    sent: Mutex<Sent>,
    places: Gathering<Channel, Top>,
    doubts: Gathering<Doubt, bool>,
    sweeping: Sweeping,
}

/// What is known of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum State {
    /// Not whether it is there, or is what it was.
    #[default]
    Unknown,
    /// It is there, and cannot be used as it is; why.
    Refused(String),
    InUse {
        epoch: Epoch,
        level: Durability,
        reason: String,
    },
}

impl Streams {
    pub(super) fn new(node: &Subjects, options: Vec<StreamOptions>, keeping: Keeping) -> Self {
        let namespace = |options: StreamOptions| {
            let name = options.namespace.clone().unwrap_or_default();
            (name, Namespace::new(node, &options, keeping))
        };
        Self {
            subjects: node.clone(),
            by_namespace: options.into_iter().map(namespace).collect(),
        }
    }

    /// The stream of a channel, if it is kept.
    pub(super) fn of(&self, channel: &Channel) -> Option<&KeptStream> {
        if self.by_namespace.is_empty() {
            return None;
        }
        let namespace = self.namespace(channel.namespace())?;
        namespace.of(&self.subjects, channel)
    }

    /// One of the streams of a namespace, if there are so many.
    fn partition(&self, namespace: Option<&str>, partition: Partition) -> Option<&KeptStream> {
        self.namespace(namespace)?.partition(partition)
    }

    /// How many streams a namespace has, once that is known; `None` if it is not kept.
    pub(super) fn partitions(
        &self,
        namespace: Option<&str>,
    ) -> Option<impl Future<Output = u32> + Send> {
        self.namespace(namespace).map(Namespace::count)
    }

    fn namespace(&self, name: Option<&str>) -> Option<&Namespace> {
        self.by_namespace.get(name.unwrap_or_default())
    }

    /// Takes a namespace as one of so many streams.
    fn spread(&self, namespace: Option<&str>, partitions: u32) {
        if let Some(namespace) = self.namespace(namespace) {
            namespace.spread(&self.subjects, partitions);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KeptStream> {
        self.by_namespace.values().flat_map(Namespace::streams)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_namespace.is_empty()
    }

    /// What this node has seen of each.
    fn marks(&self) -> BTreeMap<String, Mark> {
        let marks = self.iter().map(|it| (it.name.clone(), it.mark().clone()));
        marks.filter(|(_, mark)| !mark.created.is_empty()).collect()
    }

    /// Takes what another node has seen of one.
    fn merge(&self, name: &str, mark: Mark) {
        if let Some(stream) = self.iter().find(|stream| stream.name == name) {
            stream.mark().merge(mark);
        }
    }

    /// Uses none until it is known to be what it was.
    pub(super) fn doubt(&self) {
        self.iter().for_each(KeptStream::doubt);
    }

    /// One may have been deleted, as a subject says.
    pub(super) fn deleted(&self, node: &Node, subject: &[u8]) {
        let name = subject.strip_prefix(DELETED.as_bytes());
        let deleted = self.iter().find(|it| Some(it.name.as_bytes()) == name);
        if let Some(stream) = deleted {
            stream.suspect(node);
        }
    }

    /// Whether all of them are as they should be.
    pub(super) fn are_ready(&self) -> bool {
        self.iter().all(|stream| match &*stream.state() {
            State::InUse { level, .. } => *level >= stream.options.required,
            State::Unknown | State::Refused(_) => false,
        })
    }

    pub(super) fn durability(&self) -> Vec<DurabilityReport> {
        let weakest = |namespace: &Namespace| {
            let reports = namespace.streams().iter().map(KeptStream::report);
            reports.min_by_key(|report| report.level)
        };
        self.by_namespace.values().filter_map(weakest).collect()
    }
}

impl KeptStream {
    fn new(node: &Subjects, options: StreamOptions, partition: u32, keeping: Keeping) -> Self {
        let namespace = options.namespace.as_deref();
        let stored = node.publications_of(namespace);
        let (name, subjects) = match options.partitions {
            0 | 1 => (node.stream(namespace), stored.clone()),
            _ => (
                node.partition_stream(namespace, partition),
                node.partition(namespace, &partition.to_string()),
            ),
        };
        Self {
            name,
            partition,
            subjects,
            stored,
            delivery: node.deliveries_of(namespace),
            state: Mutex::default(),
            mark: Mutex::default(),
            sent: Mutex::default(),
            places: Gathering::default(),
            doubts: Gathering::default(),
            sweeping: Sweeping::default(),
            keeping,
            options,
        }
    }

    /// The incarnation.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        match &*self.state() {
            State::InUse { epoch, .. } => Some(Arc::clone(epoch)),
            State::Unknown | State::Refused(_) => None,
        }
    }

    fn known_epoch(&self) -> Result<Epoch, Error> {
        self.epoch()
            .ok_or_else(|| Error::Unavailable(format!("the stream {} is not there yet", self.name)))
    }

    fn report(&self) -> DurabilityReport {
        let (level, reason) = match self.state().clone() {
            State::Unknown => (Durability::Accepted, "it is not there yet".to_owned()),
            State::Refused(reason) => (Durability::Accepted, reason),
            State::InUse { level, reason, .. } => (level, reason),
        };
        DurabilityReport {
            namespace: self.options.namespace.clone(),
            level,
            required: self.options.required,
            reason,
        }
    }

    /// The incarnation, once it is known.
    async fn settled(&self, deadline: Instant) -> Result<Epoch, Error> {
        loop {
            match self.known_epoch() {
                Err(_) if self.is_unknown() && Instant::now() + SETTLING < deadline => {
                    sleep(SETTLING).await;
                }
                found => return found,
            }
        }
    }

    fn is_unknown(&self) -> bool {
        *self.state() == State::Unknown
    }

    /// Whether it was ever found to be as it should be.
    fn was_used(&self) -> bool {
        self.epoch().is_some() || !self.mark().epoch.is_empty()
    }

    /// Does not use the stream until it is known to be what it was.
    fn doubt(&self) {
        let mut state = self.state();
        if let State::InUse { .. } = *state {
            *state = State::Unknown;
        }
    }

    /// Takes the stream as it is. Tells whether it was another incarnation before, whose places are none any more.
    fn adopt(&self, info: &Info, monitoring: &Monitoring) -> bool {
        let (level, reason) = info.durability(monitoring);
        let epoch = info.epoch();
        let known = State::InUse {
            epoch: Arc::clone(&epoch),
            level,
            reason,
        };
        let mut state = self.state();
        let is_another = {
            let mut mark = self.mark();
            let before = mark.epoch.clone();
            mark.adopt(&info.created, &epoch, info.newest());
            !before.is_empty() && before != *epoch
        };
        let is_news = std::mem::replace(&mut *state, known.clone()) != known;
        drop(state);
        if is_news {
            self.report().log();
        }
        is_another
    }

    /// Takes what a server says of a stream that is in use, asked when it was known to reach so far.
    fn learn(&self, node: &Node, info: &Info, known: &Mark) {
        if self.epoch().is_none() {
            return;
        }
        let is_same = known.created == info.created && *known.epoch == *info.epoch();
        if is_same && info.state.last_seq < known.top {
            return self.suspect(node);
        }
        if self.adopt(info, &node.monitoring) {
            node.interrupt(self);
        }
    }

    /// The stream does not go on where it was.
    fn suspect(&self, node: &Node) {
        self.doubt();
        node.look.notify_one();
    }

    /// Something of the stream was heard, with its sequence and time.
    pub(super) fn heard(&self, node: &Node, place: &Place) {
        let goes_on = self.mark().hear(&place.epoch, place.offset, place.time);
        if !goes_on {
            self.suspect(node);
        }
    }

    fn mark(&self) -> MutexGuard<'_, Mark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does not use the stream as it is.
    fn refuse(&self, reason: String) {
        let refused = State::Refused(reason.clone());
        if std::mem::replace(&mut *self.state(), refused.clone()) != refused {
            let stream = &self.name;
            tracing::error!(
                stream,
                reason,
                "stream cannot be used as it is; nothing was changed"
            );
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
