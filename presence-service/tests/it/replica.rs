//! A replica as a program, and what it says of itself.

use std::process::Command;

use anyhow::{Context, Result};
use tidegate_proto::presence as proto;
use tidegate_proto::presence::presence_client::PresenceClient;
use tidegate_testkit::address;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::{get, metric};
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::node::PARTITIONS;

/// A running replica, and a backend that asks it.
pub(crate) struct Replica {
    pub(crate) program: Program,
    pub(crate) client: PresenceClient<Channel>,
    health: HealthClient<Channel>,
    probes: String,
}

impl Replica {
    pub(crate) async fn start(server: &NatsServer, name: &str) -> Result<Self> {
        Self::start_with(server, name, &[]).await
    }

    /// The same with these arguments, too.
    pub(crate) async fn start_with(
        server: &NatsServer,
        name: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let probes = address::free()?.to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-presence"));
        command.args([
            "--nats",
            &server.url(),
            "--listen",
            "127.0.0.1:0",
            "--replica",
            name,
            "--metrics-address",
            &probes,
        ]);
        command.args(arguments);
        let mut program = Program::start(command)?;
        let line = program.next_line().await?;
        let address = line.strip_prefix("listening on ");
        let address = address.with_context(|| format!("another line: {line}"))?;
        let endpoint = Endpoint::from_shared(format!("http://{}", address.trim()))?;
        let channel = endpoint.connect().await?;
        Ok(Self {
            program,
            client: PresenceClient::new(channel.clone()),
            health: HealthClient::new(channel),
            probes,
        })
    }

    /// The value of a metric.
    pub(crate) async fn metric(&self, name: &str) -> Result<u64> {
        let (_, page) = get(&self.probes, "/metrics").await?;
        metric(&page, name).with_context(|| format!("no {name} in\n{page}"))
    }

    /// Waits until what it says of itself is as `is_so` wants.
    pub(crate) async fn says(
        &self,
        what: &str,
        is_so: impl Fn(&proto::NodesResponse) -> bool,
    ) -> Result<()> {
        let said = async || {
            let nodes = self
                .client
                .clone()
                .nodes(proto::NodesRequest {})
                .await
                .ok()?
                .into_inner();
            is_so(&nodes).then_some(())
        };
        until_some(what, said)
            .await
            .with_context(|| self.program.output())
    }

    /// Waits until it holds everything, of which there is so much, and knows so many others.
    pub(crate) async fn is_ready_with(&self, memberships: u64, others: usize) -> Result<()> {
        let is_so = |it: &proto::NodesResponse| {
            it.ready.len() == PARTITIONS as usize
                && it.memberships == memberships
                && it.other_replicas.len() == others
        };
        self.says("the replica is ready", is_so).await
    }

    /// What it says of itself.
    pub(crate) async fn nodes(&self) -> Result<proto::NodesResponse> {
        let nodes = self.client.clone().nodes(proto::NodesRequest {}).await?;
        Ok(nodes.into_inner())
    }

    /// Whether an orchestrator would send it calls.
    pub(crate) async fn is_serving(&self) -> Result<bool> {
        let request = HealthCheckRequest {
            service: "tidegate.presence.v1.Presence".to_owned(),
        };
        let health = self.health.clone().check(request).await?.into_inner();
        Ok(health.status() == ServingStatus::Serving)
    }

    /// Waits until an orchestrator would send it calls. Gives what it says of itself then.
    pub(crate) async fn serves(&self) -> Result<proto::NodesResponse> {
        let serves = async || self.is_serving().await.ok()?.then_some(());
        until_some("the replica serves", serves)
            .await
            .with_context(|| self.program.output())?;
        self.nodes().await
    }
}
