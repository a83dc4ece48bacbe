//! Whether the server is reached, and whether it still is the connection that it was.
//!
//! A generation is one TCP connection's life. A command is known to be processed only if the proof of it arrives in
//! the generation in which it was sent: the NATS client drops what it had not yet written when a connection ends.

use std::sync::atomic::Ordering;

use async_nats::Client;
use async_nats::connection::State;
use tokio::sync::watch;

/// A NATS client and the news of its connection.
#[derive(Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    /// Changes after the connection may have; closed when the client has ended.
    news: watch::Receiver<()>,
}

impl Connection {
    pub(super) fn new(client: Client, news: watch::Receiver<()>) -> Self {
        Self { client, news }
    }

    /// The number of the connection, while there is one.
    pub(super) fn generation(&self) -> Option<u64> {
        let is_connected =
            self.news.has_changed().is_ok() && self.client.connection_state() == State::Connected;
        is_connected.then(|| self.client.statistics().connects.load(Ordering::Relaxed))
    }

    /// Waits until the connection is another one than `generation`, or none.
    pub(super) async fn lost(&self, generation: u64) {
        let mut news = self.news.clone();
        while self.generation() == Some(generation) {
            if news.changed().await.is_err() {
                return;
            }
        }
    }

    /// Waits until the client has ended: it was closed, or it broke.
    pub(super) async fn ended(&self) {
        let mut news = self.news.clone();
        while news.changed().await.is_ok() {}
    }
}
