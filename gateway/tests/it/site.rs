//! A whole node in this process, on a free port of this machine, over the embedded backbone.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_gateway::config::Config;
use tidegate_gateway::server::Server;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use crate::client::Client;
use crate::command::Format;
use crate::http;
use crate::token::SECRET;

/// A running node.
pub(crate) struct Site {
    server: Server,
}

impl Site {
    /// With the usual configuration.
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// With the usual configuration, changed by `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Self {
        let mut value = config();
        change(&mut value);
        let config: Config = serde_json::from_value(value).unwrap();
        let options = config.embedded.options(config.channel.streams());
        let backbone = Embedded::open(options).unwrap();
        let server = Server::start(config, Arc::new(backbone)).unwrap();
        Self { server }
    }

    /// The same over NATS.
    pub(crate) async fn over(nats: &NatsServer, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = config();
        change(&mut value);
        let config: Config = serde_json::from_value(value).unwrap();
        let backbone = Nats::connect(NatsOptions::new([nats.url()])).await.unwrap();
        let server = Server::start(config, Arc::new(backbone)).unwrap();
        Self { server }
    }

    /// Waits until clients are to come here.
    pub(crate) async fn until_ready(&self) {
        let ready = async || {
            let answer = http::get(self.address(), "/ready").await;
            (answer.status == 200).then_some(())
        };
        until_some("the node is ready", ready).await.unwrap();
    }

    /// Stops the node, whoever is connected.
    pub(crate) async fn end(self) {
        self.server.stop().await;
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where clients come by gRPC.
    pub(crate) fn uni_grpc_address(&self) -> SocketAddr {
        self.server.uni_grpc_address().unwrap()
    }

    /// A client that is connected as `user`.
    pub(crate) async fn client(&self, format: Format, user: &str) -> Client {
        Client::connected(self.address(), format, user).await
    }

    /// A client that speaks JSON, connected as `alice`.
    pub(crate) async fn alice(&self) -> Client {
        self.client(Format::Json, "alice").await
    }

    /// The value of a metric now.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        http::metric(self.address(), name).await
    }

    /// Waits until the node is ready; gives what it says of that.
    pub(crate) async fn ready(&self) -> Value {
        let answer = until_some("the node is ready", async || {
            let answer = http::get(self.address(), "/ready").await;
            (answer.status == 200).then_some(answer.body)
        });
        serde_json::from_str(&answer.await.unwrap()).unwrap()
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        let mut last = 0;
        let reached = until_some(name, async || {
            last = self.metric(name).await;
            (last == value).then_some(())
        });
        let outcome = reached.await;
        assert!(outcome.is_ok(), "{name} is {last}, not {value}");
    }

    /// Waits until nobody is connected, asserts that nothing is left of anybody, and stops the node.
    pub(crate) async fn stop(self) {
        for gauge in ["connections", "subscriptions", "channels"] {
            self.until_metric(&format!("tidegate_{gauge}"), 0).await;
        }
        self.server.stop().await;
    }
}

/// Channels `chat:…` are open to every user. `drain` is short, for nobody is there any more at the end of a test.
pub(crate) fn config() -> Value {
    json!({
        "http_server": { "address": "127.0.0.1", "port": 0, "workers": 2 },
        "client": { "token": { "hmac_secret_key": SECRET } },
        "channel": {
            "namespaces": [
                { "name": "chat", "allow_subscribe_for_client": true, "allow_publish_for_client": true },
            ],
        },
        "shutdown": { "drain": "100ms", "timeout": "5s" },
        "prometheus": { "enabled": true },
    })
}
