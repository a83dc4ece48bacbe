//! Replaces a NATS client that has ended.
//!
//! async-nats reconnects by itself when a connection is lost. But its connection task ends for good when it panics,
//! which a message with an ill-formed header block can make it do, and anyone may publish such a message. Then the
//! keeper starts another client, and deliveries move to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::connector::Connector;
use super::link::Link;

/// Between two clients, so that a flood of such messages does not become a flood of connections.
const PAUSE: Duration = Duration::from_millis(100);

/// Runs until it is aborted.
pub(super) async fn keep(connector: Connector, links: watch::Sender<Arc<Link>>) {
    loop {
        let link = Arc::clone(&links.borrow());
        link.ended().await;
        if let Some(total) = connector.counters().restarted.add() {
            tracing::error!(
                total,
                "nats client broke over what it received, starting another"
            );
        }
        links.send_replace(Arc::new(next_link(&connector).await));
    }
}

async fn next_link(connector: &Connector) -> Link {
    loop {
        sleep(PAUSE).await;
        match connector.in_background().await {
            Ok(link) => return link,
            Err(error) => tracing::error!(%error, "cannot start a nats client"),
        }
    }
}
