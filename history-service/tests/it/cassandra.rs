//! The archive in a Cassandra cluster, against a real node that these tests share.

mod expiry;
mod program;
mod replicas;
mod store;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;
use scylla::client::session_builder::SessionBuilder;
use tidegate_history_service::store::cassandra::{Cassandra, Options};
use tidegate_testkit::cassandra::CassandraNode;
use tokio::sync::{Mutex, OnceCell};

/// The node that all share; only for as long as this binary runs.
async fn node() -> &'static CassandraNode {
    static NODE: OnceCell<CassandraNode> = OnceCell::const_new();
    let started = NODE.get_or_try_init(CassandraNode::start).await;
    started.expect("a node")
}

/// Held by who needs another node, so that there are two at most: each takes more than half a gigabyte.
static SECOND: Mutex<()> = Mutex::const_new(());

/// A keyspace of its own.
async fn keyspace(node: &str) -> Result<Options> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let name = format!("tests_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let session = SessionBuilder::new().known_node(node).build().await?;
    let statement = format!(
        "CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    );
    session.query_unpaged(statement, ()).await?;
    Ok(Options::new(vec![node.to_owned()], &name))
}

async fn open(options: &Options) -> Arc<Cassandra> {
    let opened = Cassandra::open(options.clone()).await;
    Arc::new(opened.expect("an archive"))
}
