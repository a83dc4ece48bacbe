//! A batch becomes rows, and then counts.
//!
//! There is no transaction over partitions. So the rows are written first, each the same whoever writes it and however
//! often; when all are durable the stream's state takes them in. What ends in between leaves rows that are not seen.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use tidegate_backbone::Channel;
use tokio::time::sleep;

use super::expiry::now;
use super::state::{State, Taken, Written};
use super::{Cassandra, reading, removing, value};
use crate::store::stored;
use crate::store::{Batch, Record, Spans, StoreError, StreamId};

/// Statements under way for one batch.
const AT_ONCE: usize = 128;

/// First and longest pause while the cluster does not answer.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

type Statement<'a> = BoxFuture<'a, Result<(), StoreError>>;

/// A record as it is written.
struct Row<'a> {
    channel: &'a Channel,
    sequence: u64,
    time: u64,
    value: Vec<u8>,
}

impl<'a> Row<'a> {
    fn of((channel, record): &'a (Channel, Record)) -> Self {
        Self {
            channel,
            sequence: record.offset,
            time: record.time,
            value: stored::publication(record.clone()),
        }
    }

    fn size(&self) -> u64 {
        self.value.len() as u64
    }
}

/// A batch on its way.
struct Appending<'a> {
    store: &'a Cassandra,
    batch: &'a Batch,
    rows: Vec<Row<'a>>,
}

/// Appends; waits for the cluster while it does not answer.
pub(super) async fn append(store: &Cassandra, batch: Batch) -> Result<(), StoreError> {
    let appending = Appending {
        store,
        batch: &batch,
        rows: batch.records.iter().map(Row::of).collect(),
    };
    let mut pause = PAUSES.0;
    loop {
        match appending.run().await {
            Err(StoreError::Unavailable(reason)) => {
                tracing::warn!(
                    reason,
                    "the archive's cluster does not answer, trying again"
                );
                sleep(pause).await;
                pause = PAUSES.1.min(pause * 2);
            }
            outcome => return outcome,
        }
    }
}

impl Appending<'_> {
    async fn run(&self) -> Result<(), StoreError> {
        while self.attempt().await? == Taken::Outdated {}
        Ok(())
    }

    async fn attempt(&self) -> Result<Taken, StoreError> {
        let stream = &self.batch.stream;
        let partition = self.batch.partition;
        let mut state = self.store.begin(stream, Some(partition)).await?;
        state.known.place(partition)?;
        let marks = self.marks(&state).await?;
        let floor = state.coverage().floor;
        let is_gone = |it: &&Row<'_>| {
            let marks = marks.get(it.channel);
            it.sequence <= floor || marks.is_some_and(|marks| marks.contains(it.sequence))
        };
        let (gone, kept): (Vec<_>, Vec<_>) = self.rows.iter().partition(is_gone);
        self.write(&state, &kept).await?;
        self.take_back(&state, &gone).await?;
        let gone = gone.iter().map(|it| it.sequence);
        let written = Written {
            records: kept.iter().map(|it| (it.sequence, it.size())).collect(),
            passed_over: gone.chain(self.batch.passed_over.iter().copied()).collect(),
            watermark: self.batch.watermark,
            partition: self.batch.partition,
            removals: state.removals,
        };
        self.store.committer.commit(stream, written).await
    }

    /// What was removed of the channels that a removal may have reached.
    async fn marks(&self, state: &State) -> Result<HashMap<&Channel, Spans>, StoreError> {
        let reached = self
            .rows
            .iter()
            .filter(|it| it.sequence <= state.removed_to);
        let channels: HashSet<_> = reached.map(|it| it.channel).collect();
        let mut marks = HashMap::new();
        for channel in channels {
            let of_channel = reading::marks(self.store, channel, &self.batch.stream.epoch);
            marks.insert(channel, of_channel.await?);
        }
        Ok(marks)
    }

    /// Takes back what an earlier attempt may have written before it was removed.
    async fn take_back(&self, state: &State, gone: &[&Row<'_>]) -> Result<(), StoreError> {
        for row in gone.iter().filter(|it| it.sequence <= state.removed_to) {
            let epoch = &self.batch.stream.epoch;
            let stretch = row.sequence..=row.sequence;
            removing::erase(self.store, (row.channel, epoch, state), &stretch).await?;
        }
        Ok(())
    }

    async fn write(&self, state: &State, rows: &[&Row<'_>]) -> Result<(), StoreError> {
        let mut statements: Vec<Statement<'_>> = Vec::new();
        let (mut channels, mut buckets) = (HashSet::new(), HashSet::new());
        let now = now();
        for row in rows {
            let bucket = value::bucket(row.sequence, state.width);
            if channels.insert(row.channel) {
                statements.push(self.name(row.channel, now));
            }
            for channel in [row.channel.as_str(), ""] {
                if buckets.insert((channel, bucket)) {
                    statements.push(self.bucket(channel, bucket, now));
                }
            }
            statements.push(self.record(row, bucket, now));
            statements.push(self.entry(row, bucket, now));
        }
        let statements = stream::iter(statements).buffer_unordered(AT_ONCE);
        statements.try_collect().await
    }

    /// The stream's names in columns, and when what was stored at `time` expires.
    fn place(&self, time: u64, now: u64) -> (&str, &str, i32) {
        let StreamId { namespace, epoch } = &self.batch.stream;
        let namespace = namespace.as_deref();
        let ttl = self.store.expiry.seconds(namespace, time, now);
        (value::namespace(namespace), epoch, ttl)
    }

    fn name<'a>(&'a self, channel: &'a Channel, now: u64) -> Statement<'a> {
        let (_, epoch, ttl) = self.place(now, now);
        let name = channel.as_str();
        let values = (value::shard(name), name, epoch, ttl);
        let cluster = &self.store.cluster;
        Box::pin(cluster.tell(&cluster.statements.insert_channel, values))
    }

    fn bucket<'a>(&'a self, channel: &'a str, bucket: i64, now: u64) -> Statement<'a> {
        let (namespace, epoch, ttl) = self.place(now, now);
        let cluster = &self.store.cluster;
        let values = (namespace, epoch, channel, bucket, ttl);
        Box::pin(cluster.tell(&cluster.statements.insert_bucket, values))
    }

    fn record<'a>(&'a self, row: &'a Row<'_>, bucket: i64, now: u64) -> Statement<'a> {
        let (namespace, epoch, ttl) = self.place(row.time, now);
        let (channel, sequence) = (row.channel.as_str(), value::sequence(row.sequence));
        let (size, value) = (value::size(row.size()), row.value.as_slice());
        let values = (
            namespace, epoch, channel, bucket, sequence, size, value, ttl,
        );
        let cluster = &self.store.cluster;
        Box::pin(cluster.tell(&cluster.statements.insert_record, values))
    }

    fn entry<'a>(&'a self, row: &'a Row<'_>, bucket: i64, now: u64) -> Statement<'a> {
        let (namespace, epoch, ttl) = self.place(row.time, now);
        let (channel, sequence) = (row.channel.as_str(), value::sequence(row.sequence));
        let (time, size) = (value::size(row.time), value::size(row.size()));
        let values = (namespace, epoch, bucket, sequence, channel, time, size, ttl);
        let cluster = &self.store.cluster;
        Box::pin(cluster.tell(&cluster.statements.insert_log, values))
    }
}
