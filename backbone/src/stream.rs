//! What a backbone keeps of the channels of a namespace, and how it is read: the durable half of [`Backbone`].
//!
//! A namespace with [`StreamOptions`] has a stream. Each publication in it is stored before it is confirmed, and gets an
//! offset: a number that grows within a channel, not by one. An [`Epoch`] names the stream's incarnation; offsets of
//! different epochs have nothing to do with each other.
//!
//! [`Backbone`]: crate::Backbone

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::{Channel, Error, Feed, Publication, Removal};

/// Names an incarnation of a stream; short ASCII text.
pub type Epoch = Arc<str>;

/// How much longer than they are promised publications stay, where a listener can miss some: who compares positions this often
/// finds out by that, and never too late.
pub const RETENTION_SLACK: Duration = Duration::from_secs(120);

/// How a namespace is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// Publications of each channel that readers are promised.
    pub size: u64,
    /// How long each is promised to them.
    pub ttl: Duration,
    /// Where publications are kept.
    pub storage: Storage,
    /// Copies in a NATS cluster: 1, 3 or 5.
    pub replicas: u8,
    /// Whether what is stored is compressed.
    pub compression: bool,
    /// How long a publication's id is remembered.
    pub duplicate_window: Duration,
    /// Streams of a NATS server over which its channels are spread.
    pub partitions: u32,
    /// Below this the backbone is not ready.
    pub required: Durability,
}

/// One of the streams over which a namespace's channels are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    /// Which, from zero.
    pub number: u32,
    /// How many there are.
    pub of: u32,
}

impl Partition {
    /// The only stream of a namespace.
    pub const WHOLE: Self = Self { number: 0, of: 1 };
}

impl Default for Partition {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// Where publications are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Storage {
    /// In files.
    #[default]
    File,
    /// In memory: a restart of all copies loses them.
    Memory,
}

/// What a confirmation means, the weakest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// One server has it; it may be lost with a crash of the machine.
    #[default]
    Accepted,
    /// A majority of at least three servers has it.
    Replicated,
    /// It is on disk where it has to be: a power cut of every machine loses nothing.
    Synced,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Replicated => "replicated",
            Self::Synced => "synced",
        })
    }
}

/// The durability that a namespace really has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurabilityReport {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// What a confirmation means.
    pub level: Durability,
    /// What it has to mean.
    pub required: Durability,
    /// Why it is that level, for an operator: replicas, storage, syncing.
    pub reason: String,
}

impl DurabilityReport {
    /// Tells an operator.
    pub(crate) fn log(&self) {
        let Self {
            namespace,
            level,
            required,
            reason,
        } = self;
        let namespace = namespace.as_deref().unwrap_or_default();
        match level >= required {
            true => tracing::info!(namespace, %level, reason, "stream is in use"),
            false => tracing::error!(
                namespace,
                %level,
                %required,
                reason,
                "stream is not as durable as it must be"
            ),
        }
    }
}

/// Where a publication stands in its channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// Larger than that of every publication of the channel before it.
    pub offset: u64,
    /// Offset of the channel's publication before it, as of when it was stored; zero if none was kept then. `None` where it
    /// was read and not heard.
    pub previous: Option<u64>,
    /// When it was stored, in milliseconds since the Unix epoch.
    pub time: u64,
}

/// A place in a channel's stream, which what follows may be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The stream's incarnation.
    pub epoch: Epoch,
    /// Everything of the channel up to this offset has been had.
    pub offset: u64,
}

/// The newest place in a channel's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// Offset of the newest publication that is kept; where none is, of the stream's newest one in any channel, so that
    /// whatever the channel gets later is behind it.
    pub position: Position,
    /// Whether nothing of the channel is kept.
    pub is_empty: bool,
}

/// Which publications of a channel are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// From where, and in which direction.
    pub from: From,
    /// Publications at most.
    pub limit: usize,
    /// Bytes of payloads after which no more are added; one is given however large it is.
    pub max_bytes: usize,
}

/// Where a read begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Behind this offset, the oldest first. Zero: at the oldest that is kept.
    After(u64),
    /// Before this offset, the newest first. `u64::MAX`: at the newest.
    Before(u64),
}

/// Publications of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The newest place, as of a moment after the read began.
    pub top: Top,
    /// In the order that was asked for; each has a place.
    pub publications: Vec<Publication>,
    /// Of [`From::After`]: whether it is proved that nothing is missing between the offset and the first of these (or the
    /// top, if there are none). What was removed on purpose is not missing.
    pub is_gapless: bool,
    /// Where nothing is proved: publications of the channel that may have been removed on purpose, at least as many as were
    /// behind the offset. Who has another proof by their number has to count them in.
    pub removed: u64,
    /// Whether there is more in the direction of the read.
    pub has_more: bool,
}

/// The durable half of a backbone.
///
/// # Promises
/// 1. A publication is confirmed once it is stored with the durability that [`Streams::durability`] reports; its
///    confirmation has its position, and so has the copy that listeners get, with the previous one's offset.
/// 2. Listeners hear a channel's publications in the order of their offsets, each once. What they miss shows as a
///    `previous` above the last offset that they heard.
/// 3. Publications of one publisher to one channel are stored in the order of `send`; one whose id was stored within the
///    duplicate window is stored once, and confirmed with the position of the first.
///    One whose [version](crate::Version) is superseded by the newest that the channel keeps is not stored, and confirmed with
///    the channel's newest position; so versions of an epoch are stored in their order, whoever publishes them.
/// 4. A read sees everything that was confirmed before it began.
/// 5. A channel keeps `size` publications, or more, for `ttl`, or longer; the oldest go first.
/// 6. What was removed is given to nobody any more once `remove` has returned, by no node. It is not missing either: whatever
///    was proved to be whole without it is proved to be whole after it, also behind the position of what was removed; and
///    what had gone by itself is no better proved than before, unless everything around it was removed.
/// 7. Offsets and epoch survive a restart of the backbone; when offsets cannot go on, the epoch changes.
/// 8. A publication that [skips history](Publication::skips_history) is heard without a place, in the order of `send`; it is not stored,
///    and what was stored goes on as if it had not been. Its id is not looked at. Between servers of a NATS cluster it takes
///    another way than what is stored, and its order among the latter is that of their arrival.
pub trait Streams: Send + Sync {
    /// How a channel is kept; `None` if it is not.
    fn stream(&self, channel: &Channel) -> Option<&StreamOptions>;

    /// The durability that every namespace with a stream really has.
    fn durability(&self) -> Vec<DurabilityReport>;

    /// The newest place of each channel, in order. It sees everything that was confirmed before it began. All channels
    /// must have a stream.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time; [`Error::NotKept`].
    fn tops<'a>(&'a self, channels: &'a [Channel]) -> BoxFuture<'a, Result<Vec<Top>, Error>>;

    /// Reads a channel.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time; [`Error::NotKept`].
    fn read<'a>(&'a self, channel: &'a Channel, range: Range)
    -> BoxFuture<'a, Result<Page, Error>>;

    /// Removes publications of a channel; returns how many there were. Nodes that have copies at hand are told by
    /// [`remove`](crate::remove), which is what should be called.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the stream does not answer in time, or forbids it; some may be gone then, and it can be
    /// repeated. [`Error::NotKept`].
    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        removal: &'a Removal,
    ) -> BoxFuture<'a, Result<u64, Error>>;

    /// In how many streams a namespace is kept; waits until that is known. `None` if it is not kept.
    fn partitions<'a>(&'a self, namespace: Option<&'a str>) -> Option<BoxFuture<'a, u32>>;

    /// In which of so many streams, at least one, a channel is kept.
    fn partition_of(&self, channel: &Channel, of: u32) -> u32;

    /// Delivers everything that one of a namespace's streams has behind a position, or all of it; `None` if the namespace is not
    /// kept. The position is that of the last delivery that is where it has to be: its epoch and watermark.
    fn feed(
        &self,
        namespace: Option<&str>,
        partition: Partition,
        after: Option<Position>,
    ) -> Option<Box<dyn Feed>>;
}
