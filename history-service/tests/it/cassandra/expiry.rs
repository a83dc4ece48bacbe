//! Rows that expire by themselves: what is answered while they do, and when somebody trims at last, is consistent, and nothing
//! is said to be whole that is not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use tidegate_backbone::{Backbone, Publication};
use tidegate_history_service::history::{History, Query, Reading, Start};
use tidegate_history_service::lag::Lags;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::cassandra::Options;
use tidegate_testkit::deadline::until_some;

use super::{keyspace, node, open};
use crate::carrier::Carrier;
use crate::grpc::room;

const TTL: Duration = Duration::from_secs(1);

/// Later than anything that the carrier stored.
const NOW: u64 = 1_000_000;

async fn short_lived() -> Result<(Options, Session)> {
    let mut options = keyspace(&node().await.node()).await?;
    options.ttls = vec![(Some("kept".to_owned()), TTL)];
    options.margin = TTL;
    let session = SessionBuilder::new().known_node(&options.nodes[0]);
    let session = session.build().await?;
    session.use_keyspace(&options.keyspace, false).await?;
    Ok((options, session))
}

/// Waits until a table has no rows.
async fn is_empty(session: &Session, table: &str) -> Result<()> {
    let statement = format!("SELECT COUNT(*) FROM {table}");
    let empty = async || {
        let found = session.query_unpaged(statement.as_str(), ()).await.ok()?;
        let found = found.into_rows_result().ok()?;
        let (count,) = found.single_row::<(i64,)>().ok()?;
        (count == 0).then_some(())
    };
    until_some("its rows expire", empty).await
}

async fn read(history: &History, after: u64) -> Result<Reading> {
    let query = Query {
        channel: room("kept:room"),
        epoch: None,
        start: Start::After(after),
        limit: 100,
    };
    Ok(history.read(&query).await?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_expires_is_gone_and_nothing_proves_that_it_never_was() -> Result<()> {
    let (options, session) = short_lived().await?;
    let store: Arc<dyn Store> = open(&options).await;
    let carrier = Carrier::new(100);
    let backbone: Arc<dyn Backbone> = Arc::<Carrier>::clone(&carrier);
    let history = History::new(Arc::clone(&store), backbone, Lags::default());
    let room = room("kept:room");
    for number in 0..5 {
        carrier.put(
            &room,
            Publication {
                data: number.to_string().into(),
                ..Publication::default()
            },
        );
    }
    store.append(carrier.batch(0, 100)).await?;
    assert_eq!(store.streams().await?[0].count.publications, 5);
    for table in ["records", "log", "buckets", "channels"] {
        is_empty(&session, table).await?;
    }
    // Nobody has trimmed: what is missing is missing.
    let page = read(&history, 0).await?;
    assert!(page.records.is_empty() && !page.is_gapless, "{page:?}");
    assert!(history.channels("", "", 10).await?.is_empty());
    let newest = history.newest(&room).await?;
    assert_eq!((newest.position.offset, newest.epochs.len()), (5, 1));
    // Somebody does, and finds nothing left to trim.
    store.trim(Some("kept"), NOW, 100).await?;
    let page = read(&history, 0).await?;
    assert!(page.records.is_empty() && !page.is_gapless, "{page:?}");
    assert!(read(&history, 5).await?.is_gapless);
    assert_eq!(store.streams().await?[0].count.publications, 0);
    // What comes then is there, and behind what has expired it is whole.
    carrier.put_text(&room, "later");
    store.append(carrier.batch(5, 100)).await?;
    let page = read(&history, 5).await?;
    assert_eq!(page.records.len(), 1);
    assert_eq!(history.newest(&room).await?.position.offset, 6);
    assert_eq!(store.streams().await?[0].count.publications, 1);
    Ok(())
}
