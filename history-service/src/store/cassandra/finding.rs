//! A place in a stream is found by time: sequences grow with it, so by halves.

use scylla::value::CqlVarint;

use super::state::State;
use super::{Cassandra, value};
use crate::store::{StoreError, StreamId};

/// The log of a stream, while a place in it is searched for.
struct Search<'a> {
    store: &'a Cassandra,
    stream: &'a StreamId,
    state: State,
    /// The log's buckets, in order.
    buckets: Vec<i64>,
}

pub(super) async fn find(
    store: &Cassandra,
    stream: &StreamId,
    time: u64,
) -> Result<u64, StoreError> {
    let Some(state) = store.load(stream).await? else {
        return Ok(0);
    };
    let floor = state.coverage().floor;
    let lowest = value::bucket(floor.saturating_add(1), state.width);
    let search = Search {
        store,
        stream,
        buckets: store.log_buckets(stream, lowest..=i64::MAX).await?,
        state,
    };
    search.run(floor, time).await
}

impl Search<'_> {
    async fn run(&self, floor: u64, time: u64) -> Result<u64, StoreError> {
        let Some(last) = self.buckets.last().and_then(|it| u64::try_from(*it).ok()) else {
            return Ok(0);
        };
        let end = last.saturating_add(1).saturating_mul(self.state.width);
        // What is up to `older` is older than `time`, what is from `newer` on is not. Below the floor is nothing.
        let (mut found, mut older, mut newer) = (0, floor, end);
        while newer.saturating_sub(older) > 1 {
            let middle = older + (newer - older) / 2;
            match self.next(middle, newer).await? {
                Some((sequence, its)) if its < time => (found, older) = (sequence, sequence),
                Some(_) | None => newer = middle,
            }
        }
        Ok(found)
    }

    /// The first that stands at `from` or behind it, before `to`, and when it was stored.
    async fn next(&self, from: u64, to: u64) -> Result<Option<(u64, u64)>, StoreError> {
        let first = value::bucket(from, self.state.width);
        let last = value::bucket(to - 1, self.state.width);
        let begin = self.buckets.partition_point(|it| *it < first);
        let cluster = &self.store.cluster;
        let namespace = value::namespace(self.stream.namespace.as_deref());
        for bucket in self.buckets[begin..].iter().take_while(|it| **it <= last) {
            let bounds = (value::sequence(from), value::sequence(to - 1));
            let values = (namespace, &*self.stream.epoch, bucket, bounds.0, bounds.1);
            let found = cluster.ask_one(&cluster.statements.next_in_log, values);
            let found: Option<(CqlVarint, i64)> = found.await?;
            if let Some((sequence, time)) = found {
                return Ok(Some((value::number(&sequence)?, value::size_of(time))));
            }
        }
        Ok(None)
    }
}
