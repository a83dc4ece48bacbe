//! Three NATS servers and two gateways, and what is done to them.

use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::stream;

/// What the test runs against.
#[derive(Debug)]
pub(crate) struct Site {
    nats: NatsCluster,
    gateways: Vec<Gateway>,
}

impl Site {
    /// All of it, once both gateways are ready and every server has the stream.
    pub(crate) async fn start() -> Result<Self> {
        let nats = NatsCluster::start_with("jetstream: enabled\n").await?;
        let urls: Vec<_> = nats.servers.iter().map(NatsServer::url).collect();
        let mut gateways = Vec::new();
        for _ in 0..2 {
            let executable = env!("CARGO_BIN_EXE_tidegate");
            gateways.push(Gateway::start(executable, &config(), Some(&urls.join(","))).await?);
        }
        let site = Self { nats, gateways };
        for gateway in 0..site.gateways.len() {
            site.ready(gateway).await?;
        }
        site.healed().await?;
        Ok(site)
    }

    /// Where clients connect.
    pub(crate) fn gateways(&self) -> Rc<[String]> {
        let urls = self.gateways.iter().map(Gateway::websocket);
        urls.map(str::to_owned).collect()
    }

    /// Everything the gateways wrote, for failures.
    pub(crate) fn output(&self) -> String {
        let outputs = self.gateways.iter().map(Gateway::output);
        outputs.collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn kill_gateway(&mut self, gateway: usize) -> Result<()> {
        self.gateways[gateway].kill()
    }

    /// Starts a gateway again, and waits until it is ready.
    pub(crate) async fn start_gateway(&mut self, gateway: usize) -> Result<()> {
        self.gateways[gateway].restart().await?;
        self.ready(gateway).await
    }

    /// Kills the server that leads the stream, and gives its number.
    pub(crate) async fn kill_leader(&mut self) -> Result<usize> {
        let server = self.leader().await?;
        self.nats.servers[server].kill()?;
        Ok(server)
    }

    /// Kills one of the servers that do not lead the stream, and gives its number.
    pub(crate) async fn kill_follower(&mut self, choice: usize) -> Result<usize> {
        let leader = self.leader().await?;
        let server = (leader + 1 + choice % 2) % self.nats.servers.len();
        self.nats.servers[server].kill()?;
        Ok(server)
    }

    /// Starts a server again, and waits until the stream has all its copies.
    pub(crate) async fn start_server(&mut self, server: usize) -> Result<()> {
        self.nats.servers[server].restart().await?;
        self.healed().await
    }

    /// Waits until the stream has a leader, and followers that have all that it has.
    async fn healed(&self) -> Result<()> {
        until_some("the stream has all its copies", async || {
            let cluster = self.stream().await.ok()?["cluster"].take();
            cluster["leader"].as_str()?;
            let copies = cluster["replicas"].as_array()?;
            let are_current = copies.iter().all(|copy| copy["current"] == true);
            (copies.len() == 2 && are_current).then_some(())
        })
        .await
    }

    /// What the stream holds, by channel, in its order.
    pub(crate) async fn stored(&self, channels: u32) -> Result<Vec<Vec<u32>>> {
        stream::stored(&self.servers(), channels).await
    }

    async fn leader(&self) -> Result<usize> {
        let stream = self.stream().await?;
        let leader = stream["cluster"]["leader"].as_str();
        let leader = leader.context("nobody leads the stream")?;
        // The test kit names them node-1, node-2 and node-3.
        let number: usize = leader.trim_start_matches("node-").parse()?;
        Ok(number - 1)
    }

    async fn stream(&self) -> Result<Value> {
        stream::info(&self.servers()).await
    }

    fn servers(&self) -> Vec<String> {
        self.nats.servers.iter().map(NatsServer::url).collect()
    }

    async fn ready(&self, gateway: usize) -> Result<()> {
        until_some("a gateway is ready", async || {
            let (status, _) = self.gateways[gateway].get("/ready").await.ok()?;
            (status == 200).then_some(())
        })
        .await
    }
}

/// A namespace whose publications a majority of three servers has before they are confirmed.
fn config() -> Value {
    json!({
        "http_server": { "workers": 1 },
        "client": { "insecure": true },
        "channel": {
            "namespaces": [{
                "name": "kept",
                "history_size": 10_000,
                "history_ttl": "10m",
                "history_replicas": 3,
                "require_durability": "replicated",
                "allow_recovery": true,
            }],
        },
    })
}
