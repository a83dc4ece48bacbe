//! What an archive takes in and gives in a second: one in a folder, or in a Cassandra cluster of one node, started for this.
//!
//! `cargo run --release -p tidegate-history-service --example archive_figures -- embedded` (or `cassandra`)

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use futures_util::future::try_join_all;
use scylla::client::session_builder::SessionBuilder;
use tidegate_backbone::{Channel, Epoch, From, Partition, Publication, Range};
use tidegate_history_service::store::cassandra::{Cassandra, Options};
use tidegate_history_service::store::embedded::Embedded;
use tidegate_history_service::store::{Batch, Record, Store, StreamId};
use tidegate_testkit::cassandra::CassandraNode;

const CHANNELS: u64 = 100;
const BATCH: u64 = 500;
const BATCHES: u64 = 100;
const READS: u64 = 1_000;
const READERS: u64 = 8;

#[tokio::main]
async fn main() -> Result<()> {
    let place = std::env::args().nth(1);
    match place.as_deref() {
        Some("embedded") => {
            let folder = tempfile::tempdir()?;
            run(Arc::new(Embedded::open(folder.path())?)).await
        }
        Some("cassandra") => in_a_cluster().await,
        _ => bail!("embedded or cassandra?"),
    }
}

async fn in_a_cluster() -> Result<()> {
    let node = CassandraNode::start().await?;
    let session = SessionBuilder::new()
        .known_node(node.node())
        .build()
        .await?;
    let keyspace = "CREATE KEYSPACE figures WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
    session.query_unpaged(keyspace, ()).await?;
    let options = Options::new(vec![node.node()], "figures");
    run(Arc::new(Cassandra::open(options).await?)).await
}

async fn run(store: Arc<dyn Store>) -> Result<()> {
    let epoch: Epoch = "figures".into();
    let begin = Instant::now();
    for number in 0..BATCHES {
        store.append(batch(&epoch, number * BATCH)?).await?;
    }
    say(
        "appends, one batch of 500 after the other",
        BATCH * BATCHES,
        begin,
    )?;
    let begin = Instant::now();
    let readers = (0..READERS).map(|reader| read(&*store, &epoch, reader));
    try_join_all(readers).await?;
    say("reads of 100, by 8 readers", READS, begin)
}

fn channel(number: u64) -> Result<Channel> {
    Ok(Channel::parse(&format!("chat:{}", number % CHANNELS))?)
}

fn batch(epoch: &Epoch, after: u64) -> Result<Batch> {
    let records = (after + 1..=after + BATCH).map(|offset| {
        let publication = Publication {
            data: vec![b'x'; 256].into(),
            ..Publication::default()
        };
        let record = Record {
            offset,
            time: offset,
            publication,
        };
        Ok((channel(offset)?, record))
    });
    Ok(Batch {
        stream: StreamId::of(&channel(0)?, epoch),
        records: records.collect::<Result<_>>()?,
        passed_over: Vec::new(),
        partition: Partition::WHOLE,
        watermark: after + BATCH,
    })
}

async fn read(store: &dyn Store, epoch: &Epoch, reader: u64) -> Result<()> {
    for number in 0..READS / READERS {
        let range = Range {
            from: From::After(number * 37 % (BATCH * BATCHES / 2)),
            limit: 100,
            max_bytes: 1 << 20,
        };
        let channel = channel(reader + number)?;
        let page = store.read(&channel, epoch, range).await?;
        anyhow::ensure!(page.records.len() == 100, "a page is short");
    }
    Ok(())
}

fn say(what: &str, count: u64, begin: Instant) -> Result<()> {
    use std::io::Write;
    let seconds = begin.elapsed().as_secs_f64();
    let count = u32::try_from(count).context("a count")?;
    let rate = f64::from(count) / seconds;
    writeln!(std::io::stdout(), "{what}: {rate:.0} a second")?;
    Ok(())
}
