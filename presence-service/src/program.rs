//! The service as a process over NATS, from start to shutdown.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use tidegate_backbone::Backbone;
use tidegate_backbone::nats::Nats;
use tokio::net::TcpListener;

use tidegate_presence_service::grpc::ApiKey;
use tidegate_presence_service::roster;
use tidegate_presence_service::service::{PATIENCE, SETTLE, Service};
use tidegate_service::asked_to_end;

use crate::options::Options;

/// Runs until a signal asks for the end.
///
/// # Errors
/// What keeps it from starting, or ends it.
pub(crate) async fn run(options: Options) -> Result<()> {
    let key = key(&options)?;
    let nats = Nats::observe(options.nats.options("tidegate-presence")?, []).await;
    let nats: Arc<dyn Backbone> = Arc::new(nats.context("cannot use NATS")?);
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
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
        key,
    };
    let telemetry = options.telemetry.send("tidegate-presence", None)?;
    writeln!(std::io::stdout(), "listening on {address}")?;
    let ended = service.run(Some(listener), asked_to_end()).await;
    nats.shutdown().await;
    telemetry.finish().await;
    Ok(ended?)
}

fn key(options: &Options) -> Result<Option<ApiKey>> {
    let Some(path) = &options.api_key else {
        if !options.listen.ip().is_loopback() {
            bail!(
                "{} can be reached from other machines: give a key with --api-key",
                options.listen
            );
        }
        return Ok(None);
    };
    read_key(path)
        .map(Some)
        .with_context(|| format!("cannot use the key in {}", path.display()))
}

fn read_key(path: &Path) -> Result<ApiKey> {
    Ok(ApiKey::parse(std::fs::read_to_string(path)?.trim())?)
}
