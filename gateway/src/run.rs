//! A node's life as a process: from the start to the signal that ends it.

use std::sync::Arc;

use tidegate_backbone::Backbone;
use tidegate_telemetry::{Exporting, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::config::Config;
use crate::server::{Server, StartError};
use crate::telemetry::Metrics;

/// Serves until SIGTERM or SIGINT, then stops gracefully; a second signal ends the process at once, with status 1.
/// Calls `started` once clients can connect.
///
/// # Errors
/// [`StartError`] when the node cannot start.
pub async fn run(
    config: Config,
    backbone: Arc<dyn Backbone>,
    telemetry: Option<Settings>,
    started: impl FnOnce(&Server),
) -> Result<(), StartError> {
    let mut signals = Signals::new().map_err(StartError::Signals)?;
    let server = Server::start(config, backbone)?;
    let metrics = Arc::new(Metrics(Arc::clone(server.node())));
    let exporting = telemetry.map(|it| tidegate_telemetry::start(it, Some(metrics)));
    let exporting = exporting.transpose()?;
    let (address, node) = (server.address(), server.node().id);
    tracing::info!(%address, %node, version = crate::session::VERSION, "serving");
    started(&server);
    signals.next().await;
    tokio::select! {
        () = stop(server, exporting) => Ok(()),
        () = signals.next() => {
            tracing::warn!("second signal, exiting at once");
            std::process::exit(1)
        }
    }
}

/// Stops, and sends what the node has told of itself until then.
async fn stop(server: Server, exporting: Option<Exporting>) {
    server.stop().await;
    if let Some(exporting) = exporting {
        // A panic in there is told, and nothing is left to be done.
        let _finished = spawn_blocking(|| exporting.finish()).await;
    }
}

/// The signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
