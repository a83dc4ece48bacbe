//! A node of the tests: options, connections and a listener whose publications can be awaited.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Channel, Error, Listener, Publication, Subscription};
use tidegate_testkit::deadline::PATIENCE;
use tidegate_testkit::nats::NatsServer;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Long enough for a busy machine, short enough to wait for in a test that lets it pass.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn options(server: &NatsServer) -> NatsOptions {
    NatsOptions {
        timeout: TIMEOUT,
        ..NatsOptions::new([server.url()])
    }
}

pub(crate) async fn at(server: &NatsServer) -> Nats {
    Nats::connect(options(server))
        .await
        .expect("a connection to nats")
}

/// A client that knows nothing of Tidegate.
pub(crate) async fn stranger(server: &NatsServer) -> async_nats::Client {
    async_nats::connect(server.url())
        .await
        .expect("a connection to nats")
}

pub(crate) fn room() -> Channel {
    Channel::parse("chat:room").expect("a channel")
}

pub(crate) const ROOM_SUBJECT: &str = "tide.pub.chat.room";

pub(crate) fn publication(data: impl Into<Bytes>) -> Publication {
    Publication {
        data: data.into(),
        ..Publication::default()
    }
}

/// Hears one channel.
pub(crate) struct Ear {
    heard: mpsc::Receiver<Publication>,
    _subscription: Subscription,
}

struct Recorder(mpsc::Sender<Publication>);

impl Listener for Recorder {
    fn deliver(&self, publication: Publication) {
        self.0
            .try_send(publication)
            .expect("an ear has room for what a test publishes");
    }
}

impl Ear {
    pub(crate) async fn open(node: &Nats, channel: &Channel) -> Self {
        Self::try_open(node, channel).await.expect("a subscription")
    }

    pub(crate) async fn try_open(node: &Nats, channel: &Channel) -> Result<Self, Error> {
        let (sender, heard) = mpsc::channel(1024);
        let listener = Arc::new(Recorder(sender));
        Ok(Self {
            _subscription: node.subscribe(channel, listener).await?,
            heard,
        })
    }

    pub(crate) async fn next(&mut self) -> Publication {
        timeout(PATIENCE, self.heard.recv())
            .await
            .expect("a publication in time")
            .expect("a subscription that lives")
    }

    /// Skips what was published before: of a publish that failed nobody knows whether it is heard.
    pub(crate) async fn hear(&mut self, data: &str) {
        while self.next().await.data != data {}
    }
}
