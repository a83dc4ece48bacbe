//! The service as a process over NATS, from start to shutdown.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use tidegate_backbone::Backbone;
use tidegate_backbone::nats::Nats;
use tokio::net::TcpListener;

use tidegate_presence_service::roster;
use tidegate_presence_service::service::{PATIENCE, SETTLE, Service};
use tidegate_service::{Command, asked_to_end, listen_for_probes};

use crate::options::Options;

/// Runs until a signal asks for the end.
///
/// # Errors
/// What keeps it from starting, or ends it.
pub(crate) async fn run(options: Options) -> Result<()> {
    if let Some(Command::Probe(probe)) = &options.command {
        return Ok(probe.ask(options.listen, &options.access).await?);
    }
    let access = options.access.access(options.listen)?;
    let nats = Nats::observe(options.nats.options("tidegate-presence")?, []).await;
    let nats: Arc<dyn Backbone> = Arc::new(nats.context("cannot use NATS")?);
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
    let probes = listen_for_probes(options.metrics_address).await?;
    // Who started this may have asked for any port.
    let address = listener.local_addr()?;
    let random = || format!("{:016x}", rand::random::<u64>());
    let service = Service {
        backbone: Arc::clone(&nats),
        options: roster::Options {
            replica: options.replica.unwrap_or_else(random),
            partitions: options.partitions,
            settle: SETTLE,
            patience: PATIENCE,
            max_entries: options.max_entries,
            last_seen_ttl: options.last_seen_ttl,
            last_seen_max: options.last_seen_max,
        },
        access,
        probes,
    };
    let telemetry = options.telemetry.send("tidegate-presence", None)?;
    writeln!(std::io::stdout(), "listening on {address}")?;
    let ended = service.run(Some(listener), asked_to_end()).await;
    nats.shutdown().await;
    telemetry.finish().await;
    Ok(ended?)
}
