//! What the service answers: archive and live stream as one log.
//!
//! In: questions that have been checked. Out: answers, or why there is none. Faces ([`grpc`](crate::grpc)) translate; this
//! knows none of them.
//!
//! The archive lags behind the stream. What was confirmed before a question came is at most as new as the stream's newest
//! place then, so that is asked first, and what the archive does not have up to there is read from the stream.

mod answer;
mod log;
mod merge;
mod query;
mod removal;
mod replay;

use std::sync::Arc;

use futures_util::Stream;
use tidegate_backbone::{Backbone, Channel, Epoch, Error, From, Partition, Range, Top};

pub use answer::{HistoryError, NamespaceStats, Newest, Reading, Stats};
pub use query::{Query, Start};
pub use removal::Removal;
pub use replay::Replayed;

use crate::lag::Lags;
use crate::store::{ArchivedChannel, ArchivedStream, Record, Store};
use log::Log;

/// Publications in one answer at most.
pub const MAX_LIMIT: usize = 1_000;

/// Publications in one answer when the question does not say.
pub const DEFAULT_LIMIT: usize = 100;

/// Bytes of publications in one answer at most; a single one may be larger.
pub const MAX_PAGE_BYTES: usize = 1024 * 1024;

/// The history service, without a face. Cheap to clone.
#[derive(Debug, Clone)]
pub struct History {
    store: Arc<dyn Store>,
    backbone: Arc<dyn Backbone>,
    lags: Lags,
}

impl History {
    /// A service that reads these.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, backbone: Arc<dyn Backbone>, lags: Lags) -> Self {
        Self {
            store,
            backbone,
            lags,
        }
    }

    /// Whether the stream can be asked.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.backbone.is_ready()
    }

    /// Reads a page. It has everything that was confirmed before.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn read(&self, query: &Query) -> Result<Reading, HistoryError> {
        let log = self.log(&query.channel, query.epoch.as_ref()).await?;
        match query.start {
            Start::After(offset) => log.forward(offset, query.limit).await,
            Start::Before(offset) => log.backward(offset, query.limit).await,
            Start::Since(time) => {
                let after = log.before_time(time).await?;
                log.forward(after, query.limit).await
            }
            Start::Until(time) => {
                let last = log.before_time(time).await?;
                log.backward(last.saturating_add(1), query.limit).await
            }
        }
    }

    /// A channel from a place on, and then what is published, until the stream is dropped. Reads as fast as it is polled.
    pub fn replay(
        &self,
        query: Query,
    ) -> impl Stream<Item = Result<Replayed, HistoryError>> + Send + use<> {
        replay::replay(self.clone(), query)
    }

    /// The publication at a place.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn get(
        &self,
        channel: &Channel,
        epoch: Option<&Epoch>,
        offset: u64,
    ) -> Result<Record, HistoryError> {
        let log = self.log(channel, epoch).await?;
        log.get(offset).await?.ok_or(HistoryError::NoPublication)
    }

    /// The newest place.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn newest(&self, channel: &Channel) -> Result<Newest, HistoryError> {
        let position = self.top(channel).await?.position;
        let streams = self.store.streams().await?.into_iter();
        let of_channel = streams.filter(|it| self.is_of(it, channel));
        Ok(Newest {
            position,
            epochs: of_channel.map(|it| it.stream.epoch).collect(),
        })
    }

    /// Channels of which something is archived, by prefix, behind `after`, and one more than `limit` if there are more.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn channels(
        &self,
        prefix: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<ArchivedChannel>, HistoryError> {
        Ok(self.store.channels(prefix, after, limit + 1).await?)
    }

    /// Removes publications from the stream, from what gateways have at hand, and from the archive, in this order; returns how
    /// many the archive had. After an error some may be gone from one and not from the others; it can be repeated.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn remove(&self, channel: &Channel, removal: &Removal) -> Result<u64, HistoryError> {
        removal::remove(self, channel, removal).await
    }

    /// How much is archived, and how far.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub async fn stats(&self) -> Result<Stats, HistoryError> {
        let streams = self.store.streams().await?;
        let with_lag = |it: ArchivedStream| (self.lags.of(&it.stream), it);
        Ok(Stats {
            streams: streams.into_iter().map(with_lag).collect(),
            disk_bytes: self.store.disk_bytes().await?,
        })
    }

    /// The log of a channel, as of now, in an epoch or the newest one.
    async fn log<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: Option<&Epoch>,
    ) -> Result<Log<'a>, HistoryError> {
        let top = self.top(channel).await?;
        let current = Epoch::clone(&top.position.epoch);
        let (epoch, top) = match epoch {
            None => (current, Some(top)),
            Some(epoch) if *epoch == current => (current, Some(top)),
            Some(epoch) => (self.archived(channel, epoch).await?, None),
        };
        Ok(Log {
            history: self,
            channel,
            epoch,
            top,
        })
    }

    /// An epoch that only the archive knows.
    async fn archived(&self, channel: &Channel, epoch: &Epoch) -> Result<Epoch, HistoryError> {
        let streams = self.store.streams().await?;
        let is_meant = |it: &ArchivedStream| it.stream.epoch == *epoch && self.is_of(it, channel);
        match streams.iter().any(is_meant) {
            true => Ok(Epoch::clone(epoch)),
            false => Err(HistoryError::UnknownEpoch),
        }
    }

    /// Whether a stream is one that a channel is, or was, kept in.
    fn is_of(&self, archived: &ArchivedStream, channel: &Channel) -> bool {
        let is_partition = |it: Partition| self.backbone.partition_of(channel, it.of) == it.number;
        archived.stream.namespace.as_deref() == channel.namespace()
            && archived.partition.is_none_or(is_partition)
    }

    async fn top(&self, channel: &Channel) -> Result<Top, HistoryError> {
        let tops = self.backbone.tops(std::slice::from_ref(channel)).await?;
        let silent = || Error::Unavailable("the stream gave no position".to_owned());
        Ok(tops.into_iter().next().ok_or_else(silent)?)
    }
}

fn range(from: From, limit: usize) -> Range {
    Range {
        from,
        limit,
        max_bytes: MAX_PAGE_BYTES,
    }
}
