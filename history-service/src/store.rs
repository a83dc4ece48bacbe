//! Where publications are archived.
//!
//! In: batches of a stream's messages, each message once or several times, in whatever order. Out: a channel's publications
//! by offset, and the proof that none is missing. A store knows neither NATS nor who asks.
//!
//! The messages of a stream do not name their predecessor in their channel. What proves that nothing stands between two of
//! them is that the archive has seen every sequence of the stream between them ([`Coverage`]).
//!
//! [`conformance`] states each promise of [`Store`] once.

pub mod cassandra;
#[cfg(feature = "conformance")]
pub mod conformance;
mod coverage;
pub mod embedded;
mod spans;
mod stored;

use std::fmt;
use std::ops::RangeInclusive;

use futures_util::future::BoxFuture;
use tidegate_backbone::{Channel, Epoch, Partition, Publication, Range};

pub use coverage::Coverage;
pub use spans::Spans;

/// The longest epoch that is archived, in bytes.
pub const MAX_EPOCH_BYTES: usize = 64;

/// An incarnation of a namespace's stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamId {
    /// The namespace; `None` for channels without one.
    pub namespace: Option<String>,
    /// The incarnation.
    pub epoch: Epoch,
}

impl StreamId {
    /// The stream that keeps a channel.
    #[must_use]
    pub fn of(channel: &Channel, epoch: &Epoch) -> Self {
        Self {
            namespace: channel.namespace().map(str::to_owned),
            epoch: Epoch::clone(epoch),
        }
    }
}

/// One archived publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the stream: 1 or more.
    pub offset: u64,
    /// When the stream stored it, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The publication, without a place.
    pub publication: Publication,
}

/// Messages of a stream that are to be archived together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The stream.
    pub stream: StreamId,
    /// Which of the namespace's streams it is.
    pub partition: Partition,
    /// Publications in channels of the stream's namespace.
    pub records: Vec<(Channel, Record)>,
    /// Sequences of messages that are no publications of a channel: nobody can ask for them.
    pub passed_over: Vec<u64>,
    /// With this batch everything of the stream up to this sequence has been appended, as far as the stream had it.
    pub watermark: u64,
}

/// Publications of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In the order that was asked for.
    pub records: Vec<Record>,
    /// Whether there is more in the direction of the read.
    pub has_more: bool,
    /// What the archive had seen of the stream when it was read.
    pub coverage: Coverage,
}

/// A channel of which something is archived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedChannel {
    /// Its name.
    pub channel: Channel,
    /// By epoch.
    pub epochs: Vec<(Epoch, Count)>,
}

/// How much of something is archived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Publications.
    pub publications: u64,
    /// Bytes of their payloads and metadata.
    pub bytes: u64,
}

/// What is archived of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedStream {
    /// The stream.
    pub stream: StreamId,
    /// Which of the namespace's streams it is; `None` when nothing was appended since that is remembered.
    pub partition: Option<Partition>,
    /// How much.
    pub count: Count,
    /// How far.
    pub watermark: u64,
}

/// An archive.
///
/// # Promises
/// 1. What was appended is durable when `append` has returned, all of a batch with its watermark or nothing of it, and is
///    seen by whatever is asked from then on.
/// 2. A record that is appended again changes nothing. Batches may come in any order.
/// 3. A read gives a channel's records of an epoch in the order of their offsets, within its bounds, with the coverage as of
///    the same moment.
/// 4. What was removed, or trimmed, is not given any more and does not come back when it is appended again.
///    [`Coverage`] still counts it as seen when it was removed, and no longer proves anything before what was trimmed.
/// 5. Channels, epochs and namespaces stay apart, whatever their names.
/// 6. All of it survives a restart.
///
/// # Errors
/// Every method: [`StoreError`].
pub trait Store: Send + Sync + fmt::Debug {
    /// The name of an archive that other processes may use at the same time; `None` for one that is this process's own. Those
    /// that share one take turns at taking streams in.
    fn shared_name(&self) -> Option<String> {
        None
    }

    /// Archives a batch; returns when it is durable. While an archive elsewhere does not answer this waits for it.
    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Reads a channel in an epoch; one that is not known has nothing.
    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;

    /// The record at an offset.
    fn get<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offset: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>>;

    /// The sequence behind which a stream's archived records are as new as `time` or newer, in milliseconds since the Unix
    /// epoch. Where the stream's clock was set back it is one of several that could be said.
    fn find<'a>(
        &'a self,
        stream: &'a StreamId,
        time: u64,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Channels whose name begins with `prefix`, in the order of the names' bytes, behind `after`.
    fn channels<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ArchivedChannel>, StoreError>>;

    /// Removes a channel's records at these offsets, and keeps them from coming back. Returns how many there were. When it
    /// fails some may be gone; it can be repeated.
    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// What was removed of a channel among these offsets.
    fn removed<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<Spans, StoreError>>;

    /// Trims records of a namespace that were stored before `time`, in milliseconds since the Unix epoch, `limit` at most,
    /// the oldest first. Returns how many.
    fn trim<'a>(
        &'a self,
        namespace: Option<&'a str>,
        time: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>>;

    /// The streams that are archived, a namespace's oldest first.
    fn streams(&self) -> BoxFuture<'_, Result<Vec<ArchivedStream>, StoreError>>;

    /// Bytes on disk; of an archive elsewhere, bytes of what was given to it.
    fn disk_bytes(&self) -> BoxFuture<'_, Result<u64, StoreError>>;
}

/// Why an archive did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What is stored, or where, can no longer be used; nothing repairs that but an operator.
    #[error("archive cannot be used: {0}")]
    Broken(String),
    /// It does not answer; later it may.
    #[error("archive does not answer: {0}")]
    Unavailable(String),
    /// The epoch is longer than [`MAX_EPOCH_BYTES`].
    #[error("epoch is longer than {MAX_EPOCH_BYTES} bytes")]
    EpochTooLong,
    /// It is being shut down.
    #[error("archive is closed")]
    Closed,
}
