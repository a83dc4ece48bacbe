//! The backbone inside one process.
//!
//! In: a publication. Out: the same publication at each listener of its channel. Where nothing is kept the publisher itself
//! calls them, so there is no queue, no task and no copy of the payload; where something is, the log's thread does, once
//! it is stored. Nothing here knows NATS.

mod incarnation;
mod listeners;
mod log;
mod mark;
mod messages;
mod options;
mod register;
mod tables;

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::BoxFuture;

use crate::bus::{AskError, Bus, Ear, Message};
use crate::topic::Topic;
use crate::{
    Backbone, Channel, Confirmation, Durability, DurabilityReport, Error, Feed, Listener, Page,
    Partition, Position, Publication, Range, Register, RegisterOptions, Removal, Storage,
    StreamOptions, Streams, Subscription, Top,
};
use listeners::Listeners;
use log::{Log, LogFeed};
use mark::Mark;
use messages::Messages;
pub use options::{EmbeddedOptions, OpenError, Sync};
use register::{EmbeddedRegister, Handle};
use tables::{Disk, Memory, Tables};

/// Milliseconds since the Unix epoch.
type Clock = Arc<dyn Fn() -> u64 + Send + std::marker::Sync>;

/// The folder of the registers in the data directory.
const REGISTERS: &str = "registers";

/// The folder of the streams in the data directory, and the file that says how far they go.
const STREAMS: &str = "streams";
const MARK: &str = "streams.mark";

/// Carries publications to the listeners of its own process. A clone is another handle to the same listeners.
#[derive(Clone)]
pub struct Embedded {
    shared: Arc<Shared>,
}

struct Shared {
    listeners: Arc<Listeners>,
    messages: Arc<Messages>,
    /// By namespace; channels without one are under the empty name.
    streams: HashMap<String, StreamOptions>,
    sync: Sync,
    in_files: Option<Arc<Log>>,
    in_memory: Option<Arc<Log>>,
    /// By name. Locked for a look-up, or while one is opened.
    registers: Mutex<HashMap<&'static str, Arc<EmbeddedRegister>>>,
    /// Of the registers, if they are kept in files.
    folder: Option<PathBuf>,
    is_closed: AtomicBool,
}

impl Embedded {
    /// A backbone that keeps what it is to keep.
    ///
    /// # Errors
    /// [`OpenError`] when what was kept cannot be read, or nothing can be kept.
    pub fn open(options: EmbeddedOptions) -> Result<Self, OpenError> {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
        };
        let EmbeddedOptions {
            data_dir,
            sync,
            streams,
        } = options;
        let listeners = Arc::<Listeners>::default();
        let folder = data_dir.as_ref().map(|it| it.join(REGISTERS));
        let (files, memory): (Vec<_>, Vec<_>) = streams
            .iter()
            .cloned()
            .partition(|it| it.storage == Storage::File);
        let open = |tables: Arc<dyn Tables>, mark, streams, sync| {
            let listeners = Arc::clone(&listeners);
            Log::open(tables, mark, streams, sync, listeners, Arc::new(now)).map(Arc::new)
        };
        let in_files = match (files.first(), data_dir) {
            (None, _) => None,
            (Some(first), None) => return Err(OpenError::NoDataDir(first.namespace.clone())),
            (Some(_), Some(folder)) => {
                let disk = Disk::open(&folder.join(STREAMS), sync == Sync::Always)?;
                let path = folder.join(MARK);
                let mark = Mark::open(&path).map_err(|reason| OpenError::new(&path, reason))?;
                Some(open(Arc::new(disk), Some(mark), files, sync)?)
            }
        };
        let in_memory = match memory.is_empty() {
            true => None,
            false => Some(open(Arc::<Memory>::default(), None, memory, Sync::Always)?),
        };
        let by_namespace = |it: StreamOptions| (it.namespace.clone().unwrap_or_default(), it);
        let shared = Shared {
            listeners,
            messages: Arc::default(),
            streams: streams.into_iter().map(by_namespace).collect(),
            sync,
            in_files,
            in_memory,
            registers: Mutex::default(),
            folder,
            is_closed: AtomicBool::new(false),
        };
        let backbone = Self {
            shared: Arc::new(shared),
        };
        for report in backbone.durability() {
            report.log();
        }
        Ok(backbone)
    }

    /// A backbone that keeps nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::open(EmbeddedOptions::default()).expect("nothing is kept, so nothing is opened")
    }
}

impl Default for Embedded {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams for Embedded {
    fn stream(&self, channel: &Channel) -> Option<&StreamOptions> {
        self.shared.stream(channel)
    }

    fn durability(&self) -> Vec<DurabilityReport> {
        let report = |stream: &StreamOptions| {
            let (level, reason) = self.shared.level(stream.storage);
            DurabilityReport {
                namespace: stream.namespace.clone(),
                level,
                required: stream.required,
                reason,
            }
        };
        self.shared.streams.values().map(report).collect()
    }

    fn tops<'a>(&'a self, channels: &'a [Channel]) -> BoxFuture<'a, Result<Vec<Top>, Error>> {
        Box::pin(async move {
            let shared = &self.shared;
            let mut in_files = shared.tops(Storage::File, channels).await?.into_iter();
            let mut in_memory = shared.tops(Storage::Memory, channels).await?.into_iter();
            let next = |channel: &Channel| {
                let top = match shared.storage(channel)? {
                    Storage::File => in_files.next(),
                    Storage::Memory => in_memory.next(),
                };
                top.ok_or_else(|| Error::NotKept(channel.clone()))
            };
            channels.iter().map(next).collect()
        })
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        Box::pin(async move {
            let storage = self.shared.storage(channel)?;
            let log = self.shared.log(channel, storage)?;
            log.read(channel.clone(), range).await
        })
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        removal: &'a Removal,
    ) -> BoxFuture<'a, Result<u64, Error>> {
        Box::pin(async move {
            let storage = self.shared.storage(channel)?;
            let log = self.shared.log(channel, storage)?;
            log.remove(channel, removal).await
        })
    }

    fn partitions<'a>(&'a self, namespace: Option<&'a str>) -> Option<BoxFuture<'a, u32>> {
        let name = namespace.unwrap_or_default();
        let is_kept = self.shared.streams.contains_key(name);
        is_kept.then(|| -> BoxFuture<'a, u32> { Box::pin(ready(Partition::WHOLE.of)) })
    }

    fn partition_of(&self, _channel: &Channel, _of: u32) -> u32 {
        Partition::WHOLE.number
    }

    fn feed(
        &self,
        namespace: Option<&str>,
        _partition: Partition,
        after: Option<Position>,
    ) -> Option<Box<dyn Feed>> {
        let stream = self.shared.streams.get(namespace.unwrap_or_default())?;
        let log = self.shared.log_of(stream.storage)?;
        Some(Box::new(LogFeed::new(log, namespace, after)))
    }
}

impl Backbone for Embedded {
    fn send<'a>(
        &'a self,
        channel: &'a Channel,
        publication: Publication,
    ) -> BoxFuture<'a, Result<Confirmation, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            let stream = self.stream(channel);
            publication.check(channel, stream.is_some())?;
            if let Some(stream) = stream {
                let log = self.shared.log(channel, stream.storage)?;
                return log.send(channel, publication).await;
            }
            self.shared.listeners.deliver(channel, publication);
            let confirmation: Confirmation = Box::pin(ready(Ok(None)));
            Ok(confirmation)
        })
    }

    fn subscribe<'a>(
        &'a self,
        channel: &'a Channel,
        listener: Arc<dyn Listener>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            Ok(self.shared.listeners.add(channel, listener))
        })
    }

    fn register(&self, options: RegisterOptions) -> Result<Arc<dyn Register>, Error> {
        let registers = self.shared.registers.lock();
        let mut registers = registers.unwrap_or_else(PoisonError::into_inner);
        let register = match registers.get(options.name) {
            Some(register) => Arc::clone(register),
            None => {
                let folder = self.shared.folder.as_deref();
                let folder = folder.filter(|_| options.storage == Storage::File);
                let register = Arc::new(EmbeddedRegister::open(folder, options.name)?);
                registers.insert(options.name, Arc::clone(&register));
                register
            }
        };
        Ok(Arc::new(Handle(register)))
    }

    fn is_ready(&self) -> bool {
        let shared = &self.shared;
        let is_durable = |it: DurabilityReport| it.level >= it.required;
        shared.check_open().is_ok()
            && shared.logs().all(|log| log.is_ready())
            && self.durability().into_iter().all(is_durable)
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.shared.is_closed.store(true, Ordering::Release);
            for log in self.shared.logs() {
                log.close().await;
            }
            self.shared.listeners.clear();
            self.shared.messages.clear();
        })
    }
}

impl Bus for Embedded {
    fn tell<'a>(&'a self, topic: &'a Topic, message: Message) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            self.shared.messages.tell(topic, &message);
            Ok(())
        })
    }

    fn hear<'a>(
        &'a self,
        topic: &'a Topic,
        group: Option<&'a str>,
        ear: Arc<dyn Ear>,
    ) -> BoxFuture<'a, Result<Subscription, Error>> {
        Box::pin(async move {
            self.shared.check_open()?;
            Ok(self.shared.messages.hear(topic, group, ear))
        })
    }

    fn ask_all<'a>(
        &'a self,
        topic: &'a Topic,
        question: Message,
        within: Duration,
        enough: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, AskError>> {
        Box::pin(async move {
            self.shared.check_open()?;
            let messages = &self.shared.messages;
            messages.ask_all(topic, question, within, enough).await
        })
    }

    fn address(&self, topic: &Topic) -> String {
        topic.to_string()
    }

    fn reaches_others(&self) -> bool {
        false
    }
}

impl Shared {
    fn check_open(&self) -> Result<(), Error> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Unavailable("it was shut down".to_owned()));
        }
        Ok(())
    }

    fn stream(&self, channel: &Channel) -> Option<&StreamOptions> {
        let namespace = channel.namespace().unwrap_or_default();
        self.streams.get(namespace)
    }

    fn storage(&self, channel: &Channel) -> Result<Storage, Error> {
        let stream = self.stream(channel);
        stream.map_or_else(|| Err(Error::NotKept(channel.clone())), |it| Ok(it.storage))
    }

    /// The tops of those of the channels that are kept in this way.
    async fn tops(&self, storage: Storage, channels: &[Channel]) -> Result<Vec<Top>, Error> {
        let is_there = |it: &&Channel| self.storage(it).is_ok_and(|there| there == storage);
        let channels: Vec<_> = channels.iter().filter(is_there).cloned().collect();
        match channels.first() {
            Some(first) => self.log(first, storage)?.tops(channels.clone()).await,
            None => Ok(Vec::new()),
        }
    }

    fn logs(&self) -> impl Iterator<Item = &Arc<Log>> {
        self.in_files.iter().chain(&self.in_memory)
    }

    fn log(&self, channel: &Channel, storage: Storage) -> Result<&Arc<Log>, Error> {
        self.log_of(storage)
            .ok_or_else(|| Error::NotKept(channel.clone()))
    }

    fn log_of(&self, storage: Storage) -> Option<&Arc<Log>> {
        match storage {
            Storage::File => self.in_files.as_ref(),
            Storage::Memory => self.in_memory.as_ref(),
        }
    }

    /// What a confirmation means, and why.
    fn level(&self, storage: Storage) -> (Durability, String) {
        match (storage, self.sync) {
            (Storage::Memory, _) => (Durability::Accepted, "kept in memory".to_owned()),
            (Storage::File, Sync::Always) => (
                Durability::Synced,
                "one copy, synced before it is confirmed".to_owned(),
            ),
            (Storage::File, Sync::Interval(interval)) => (
                Durability::Accepted,
                format!("one copy, synced every {interval:?}"),
            ),
        }
    }
}

impl fmt::Debug for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embedded").finish_non_exhaustive()
    }
}
