//! An archive in a Cassandra or Scylla cluster, for what one machine is too small for.
//!
//! Any number of processes may read and write the same keyspace. What a row says depends on its publication alone, so it
//! may be written by several and again; what counts is the state of its stream (`state`), which is changed by compare and
//! set. Which tables there are, `schema.cql` tells.

mod appending;
mod cluster;
mod committer;
mod expiry;
mod failure;
mod finding;
mod listing;
mod options;
mod reading;
mod removing;
mod schema;
mod state;
mod statements;
mod streams;
mod trimming;
mod value;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_backbone::{Channel, Epoch, Partition, Range};

use super::{
    ArchivedChannel, ArchivedStream, Batch, MAX_EPOCH_BYTES, Page, Record, Spans, Store,
    StoreError, StreamId,
};
use cluster::Cluster;
use committer::Committer;
use expiry::{Expiry, now};
pub use failure::OpenError;
pub use options::{Consistency, Credentials, DEFAULT_BUCKET, DEFAULT_MARGIN, Options, Tls};
pub use schema::SCHEMA;
use state::State;

/// An archive in a cluster.
pub struct Cassandra {
    cluster: Arc<Cluster>,
    committer: Committer,
    expiry: Expiry,
    bucket: u64,
    keyspace: String,
}

impl Cassandra {
    /// Connects, and makes the tables that are missing.
    ///
    /// # Errors
    /// [`OpenError`] when the cluster cannot be reached, or not be used.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        if options.bucket < 2 {
            return Err(OpenError::Bucket);
        }
        let cluster = Arc::new(Cluster::connect(&options).await?);
        Ok(Self {
            committer: Committer::start(Arc::clone(&cluster)),
            cluster,
            expiry: Expiry::new(options.ttls, options.margin),
            bucket: options.bucket,
            keyspace: options.keyspace,
        })
    }

    async fn load(&self, stream: &StreamId) -> Result<Option<State>, StoreError> {
        streams::load(&self.cluster, stream).await
    }

    /// The state of a stream, which begins now if it was not there.
    async fn begin(
        &self,
        stream: &StreamId,
        partition: Option<Partition>,
    ) -> Result<State, StoreError> {
        let swept = self
            .expiry
            .swept_at_first(stream.namespace.as_deref(), now());
        let mut fresh = State::new(self.bucket, swept);
        fresh.known.partition = partition;
        streams::begin(&self.cluster, stream, &fresh).await
    }
}

fn check(epoch: &Epoch) -> Result<(), StoreError> {
    match epoch.len() <= MAX_EPOCH_BYTES {
        true => Ok(()),
        false => Err(StoreError::EpochTooLong),
    }
}

impl Store for Cassandra {
    fn shared_name(&self) -> Option<String> {
        Some(format!("cassandra/{}", self.keyspace))
    }

    fn append(&self, batch: Batch) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            check(&batch.stream.epoch)?;
            appending::append(self, batch).await
        })
    }

    fn read<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        range: Range,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            reading::read(self, channel, epoch, range).await
        })
    }

    fn get<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offset: u64,
    ) -> BoxFuture<'a, Result<Option<Record>, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            reading::get(self, channel, epoch, offset).await
        })
    }

    fn find<'a>(
        &'a self,
        stream: &'a StreamId,
        time: u64,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            check(&stream.epoch)?;
            finding::find(self, stream, time).await
        })
    }

    fn channels<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<ArchivedChannel>, StoreError>> {
        Box::pin(listing::channels(self, prefix, after, limit))
    }

    fn remove<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            removing::remove(self, channel, epoch, &offsets).await
        })
    }

    fn removed<'a>(
        &'a self,
        channel: &'a Channel,
        epoch: &'a Epoch,
        offsets: RangeInclusive<u64>,
    ) -> BoxFuture<'a, Result<Spans, StoreError>> {
        Box::pin(async move {
            check(epoch)?;
            reading::removed(self, channel, epoch, &offsets).await
        })
    }

    fn trim<'a>(
        &'a self,
        namespace: Option<&'a str>,
        time: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(trimming::trim(self, namespace, time, limit))
    }

    fn streams(&self) -> BoxFuture<'_, Result<Vec<ArchivedStream>, StoreError>> {
        Box::pin(async {
            let known = streams::all(&self.cluster).await?.into_iter();
            let archived = known.map(|(stream, state)| ArchivedStream {
                stream,
                partition: state.known.partition,
                count: state.known.count,
                watermark: state.known.coverage.watermark,
            });
            Ok(archived.collect())
        })
    }

    fn disk_bytes(&self) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async {
            let known = streams::all(&self.cluster).await?;
            Ok(known.iter().map(|(_, state)| state.known.count.bytes).sum())
        })
    }
}

impl fmt::Debug for Cassandra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cassandra").finish_non_exhaustive()
    }
}
