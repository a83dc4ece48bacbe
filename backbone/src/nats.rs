//! The backbone through NATS: a channel is a subject, a publication is a message on it.
//!
//! In: a publication, or a subscription to a channel. Out: raw payloads with their metadata in headers, which anyone
//! with permission on the subject may send and receive too. What comes from the bus is hostile until it is parsed:
//! malformed metadata is dropped and counted. Nothing here knows gateways; only `subject` spells subjects.
//!
//! # What it costs and where it is bounded
//! A node has one connection and one task for it, and where there are streams another one to read them: a server takes nothing
//! from a connection while it looks through a stream for it. A subscription is one entry of a table, about a hundred bytes; the
//! task hands messages to listeners itself. What waits to be written is bounded, and publications wait for room within
//! their time-out. What a node does not read in time waits at the server, which ends the connection of a client that
//! lags too far behind: [`Counters::lost`] counts that too. A publish or subscribe is confirmed by the server's answer
//! to a ping behind it; callers at the same time share one.
//!
//! # Limits
//! In a cluster a server learns of a subscription at another one a moment after `subscribe` has returned. What is
//! published through that other server in this moment is not heard. A server that forbids to publish on a subject says so
//! beside: such a publish is answered `Ok`, and the refusal is logged and counted ([`Counters::refused`]).

mod connection;
mod connector;
mod counters;
mod inbox;
mod jetstream;
mod link;
mod messages;
mod metadata;
mod monitoring;
mod node;
mod options;
mod register;
mod streams;
mod subscriptions;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

pub use connector::ConnectError;
pub use counters::Counters;
pub use metadata::{MAX_INFO_BYTES, MAX_TAGS_BYTES};
pub use options::{Authentication, ClientCertificate, NatsOptions, TlsMode, TlsOptions};

use crate::bus::{AskError, Bus, Ear, Message};
use crate::subject::Subjects;
use crate::topic::Topic;
use crate::{
    Backbone, Channel, Confirmation, Count, Durability, DurabilityReport, Error, Feed, Listener,
    Page, Partition, Position, Publication, Range, Register, RegisterOptions, Removal, Storage,
    StreamOptions, Streams, Subscription, Top,
};
use connection::{Life, keep};
use connector::Connector;
use monitoring::Monitoring;
use node::Node;
use register::NatsRegister;
use streams::Keeping;
use subscriptions::Entry;

/// A connection to NATS that comes back by itself.
pub struct Nats {
    node: Arc<Node>,
    timeout: Duration,
    /// Those that keep the connections, and the streams in step, on the runtime that `connect` was called on.
    tasks: Vec<AbortHandle>,
}

impl Nats {
    /// Connects to NATS. When no server can be reached now, it goes on trying in the background, and
    /// [`Backbone::is_ready`] tells when it has succeeded. The connection lives on the runtime of this call.
    ///
    /// # Errors
    /// [`ConnectError`] for what trying again would not mend: the options, their files, a refused authentication, TLS.
    pub async fn connect(options: NatsOptions) -> Result<Self, ConnectError> {
        Self::start(options, Keeping::Keep).await
    }

    /// Connects as [`Nats::connect`] does, to who only reads: the streams of these namespaces are taken as others keep
    /// them, and `options.streams` do not count.
    ///
    /// # Errors
    /// Those of [`Nats::connect`].
    pub async fn observe(
        mut options: NatsOptions,
        namespaces: impl IntoIterator<Item = Option<String>>,
    ) -> Result<Self, ConnectError> {
        options.streams = namespaces.into_iter().map(unpromised).collect();
        Self::start(options, Keeping::Observe).await
    }

    async fn start(options: NatsOptions, keeping: Keeping) -> Result<Self, ConnectError> {
        let timeout = options.timeout;
        let node = Arc::new(Node::new(
            Subjects::new(&options.prefix)?,
            options.streams.clone(),
            keeping,
            Monitoring::new(&options.monitoring_urls),
        ));
        let mut nats = Self {
            node,
            timeout,
            tasks: Vec::new(),
        };
        if let Some(reader) = &nats.node.reader {
            let reads = start(reader, options.clone()).await?;
            let streams = tokio::spawn(streams::keep(Arc::clone(&nats.node)));
            nats.tasks.extend([reads, streams.abort_handle()]);
        }
        nats.tasks.push(start(&nats.node, options).await?);
        Ok(nats)
    }

    /// What went wrong so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.node.counters
    }

    async fn send_to(
        &self,
        channel: &Channel,
        publication: Publication,
    ) -> Result<Confirmation, Error> {
        let stream = self.node.streams.of(channel);
        publication.check(channel, stream.is_some())?;
        if let Some(stream) = stream {
            if !publication.skips_history {
                return streams::publish(&self.node, stream, channel, publication).await;
            }
            streams::settle(&self.node, stream, channel).await;
        }
        let (deadline, limit) = (Instant::now() + self.timeout, self.timeout);
        let link = self.node.link()?;
        let subject = self.node.listening(channel);
        let headers = metadata::encode(&publication)?;
        let sent = link.publish(&subject, &headers, &publication.data);
        in_time(deadline, limit, sent).await?;
        Ok(Box::pin(async move {
            in_time(deadline, limit, link.confirm()).await?;
            Ok(None)
        }))
    }

    async fn add(&self, subject: String, entry: Entry) -> Result<Subscription, Error> {
        let deadline = Instant::now() + self.timeout;
        let (link, subscription) = self.node.add(&subject, entry)?;
        in_time(deadline, self.timeout, link.confirm()).await?;
        if link.is_forbidden(&subject) {
            let reason = format!("nats forbids to subscribe to {subject}");
            return Err(Error::Unavailable(reason));
        }
        Ok(subscription)
    }

    async fn say_goodbye(&self) {
        streams::leave(&self.node);
        if let Some(link) = self.node.shut_down() {
            if timeout(self.timeout, link.confirm()).await.is_err() {
                tracing::warn!(timeout = ?self.timeout, "nats did not take what was left to send before the time-out");
            }
            link.end();
        }
        self.abort();
    }

    fn abort(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Connects a node, and keeps it connected.
async fn start(node: &Arc<Node>, options: NatsOptions) -> Result<AbortHandle, ConnectError> {
    let mut connector = Connector::prepare(options)?;
    let accepted = connector.first().await?;
    let first = accepted.map(|accepted| Life::begin(node, accepted));
    let task = tokio::spawn(keep(Arc::clone(node), connector, first));
    Ok(task.abort_handle())
}

/// A stream of which nothing is asked.
fn unpromised(namespace: Option<String>) -> StreamOptions {
    StreamOptions {
        namespace,
        size: 0,
        ttl: Duration::ZERO,
        storage: Storage::File,
        replicas: 1,
        compression: false,
        duplicate_window: Duration::ZERO,
        partitions: 1,
        required: Durability::Accepted,
    }
}

async fn in_time<T>(
    deadline: Instant,
    limit: Duration,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let no_answer = || Error::Unavailable(format!("no answer from nats within {limit:?}"));
    timeout_at(deadline, step)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

impl Streams for Nats {
    fn stream(&self, channel: &Channel) -> Option<&StreamOptions> {
        self.node.streams.of(channel).map(|stream| &stream.options)
    }

    fn durability(&self) -> Vec<DurabilityReport> {
        self.node.streams.durability()
    }

    fn tops<'a>(&'a self, channels: &'a [Channel]) -> BoxFuture<'a, Result<Vec<Top>, Error>> {
        Box::pin(streams::tops(&self.node, channels))
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(streams::read(&self.node, channel, range))
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        removal: &'a Removal,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(streams::remove(&self.node, channel, removal))
    }

    fn partitions<'a>(&'a self, namespace: Option<&'a str>) -> Option<BoxFuture<'a, u32>> {
        let known = self.node.streams.partitions(namespace)?;
        Some(Box::pin(known))
    }

    fn partition_of(&self, channel: &Channel, of: u32) -> u32 {
        self.node.subjects.partition_of(channel, of.max(1))
    }

    fn feed(
        &self,
        namespace: Option<&str>,
        partition: Partition,
        after: Option<Position>,
    ) -> Option<Box<dyn Feed>> {
        let feed = streams::NatsFeed::new(&self.node, namespace, partition, after)?;
        Some(Box::new(feed))
    }
}

impl Backbone for Nats {
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>> {
        Box::pin(self.send_to(channel, publication))
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        let entry = Entry::Channel {
            channel: channel.clone(),
            listener,
        };
        Box::pin(self.add(self.node.listening(channel), entry))
    }

    fn register(&self, options: RegisterOptions) -> Result<Arc<dyn Register>, Error> {
        Ok(Arc::new(NatsRegister::new(&self.node, options)))
    }

    fn is_ready(&self) -> bool {
        let is_connected = |node: &Arc<Node>| node.link().is_ok();
        is_connected(&self.node)
            && self.node.reader.as_ref().is_none_or(is_connected)
            && self.node.streams.are_ready()
    }

    fn counts(&self) -> Vec<Count> {
        self.node.counters.counts()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.say_goodbye())
    }
}

impl Bus for Nats {
    fn tell<'a>(&'a self, topic: &'a Topic, message: Message) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let deadline = Instant::now() + self.timeout;
            let told = messages::tell(&self.node, topic, &message);
            in_time(deadline, self.timeout, told).await
        })
    }

    fn hear<'a>(
        &'a self,
        topic: &'a Topic,
        group: Option<&'a str>,
        ear: Arc<dyn Ear>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        let entry = Entry::Topic {
            topic: topic.clone(),
            group: group.map(str::to_owned),
            ear,
        };
        Box::pin(self.add(self.node.subjects.topic(topic), entry))
    }

    fn ask_all<'a>(
        &'a self,
        topic: &'a Topic,
        question: Message,
        within: Duration,
        enough: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, AskError>> {
        Box::pin(
            async move { messages::ask_all(&self.node, topic, &question, within, enough).await },
        )
    }

    fn address(&self, topic: &Topic) -> String {
        self.node.subjects.topic(topic)
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.abort();
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
