//! The history service in the same process, over the embedded backbone, on threads of its own.

use std::net::TcpListener as Socket;
use std::sync::Arc;

use tidegate_backbone::Backbone;
use tidegate_gateway::config::Config;
use tidegate_history_service::service::{Archived, Service};
use tidegate_history_service::store::embedded::Embedded;

use crate::beside::{self, Running};

/// The folder of the archive in the data directory.
const ARCHIVE: &str = "archive";

/// Starts the service if the configuration asks for it.
///
/// # Errors
/// Why it cannot start, as a sentence.
pub fn start(config: &Config, backbone: &Arc<dyn Backbone>) -> Result<Option<Running>, String> {
    let options = &config.history_service;
    let Some(folder) = config.embedded.data_dir.as_ref() else {
        return Ok(None);
    };
    if options.address.is_empty() {
        return Ok(None);
    }
    let at_fault = |error: &dyn std::fmt::Display| format!("history_service: {error}");
    let access = beside::access("history_service", &options.api_key, &options.tls)?;
    let store = Embedded::open(&folder.join(ARCHIVE)).map_err(|it| at_fault(&it))?;
    let socket = Socket::bind(&options.address)
        .map_err(|it| format!("history_service.address: {}: {it}", options.address))?;
    let archived = config.channel.sets().filter(|(_, it)| it.archive);
    let namespaces = archived.map(|(namespace, it)| Archived {
        namespace: namespace.map(str::to_owned),
        ttl: (!it.archive_ttl.is_zero()).then_some(it.archive_ttl),
    });
    let service = Service {
        store: Arc::new(store),
        backbone: Arc::clone(backbone),
        namespaces: namespaces.collect(),
        access,
        probes: None,
    };
    beside::run("tidegate-history", Some(socket), |listener, stop| async {
        let listener = listener.ok_or(std::io::ErrorKind::NotConnected)?;
        let ended = service.run(listener, stop).await;
        ended.map_err(std::io::Error::other)
    })
    .map(Some)
    .map_err(|it| at_fault(&it))
}
