//! Connections to nodes are encrypted where that is asked for, and only trusted ones are made.

use anyhow::Result;
use tidegate_history_service::store::cassandra::{Cassandra, OpenError, Options, Tls};
use tidegate_testkit::authority::Authority;
use tidegate_testkit::cassandra::CassandraNode;

use super::SECOND;

/// There is no keyspace, which only a node that was reached can say.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_trusted_node_is_spoken_to() -> Result<()> {
    let _second = SECOND.lock().await;
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let node = CassandraNode::start_tls(&authority).await?;
    let mut options = Options::new(vec![node.node()], "nowhere");
    for (tls, expected) in [
        (Tls::Authorities(authority.file()), "no keyspace"),
        (Tls::Authorities(stranger.file()), "cannot reach"),
        (Tls::Off, "cannot reach"),
        (Tls::Authorities("no-such-file".into()), "no-such-file"),
    ] {
        options.tls = tls;
        let error = opened(&options).await;
        assert!(error.to_string().contains(expected), "{error:?}");
    }
    Ok(())
}

async fn opened(options: &Options) -> OpenError {
    match Cassandra::open(options.clone()).await {
        Ok(_) => panic!("there is no keyspace"),
        Err(error) => error,
    }
}
