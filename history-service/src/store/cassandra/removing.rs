//! Removes a stretch of a channel, and leaves a mark that keeps it from coming back.
//!
//! First the mark, then the state says that there is a new one: an append that did not see it looks again. Then the rows
//! go. Readers leave out what is marked, so nothing depends on when a row is gone.

use std::ops::RangeInclusive;

use futures_util::{StreamExt, TryStreamExt, stream};
use tidegate_backbone::{Channel, Epoch};

use super::expiry::now;
use super::state::State;
use super::{Cassandra, reading, streams, value};
use crate::store::{StoreError, StreamId};

/// Statements under way.
const AT_ONCE: usize = 128;

/// What is erased: a channel in an epoch, and the state of its stream.
type Place<'a> = (&'a Channel, &'a Epoch, &'a State);

pub(super) async fn remove(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    offsets: &RangeInclusive<u64>,
) -> Result<u64, StoreError> {
    if offsets.is_empty() {
        return Ok(0);
    }
    let stream = StreamId::of(channel, epoch);
    store.begin(&stream, None).await?;
    mark(store, channel, epoch, offsets).await?;
    let state = streams::change(&store.cluster, &stream, |state| {
        state.removals += 1;
        state.removed_to = state.removed_to.max(*offsets.end());
        state.clone()
    });
    let state = state.await?;
    let (publications, bytes) = erase(store, (channel, epoch, &state), offsets).await?;
    let uncount = |state: &mut State| {
        let floor = state.coverage().floor;
        state.trim(floor, publications, bytes);
    };
    streams::change(&store.cluster, &stream, uncount).await?;
    Ok(publications)
}

async fn mark(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    offsets: &RangeInclusive<u64>,
) -> Result<(), StoreError> {
    let now = now();
    let ttl = store.expiry.seconds(channel.namespace(), now, now);
    let (first, last) = (*offsets.start(), *offsets.end());
    let (first, last) = (value::sequence(first), value::sequence(last));
    let (namespace, name) = reading::names(channel);
    let values = (namespace, &**epoch, name, first, last, ttl);
    let statement = &store.cluster.statements.insert_removed;
    store.cluster.tell(statement, values).await
}

/// Takes the rows of a stretch away; returns how many were seen by readers, and their bytes.
pub(super) async fn erase(
    store: &Cassandra,
    place: Place<'_>,
    offsets: &RangeInclusive<u64>,
) -> Result<(u64, u64), StoreError> {
    let (channel, epoch, state) = place;
    let floor = state.coverage().floor;
    let (first, last) = (floor.max(*offsets.start()), *offsets.end());
    let (namespace, name) = reading::names(channel);
    let bucket = |offset| value::bucket(offset, state.width);
    let values = (namespace, &**epoch, name, bucket(first), bucket(last));
    let cluster = &store.cluster;
    let buckets = cluster.rows::<(i64,)>(&cluster.statements.buckets_upward, values);
    let mut buckets = buckets.await?;
    let (mut publications, mut bytes) = (0, 0);
    while let Some((bucket,)) = buckets.try_next().await? {
        let (more, size) = erase_in(store, place, bucket, offsets).await?;
        publications += more;
        bytes += size;
    }
    Ok((publications, bytes))
}

async fn erase_in(
    store: &Cassandra,
    (channel, epoch, state): Place<'_>,
    bucket: i64,
    offsets: &RangeInclusive<u64>,
) -> Result<(u64, u64), StoreError> {
    let cluster = &store.cluster;
    let (first, last) = (*offsets.start(), *offsets.end());
    let (first, last) = (value::sequence(first), value::sequence(last));
    let (namespace, name) = reading::names(channel);
    let values = (namespace, &**epoch, name, bucket, &first, &last);
    let found =
        cluster.ask::<(scylla::value::CqlVarint, i64)>(&cluster.statements.record_sizes, values);
    let found = found.await?;
    let seen = found.iter().map(|(sequence, size)| {
        let is_seen = state.has(value::number(sequence)?);
        Ok(is_seen.then(|| value::size_of(*size)))
    });
    let seen: Vec<_> = seen.collect::<Result<_, StoreError>>()?;
    let seen = seen.into_iter().flatten();
    let counted = seen.fold((0, 0), |(count, bytes), size| (count + 1, bytes + size));
    let mut entries = Vec::new();
    for (sequence, _) in &found {
        let values = (namespace, &**epoch, bucket, sequence);
        entries.push(cluster.tell(&cluster.statements.remove_from_log, values));
    }
    // The log first: what is left of a removal that ends here is found again by its records.
    let entries = stream::iter(entries).buffer_unordered(AT_ONCE);
    entries.try_collect::<()>().await?;
    if !found.is_empty() {
        cluster
            .tell(&cluster.statements.remove_records, values)
            .await?;
    }
    Ok(counted)
}
