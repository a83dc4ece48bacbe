//! What is asked of a channel.
//!
//! The state is read first and then the rows, so that what it has seen is there to be read; what is trimmed meanwhile is
//! told by the floor as it is afterwards.

use std::ops::RangeInclusive;

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt};
use tidegate_backbone::{Channel, Epoch, From, Range};

use super::cluster::Rows;
use super::expiry::now;
use super::state::State;
use super::{Cassandra, value};
use crate::store::stored;
use crate::store::{Coverage, Page, Record, Spans, StoreError, StreamId};

/// Partitions that are read at the same time at most.
const PARTITIONS: usize = 16;

/// A read on its way.
struct Reading<'a> {
    store: &'a Cassandra,
    channel: &'a Channel,
    epoch: &'a Epoch,
    range: Range,
    state: State,
    marks: Spans,
}

pub(super) async fn read(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    range: Range,
) -> Result<Page, StoreError> {
    let stream = StreamId::of(channel, epoch);
    let Some(state) = store.load(&stream).await? else {
        return Ok(Page {
            records: Vec::new(),
            has_more: false,
            coverage: Coverage::default(),
        });
    };
    let coverage = state.coverage().clone();
    let (records, has_more) = match offsets(&range, coverage.floor) {
        None => (Vec::new(), false),
        Some(offsets) => {
            let reading = Reading {
                marks: marks_in(store, channel, epoch, &state).await?,
                store,
                channel,
                epoch,
                range,
                state,
            };
            reading.run(&offsets).await?
        }
    };
    Ok(Page {
        records,
        has_more,
        coverage: as_of_now(store, &stream, coverage).await?,
    })
}

/// The offsets that a read looks at.
fn offsets(range: &Range, floor: u64) -> Option<RangeInclusive<u64>> {
    let above = floor.checked_add(1)?;
    let (first, last) = match range.from {
        From::After(offset) => (offset.checked_add(1)?.max(above), u64::MAX),
        From::Before(offset) => (above, offset.checked_sub(1)?),
    };
    (first <= last).then_some(first..=last)
}

/// What was seen then, and trimmed by now.
async fn as_of_now(
    store: &Cassandra,
    stream: &StreamId,
    mut coverage: Coverage,
) -> Result<Coverage, StoreError> {
    let namespace = stream.namespace.as_deref();
    if coverage.floor == 0 && !store.expiry.is_for(namespace) {
        return Ok(coverage);
    }
    let state = store.load(stream).await?.unwrap_or_default();
    coverage.floor = state.coverage().floor;
    coverage.seen.forget_to(coverage.floor);
    if store.expiry.is_overdue(namespace, &state, now()) {
        coverage.seen = Spans::default();
    }
    Ok(coverage)
}

impl Reading<'_> {
    async fn run(&self, offsets: &RangeInclusive<u64>) -> Result<(Vec<Record>, bool), StoreError> {
        let mut buckets = self.buckets(offsets).await?;
        let (mut records, mut bytes, mut at_once) = (Vec::new(), 0, 1);
        loop {
            let mut next = Vec::new();
            while next.len() < at_once
                && let Some(bucket) = buckets.try_next().await?
            {
                next.push(self.partition(bucket.0, offsets, self.range.limit - records.len()));
            }
            if next.is_empty() {
                return Ok((records, false));
            }
            for record in try_join_all(next).await?.into_iter().flatten() {
                bytes += record.publication.data.len();
                let is_large = bytes > self.range.max_bytes && !records.is_empty();
                if records.len() == self.range.limit || is_large {
                    return Ok((records, true));
                }
                records.push(record);
            }
            // A channel that has little in each bucket needs many.
            at_once = PARTITIONS.min(at_once * 4);
        }
    }

    async fn buckets(&self, offsets: &RangeInclusive<u64>) -> Result<Rows<(i64,)>, StoreError> {
        let cluster = &self.store.cluster;
        let statement = match self.range.from {
            From::After(_) => &cluster.statements.buckets_upward,
            From::Before(_) => &cluster.statements.buckets_downward,
        };
        let bucket = |offset: &u64| value::bucket(*offset, self.state.width);
        let (first, last) = (bucket(offsets.start()), bucket(offsets.end()));
        let (namespace, channel) = names(self.channel);
        let values = (namespace, &**self.epoch, channel, first, last);
        cluster.rows(statement, values).await
    }

    /// Records of one partition, one more than `limit` at most.
    async fn partition(
        &self,
        bucket: i64,
        offsets: &RangeInclusive<u64>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let cluster = &self.store.cluster;
        let mut statement = match self.range.from {
            From::After(_) => cluster.statements.records_upward.clone(),
            From::Before(_) => cluster.statements.records_downward.clone(),
        };
        let at_once = i32::try_from(limit + 1).unwrap_or(i32::MAX);
        statement.set_page_size(at_once.min(statement.get_page_size()));
        let (first, last) = (*offsets.start(), *offsets.end());
        let (first, last) = (value::sequence(first), value::sequence(last));
        let (namespace, channel) = names(self.channel);
        let values = (namespace, &**self.epoch, channel, bucket, first, last);
        let mut rows = cluster.rows(&statement, values).await?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().await {
            let (sequence, value): (_, Vec<u8>) = row?;
            let sequence = value::number(&sequence)?;
            if !self.state.has(sequence) || self.marks.contains(sequence) {
                continue;
            }
            let record = stored::record(sequence, value)?;
            bytes += record.publication.data.len();
            records.push(record);
            // The one too many tells the page that there is more.
            let is_large = bytes > self.range.max_bytes && records.len() > 1;
            if records.len() > limit || is_large {
                break;
            }
        }
        Ok(records)
    }
}

pub(super) async fn get(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    offset: u64,
) -> Result<Option<Record>, StoreError> {
    let state = store.load(&StreamId::of(channel, epoch)).await?;
    let Some(state) = state.filter(|it| it.has(offset)) else {
        return Ok(None);
    };
    let sequence = value::sequence(offset);
    let (namespace, name) = names(channel);
    let bucket = value::bucket(offset, state.width);
    let values = (namespace, &**epoch, name, bucket, &sequence, &sequence);
    let statement = &store.cluster.statements.records_upward;
    let row: Option<(scylla::value::CqlVarint, Vec<u8>)> =
        store.cluster.ask_one(statement, values).await?;
    let marks = marks_in(store, channel, epoch, &state).await?;
    let row = row.filter(|_| !marks.contains(offset));
    row.map(|(_, value)| stored::record(offset, value))
        .transpose()
}

/// What was removed of a channel among these offsets, and is not trimmed yet.
pub(super) async fn removed(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    offsets: &RangeInclusive<u64>,
) -> Result<Spans, StoreError> {
    let Some(state) = store.load(&StreamId::of(channel, epoch)).await? else {
        return Ok(Spans::default());
    };
    let floor = state.coverage().floor;
    let above = floor.checked_add(1).filter(|_| floor > 0).unwrap_or(0);
    let (first, last) = (above.max(*offsets.start()), *offsets.end());
    let marks = marks_in(store, channel, epoch, &state).await?;
    let marks = marks
        .iter()
        .filter(|it| *it.start() <= last && *it.end() >= first);
    let cut = marks.map(|it| first.max(*it.start())..=last.min(*it.end()));
    Ok(cut.collect())
}

/// Nothing when nothing of the stream was ever removed.
async fn marks_in(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
    state: &State,
) -> Result<Spans, StoreError> {
    match state.removals {
        0 => Ok(Spans::default()),
        _ => marks(store, channel, epoch).await,
    }
}

/// What was ever removed of a channel.
pub(super) async fn marks(
    store: &Cassandra,
    channel: &Channel,
    epoch: &Epoch,
) -> Result<Spans, StoreError> {
    let (namespace, channel) = names(channel);
    let values = (namespace, &**epoch, channel);
    let statement = &store.cluster.statements.removed;
    let found = store.cluster.ask(statement, values).await?;
    let found = found.iter().map(|(first, last)| {
        let (first, last) = (value::number(first)?, value::number(last)?);
        Ok(first..=last)
    });
    found.collect()
}

/// A channel, as columns have it: its namespace, and its name.
pub(super) fn names(channel: &Channel) -> (&str, &str) {
    (value::namespace(channel.namespace()), channel.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_look_at_what_is_above_the_floor() {
        for (from, floor, expected) in [
            (From::After(0), 0, Some(1..=u64::MAX)),
            (From::After(3), 9, Some(10..=u64::MAX)),
            (From::After(u64::MAX), 0, None),
            (From::Before(9), 0, Some(1..=8)),
            (From::Before(9), 8, None),
            (From::Before(0), 0, None),
        ] {
            let range = Range {
                from,
                limit: 1,
                max_bytes: 1,
            };
            assert_eq!(offsets(&range, floor), expected, "{from:?} above {floor}");
        }
    }
}
