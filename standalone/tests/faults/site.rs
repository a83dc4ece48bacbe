//! Three NATS servers and two gateways, and what is done to them.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use async_nats::{Client, ConnectOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};
use tidegate_loadtest::stamp::Stamp;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

/// Asks what is known of the stream of the namespace.
const STREAM: &str = "$JS.API.STREAM.INFO.tide_kept";

/// Asks for a message of it.
const MESSAGE: &str = "$JS.API.STREAM.MSG.GET.tide_kept";

/// Messages that are asked for at the same time.
const AT_ONCE: usize = 64;

/// How long an answer is awaited.
const ANSWER: Duration = Duration::from_secs(1);

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

    /// What the stream holds, by channel, in its order: asked of its leader, so that nothing of ours is between.
    pub(crate) async fn stored(&self, channels: u32) -> Result<Vec<Vec<u32>>> {
        let last = self.stream().await?["state"]["last_seq"].as_u64();
        let client = self.client().await?;
        let message = async |sequence: u64| {
            let request = json!({ "seq": sequence }).to_string();
            let answer = client.request(MESSAGE, request.into()).await?;
            let answer: Value = serde_json::from_slice(&answer.payload)?;
            let data = answer["message"]["data"].as_str().context("no message")?;
            let (stamp, _) = Stamp::find(&BASE64.decode(data)?).context("a message of others")?;
            anyhow::Ok(stamp)
        };
        let sequences = 1..=last.context("a stream without a state")?;
        let mut messages = stream::iter(sequences).map(message).buffered(AT_ONCE);
        let mut stored = vec![Vec::new(); channels as usize];
        while let Some(stamp) = messages.try_next().await? {
            stored[stamp.channel as usize].push(stamp.sequence);
        }
        Ok(stored)
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
        let answer = self.client().await?.request(STREAM, "".into()).await?;
        let info: Value = serde_json::from_slice(&answer.payload)?;
        ensure!(info["error"].is_null(), "{info}");
        Ok(info)
    }

    /// A connection to any of the servers.
    async fn client(&self) -> Result<Client> {
        let urls: Vec<_> = self.nats.servers.iter().map(NatsServer::url).collect();
        // Nobody answers while nobody leads.
        let options = ConnectOptions::new().request_timeout(Some(ANSWER));
        Ok(options.connect(urls).await?)
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
