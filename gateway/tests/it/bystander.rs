//! A healthy client that must not notice what others do to the node.

use std::net::SocketAddr;

use crate::client::Client;
use crate::command::Format;

const CHANNEL: &str = "chat:bystander";

/// A subscriber and a publisher that were there before.
pub(crate) struct Bystander {
    address: SocketAddr,
    subscriber: Client,
    publisher: Client,
    published: u32,
}

impl Bystander {
    pub(crate) async fn arrive(address: SocketAddr) -> Self {
        let mut subscriber = Client::connected(address, Format::Json, "bystander").await;
        subscriber.subscribe(CHANNEL).await;
        let mut this = Self {
            address,
            subscriber,
            publisher: Client::connected(address, Format::Protobuf, "neighbour").await,
            published: 0,
        };
        this.check("at first").await;
        this
    }

    /// Asserts that publications still arrive, each once, and that the node still accepts connections.
    pub(crate) async fn check(&mut self, after: &str) {
        self.published += 1;
        let data = self.published.to_string();
        self.publisher.publish(CHANNEL, data.as_bytes()).await;
        let received = self.subscriber.publication(CHANNEL).await;
        assert_eq!(received, data.as_bytes(), "{after}");
        let newcomer = Client::connected(self.address, Format::Json, "newcomer").await;
        newcomer.leave().await;
    }

    pub(crate) async fn leave(self) {
        self.subscriber.leave().await;
        self.publisher.leave().await;
    }
}
