//! A NATS server and gateways behind a balancer, one of which is replaced after the other.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tidegate_testkit::deadline::until;
use tidegate_testkit::gateway::{Gateway, get, metric};
use tidegate_testkit::nats::NatsServer;
use tokio::time::{Instant, sleep, timeout};

use super::balancer::Balancer;
use super::plan::{Load, Style};
use super::rate::Readings;
use super::stream;

/// Between two readings of a counter.
const PAUSE: Duration = Duration::from_millis(250);

/// What the test runs against.
#[derive(Debug)]
pub(crate) struct Site {
    load: Load,
    nats: NatsServer,
    gateways: Vec<Gateway>,
    pub(crate) balancer: Rc<Balancer>,
    /// What gateways wrote that are not there any more.
    gone: String,
}

/// How a gateway was replaced.
#[derive(Debug)]
pub(crate) struct Replaced {
    /// Clients that it had.
    pub(crate) connections: u64,
    pub(crate) took: Duration,
    /// The most connects a second that one of the others saw.
    pub(crate) peak: f64,
    /// The same in the busiest second.
    pub(crate) second: f64,
}

impl Site {
    /// All of it, once the gateways are ready.
    pub(crate) async fn start(load: Load, gateways: usize) -> Result<Self> {
        let nats = NatsServer::start_with("jetstream: enabled\n").await?;
        let balancer = Balancer::new(load.probe);
        tokio::task::spawn_local({
            let balancer = Rc::clone(&balancer);
            async move { balancer.look().await }
        });
        let mut site = Self {
            load,
            nats,
            gateways: Vec::new(),
            balancer,
            gone: String::new(),
        };
        for _ in 0..gateways {
            site.start_gateway().await?;
        }
        Ok(site)
    }

    /// Starts another gateway, and waits until clients are sent there.
    pub(crate) async fn start_gateway(&mut self) -> Result<()> {
        let (executable, config) = (env!("CARGO_BIN_EXE_tidegate"), config(&self.load));
        let gateway = Gateway::start(executable, &config, Some(&self.nats.url())).await?;
        self.balancer.add(&gateway);
        until("a gateway is ready", || self.balancer.has(&gateway))
            .await
            .with_context(|| gateway.output())?;
        self.gateways.push(gateway);
        Ok(())
    }

    /// Starts a new gateway, then stops the oldest, and waits until that has ended well.
    pub(crate) async fn replace_oldest(&mut self) -> Result<Replaced> {
        self.start_gateway().await?;
        let mut oldest = self.gateways.remove(0);
        let connections = oldest.metric("tidegate_connections").await?;
        let begin = Instant::now();
        let others: Vec<_> = self.gateways.iter().map(Gateway::address).collect();
        let (ended, took, readings) = {
            let mut readings = vec![Readings::default(); others.len()];
            // Before anybody comes.
            read(&others, begin, &mut readings).await?;
            let told = begin.elapsed();
            let stopping = stop(&mut oldest, &self.balancer, self.load.style);
            tokio::pin!(stopping);
            let ended = loop {
                tokio::select! {
                    ended = &mut stopping => break ended,
                    read = read(&others, begin, &mut readings) => read?,
                }
            };
            let took = begin.elapsed() - told;
            // The last of them come when it has gone, and all of them if they are not sent away one after the other.
            while begin.elapsed() < told + took + self.load.window() {
                read(&others, begin, &mut readings).await?;
            }
            (ended, took, readings)
        };
        self.gone += &oldest.output();
        ended?;
        let busiest = |window| {
            let peaks = readings.iter().map(|it| it.peak(window));
            peaks.fold(0.0, f64::max)
        };
        Ok(Replaced {
            connections,
            took,
            peak: busiest(self.load.window()),
            second: busiest(Duration::from_secs(1)),
        })
    }

    /// How many clients each gateway has.
    pub(crate) async fn connections(&self) -> Result<Vec<u64>> {
        let mut all = Vec::new();
        for gateway in &self.gateways {
            all.push(gateway.metric("tidegate_connections").await?);
        }
        Ok(all)
    }

    /// Connections that gateways have asked to connect again.
    pub(crate) async fn given_away(&self) -> Result<u64> {
        let mut sum = 0;
        for gateway in &self.gateways {
            sum += gateway.metric("tidegate_given_away").await?;
        }
        Ok(sum)
    }

    /// What the stream holds, by channel, in its order.
    pub(crate) async fn stored(&self) -> Result<Vec<Vec<u32>>> {
        stream::stored(&[self.nats.url()], self.load.channels).await
    }

    /// Everything the gateways wrote, for failures.
    pub(crate) fn output(&self) -> String {
        let outputs = self.gateways.iter().map(Gateway::output);
        let outputs: Vec<_> = outputs.collect();
        format!("{}\n{}", self.gone, outputs.join("\n"))
    }
}

/// Asks a gateway to end, as whoever runs it does.
async fn stop(gateway: &mut Gateway, balancer: &Balancer, style: Style) -> Result<()> {
    let Style::Kubernetes { before, grace } = style else {
        gateway.stop().await?;
        balancer.remove(gateway);
        return Ok(());
    };
    // A pod that is to end is no endpoint any more, whatever its probe says.
    let begin = Instant::now();
    balancer.remove(gateway);
    sleep(before).await;
    let rest = grace.saturating_sub(begin.elapsed());
    let ended = timeout(rest, gateway.stop()).await;
    ensure!(ended.is_ok(), "it would be killed after {grace:?}");
    ended?
}

/// Reads what each of these gateways has accepted so far.
async fn read(others: &[&str], begin: Instant, readings: &mut [Readings]) -> Result<()> {
    sleep(PAUSE).await;
    for (address, readings) in others.iter().zip(readings) {
        let (_, text) = get(address, "/metrics").await?;
        let accepted = metric(&text, "tidegate_connections_accepted");
        let accepted = accepted.context("no count of connections")?;
        readings.add(begin.elapsed(), accepted);
    }
    Ok(())
}

fn config(load: &Load) -> Value {
    json!({
        "http_server": { "workers": 1 },
        "client": {
            "insecure": true,
            "rebalance": { "enabled": load.rebalances, "rate": 20, "delay": "2s" },
        },
        "prometheus": { "enabled": true },
        "shutdown": {
            "drain": format!("{}s", load.drain.as_secs()),
            "timeout": format!("{}s", load.drain.as_secs() + 10),
        },
        "channel": {
            "namespaces": [{
                "name": "kept",
                "history_size": 10_000,
                "history_ttl": "10m",
                "allow_recovery": true,
            }],
        },
    })
}
