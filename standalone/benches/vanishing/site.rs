//! Two gateways and two replicas of the presence service over one NATS server, as programs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tidegate_testkit::program::Program;

use crate::client::Client;

/// The gateway of this build.
const GATEWAY: &str = env!("CARGO_BIN_EXE_tidegate");

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) gateways: Vec<Gateway>,
    _replicas: Vec<Program>,
    _nats: NatsServer,
}

impl Site {
    /// Starts everything with this lease of gateways.
    pub(crate) async fn start(lease: Duration) -> Result<Self> {
        let nats = NatsServer::start().await?;
        let mut replicas = Vec::new();
        for name in ["a", "b"] {
            replicas.push(replica(&nats, name).await?);
        }
        let config = json!({
            "client": { "insecure": true },
            "presence": { "lease": format!("{}ms", lease.as_millis()), "timeout": "10s" },
            "channel": { "namespaces": [{
                "name": "seen",
                "allow_subscribe_for_client": true,
                "presence": true,
                "join_leave": true,
                "allow_presence_for_subscriber": true,
            }] },
        });
        let mut gateways = Vec::new();
        for _ in 0..2 {
            gateways.push(Gateway::start(GATEWAY, &config, Some(&nats.url())).await?);
        }
        for gateway in &gateways {
            let mut client = Client::connect(gateway.websocket()).await?;
            client.subscribe("seen:start").await?;
            client.until_answered("seen:start").await?;
        }
        Ok(Self {
            gateways,
            _replicas: replicas,
            _nats: nats,
        })
    }

    /// Where the client that watches is.
    pub(crate) fn near(&self) -> &str {
        self.gateways[0].websocket()
    }

    /// Where those are who go.
    pub(crate) fn far(&self) -> &str {
        self.gateways[1].websocket()
    }
}

async fn replica(nats: &NatsServer, name: &str) -> Result<Program> {
    let program = Path::new(GATEWAY).with_file_name("tidegate-presence");
    ensure!(
        program.exists(),
        "there is no {}: build the package tidegate-presence-service in the same profile",
        program.display()
    );
    let mut command = Command::new(program);
    command.args(["--nats", &nats.url(), "--listen", "127.0.0.1:0"]);
    command.args(["--replica", name]);
    let mut program = Program::start(command)?;
    let line = program.next_line().await?;
    line.strip_prefix("listening on ").context(line.clone())?;
    Ok(program)
}
