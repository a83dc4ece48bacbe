//! Channels in the order of their names, from parts of the list that are each in that order.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use tidegate_backbone::{Channel, Epoch};

use super::{Cassandra, reading, streams, value};
use crate::store::{ArchivedChannel, Count, StoreError, StreamId};

/// Names that are taken from each part together, at first.
const AT_ONCE: i32 = 128;

/// Floors and widths of streams, as of one listing.
type Streams = HashMap<StreamId, (u64, u64)>;

/// Names with their epochs, in order, and from where on there may be more.
struct Names {
    names: BTreeMap<String, Vec<Epoch>>,
    more: Option<String>,
}

pub(super) async fn channels(
    store: &Cassandra,
    prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<ArchivedChannel>, StoreError> {
    let known = streams::all(&store.cluster).await?.into_iter();
    let known = known.map(|(stream, it)| (stream, (it.coverage().floor, it.width)));
    let known: Streams = known.collect();
    let mut channels = Vec::new();
    let mut from = prefix.max(after).to_owned();
    loop {
        let Names { names, more } = names(store, &from).await?;
        for (name, epochs) in names {
            if channels.len() == limit || !(name.starts_with(prefix) || *name <= *prefix) {
                return Ok(channels);
            }
            if *name > *after && name.starts_with(prefix) {
                channels.extend(count(store, &known, &name, epochs).await?);
            }
        }
        match more {
            Some(more) => from = more,
            None => return Ok(channels),
        }
    }
}

async fn names(store: &Cassandra, from: &str) -> Result<Names, StoreError> {
    let cluster = &store.cluster;
    let mut at_once = AT_ONCE;
    loop {
        let parts = (0..value::SHARDS).map(|shard| {
            let values = (shard, from, at_once);
            cluster.ask::<(String, String)>(&cluster.statements.names, values)
        });
        let parts = try_join_all(parts).await?;
        let is_full = |part: &&Vec<_>| i32::try_from(part.len()) == Ok(at_once);
        let full = parts.iter().filter(is_full);
        // The last name of a part that goes on may have more epochs, and is looked at again.
        let more = full.filter_map(|it| it.last()).map(|(name, _)| name).min();
        let more = more.cloned();
        if more.as_deref() == Some(from) {
            at_once *= 2;
            continue;
        }
        let mut names: BTreeMap<String, Vec<Epoch>> = BTreeMap::new();
        for (name, epoch) in parts.into_iter().flatten() {
            if more.as_ref().is_none_or(|more| name < *more) {
                names.entry(name).or_default().push(epoch.into());
            }
        }
        return Ok(Names { names, more });
    }
}

/// The channel with what there is of it; `None` when that is nothing.
async fn count(
    store: &Cassandra,
    known: &Streams,
    name: &str,
    epochs: Vec<Epoch>,
) -> Result<Option<ArchivedChannel>, StoreError> {
    let channel = Channel::parse(name)
        .map_err(|_| StoreError::Broken(format!("{name:?} is not the name of a channel")))?;
    let mut counts = Vec::new();
    for epoch in epochs {
        let Some(state) = known.get(&StreamId::of(&channel, &epoch)) else {
            continue;
        };
        let count = count_in(store, &channel, &epoch, *state).await?;
        if count.publications > 0 {
            counts.push((epoch, count));
        }
    }
    let is_there = !counts.is_empty();
    Ok(is_there.then_some(ArchivedChannel {
        channel,
        epochs: counts,
    }))
}

async fn count_in(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    (floor, width): (u64, u64),
) -> Result<Count, StoreError> {
    let cluster = &store.cluster;
    let first = floor.saturating_add(1);
    let (namespace, name) = reading::names(channel);
    let values = (
        namespace,
        &**epoch,
        name,
        value::bucket(first, width),
        i64::MAX,
    );
    let buckets = cluster.ask::<(i64,)>(&cluster.statements.buckets_upward, values);
    let mut count = Count::default();
    for (bucket,) in buckets.await? {
        let (first, last) = (value::sequence(first), value::sequence(u64::MAX));
        let values = (namespace, &**epoch, name, bucket, first, last);
        let counted = cluster.ask_one(&cluster.statements.count_records, values);
        let counted: Option<(i64, Option<i64>)> = counted.await?;
        let (publications, bytes) = counted.unwrap_or_default();
        count.publications += value::size_of(publications);
        count.bytes += value::size_of(bytes.unwrap_or_default());
    }
    Ok(count)
}
