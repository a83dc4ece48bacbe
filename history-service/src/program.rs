//! The service as a process over NATS, from start to shutdown.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result};
use tidegate_backbone::Backbone;
use tidegate_backbone::nats::Nats;
use tokio::net::TcpListener;

use tidegate_history_service::service::Service;
use tidegate_history_service::store::Store;
use tidegate_history_service::store::cassandra::{Cassandra, SCHEMA};
use tidegate_history_service::store::embedded::Embedded;
use tidegate_service::{Command, asked_to_end, listen_for_probes};

use crate::options::{Options, Place};

/// Runs until a signal asks for the end.
///
/// # Errors
/// What keeps it from starting, or ends it.
pub(crate) async fn run(options: Options) -> Result<()> {
    if let Some(Command::Probe(probe)) = &options.command {
        return Ok(probe.ask(options.listen, &options.access).await?);
    }
    if options.cassandra.print_cassandra_schema {
        write!(std::io::stdout(), "{SCHEMA}")?;
        return Ok(());
    }
    let access = options.access.access(options.listen)?;
    let store = store(&options).await?;
    let namespaces = options.namespaces.iter().map(|it| it.namespace.clone());
    let nats = Nats::observe(options.nats.options("tidegate-history")?, namespaces).await;
    let nats: Arc<dyn Backbone> = Arc::new(nats.context("cannot use NATS")?);
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
    let probes = listen_for_probes(options.metrics_address).await?;
    // Who started this may have asked for any port.
    let address = listener.local_addr()?;
    let service = Service {
        store,
        backbone: Arc::clone(&nats),
        namespaces: options.namespaces,
        access,
        probes,
    };
    let telemetry = options.telemetry.send("tidegate-history", None)?;
    writeln!(std::io::stdout(), "listening on {address}")?;
    let ended = service.run(listener, asked_to_end()).await;
    nats.shutdown().await;
    telemetry.finish().await;
    Ok(ended?)
}

async fn store(options: &Options) -> Result<Arc<dyn Store>> {
    Ok(match options.store {
        Place::Embedded => {
            let path = options.archive.clone();
            let opened = tokio::task::spawn_blocking(move || Embedded::open(&path)).await?;
            Arc::new(opened?)
        }
        Place::Cassandra => {
            let cluster = options.cassandra.options(&options.namespaces)?;
            Arc::new(Cassandra::open(cluster).await?)
        }
    })
}
