//! Trims what is too old: the floor goes up, and with it everything below is gone for readers. Partitions that are wholly
//! below go one by one, each with one tombstone; single rows never do.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use scylla::value::CqlVarint;

use super::cluster::Rows;
use super::expiry::now;
use super::state::State;
use super::{Cassandra, streams, value};
use crate::store::{StoreError, StreamId};

type Entry = (CqlVarint, String, i64, i64);

/// What is to be trimmed of a stream.
#[derive(Debug, Default)]
struct Trimmed {
    /// The floor that this was found from.
    from: u64,
    floor: u64,
    publications: u64,
    bytes: u64,
    /// Whether nothing older than the time is left.
    is_whole: bool,
}

pub(super) async fn trim(
    store: &Cassandra,
    namespace: Option<&str>,
    time: u64,
    limit: usize,
) -> Result<usize, StoreError> {
    let known = streams::of_namespace(&store.cluster, namespace).await?;
    let mut trimmed = 0;
    for (stream, state) in known {
        let left = limit - trimmed;
        trimmed += trim_stream(store, &stream, &state, time, left).await?;
    }
    Ok(trimmed)
}

async fn trim_stream(
    store: &Cassandra,
    stream: &StreamId,
    state: &State,
    time: u64,
    limit: usize,
) -> Result<usize, StoreError> {
    let found = find(store, stream, state, time, limit).await?;
    let namespace = stream.namespace.as_deref();
    let is_moved = found.floor > found.from;
    let is_news = found.is_whole && store.expiry.is_worth_saying(namespace, state.swept, time);
    if is_moved || is_news {
        let changed = streams::change(&store.cluster, stream, |state| {
            // Another has trimmed, and counted, what this has found.
            if state.coverage().floor != found.from {
                return false;
            }
            state.trim(found.floor, found.publications, found.bytes);
            if found.is_whole {
                state.swept = state.swept.max(time);
            }
            true
        });
        if !changed.await? {
            return Ok(0);
        }
    }
    drop_below(store, stream, state.width, found.floor).await?;
    Ok(usize::try_from(found.publications).unwrap_or(usize::MAX))
}

/// Goes up the log to the first that is not too old. When rows may have expired that nobody trimmed, those before it are trimmed
/// too, or their absence would be taken for a proof; how many they were is known only if none is left.
async fn find(
    store: &Cassandra,
    stream: &StreamId,
    state: &State,
    time: u64,
    limit: usize,
) -> Result<Trimmed, StoreError> {
    let from = state.coverage().floor;
    let mut trimmed = Trimmed {
        from,
        floor: from,
        ..Trimmed::default()
    };
    let namespace = stream.namespace.as_deref();
    let is_overdue = store.expiry.is_overdue(namespace, state, now());
    let Some(first) = from.checked_add(1) else {
        return Ok(trimmed);
    };
    let buckets = store.log_buckets(stream, value::bucket(first, state.width)..=i64::MAX);
    for bucket in buckets.await? {
        let mut entries = store.entries(stream, bucket, first).await?;
        while let Some((sequence, _, stored, size)) = entries.try_next().await? {
            let is_old = value::size_of(stored) < time;
            let sequence = value::number(&sequence)?;
            if !is_old || trimmed.publications >= limit as u64 {
                trimmed.is_whole = !is_old;
                if is_overdue {
                    trimmed.floor = trimmed.floor.max(sequence - 1);
                }
                return Ok(trimmed);
            }
            trimmed.floor = sequence;
            // What is not seen was never counted.
            if state.has(sequence) {
                trimmed.publications += 1;
                trimmed.bytes += value::size_of(size);
            }
        }
    }
    trimmed.is_whole = true;
    if is_overdue {
        let known = &state.known;
        trimmed.floor = trimmed.floor.max(known.coverage.watermark);
        (trimmed.publications, trimmed.bytes) = (known.count.publications, known.count.bytes);
    }
    Ok(trimmed)
}

/// Drops the buckets that are wholly below the floor, here and of every channel. The list of the log's buckets tells what
/// is left, so one that was begun is done at the next look.
async fn drop_below(
    store: &Cassandra,
    stream: &StreamId,
    width: u64,
    floor: u64,
) -> Result<(), StoreError> {
    let highest = value::bucket(floor.saturating_add(1), width) - 1;
    let buckets = store.log_buckets(stream, i64::MIN..=highest).await?;
    let cluster = &store.cluster;
    let (namespace, epoch) = (
        value::namespace(stream.namespace.as_deref()),
        &*stream.epoch,
    );
    for bucket in buckets {
        for channel in channels(store, stream, bucket).await? {
            let place = (namespace, epoch, channel.as_str(), bucket);
            cluster
                .tell(&cluster.statements.drop_records, place)
                .await?;
            cluster.tell(&cluster.statements.drop_bucket, place).await?;
        }
        let log = (namespace, epoch, bucket);
        cluster.tell(&cluster.statements.drop_log, log).await?;
        let listed = (namespace, epoch, "", bucket);
        cluster
            .tell(&cluster.statements.drop_bucket, listed)
            .await?;
    }
    Ok(())
}

async fn channels(
    store: &Cassandra,
    stream: &StreamId,
    bucket: i64,
) -> Result<HashSet<String>, StoreError> {
    let entries = store.entries(stream, bucket, 0).await?;
    let names = entries.map_ok(|(_, channel, _, _): Entry| channel);
    names.try_collect().await
}

impl Cassandra {
    /// The log's buckets among these, in order.
    pub(super) async fn log_buckets(
        &self,
        stream: &StreamId,
        among: std::ops::RangeInclusive<i64>,
    ) -> Result<Vec<i64>, StoreError> {
        let namespace = value::namespace(stream.namespace.as_deref());
        let (first, last) = (*among.start(), *among.end());
        let values = (namespace, &*stream.epoch, "", first, last);
        let statement = &self.cluster.statements.buckets_upward;
        let found = self.cluster.ask::<(i64,)>(statement, values).await?;
        Ok(found.into_iter().map(|(bucket,)| bucket).collect())
    }

    /// A bucket's log from a sequence on.
    async fn entries(
        &self,
        stream: &StreamId,
        bucket: i64,
        first: u64,
    ) -> Result<Rows<Entry>, StoreError> {
        let namespace = value::namespace(stream.namespace.as_deref());
        let (first, last) = (value::sequence(first), value::sequence(u64::MAX));
        let values = (namespace, &*stream.epoch, bucket, first, last);
        let statement = &self.cluster.statements.log;
        self.cluster.rows::<Entry>(statement, values).await
    }
}
