//! The presence service in the same process, over the embedded backbone. It is always there: nodes tell it, and ask it, as
//! they would one over NATS. gRPC is answered where the configuration says.

use std::net::TcpListener as Socket;
use std::sync::Arc;
use std::time::Duration;

use tidegate_backbone::Backbone;
use tidegate_gateway::config::Config;
use tidegate_presence_service::roster;
use tidegate_presence_service::service::{PATIENCE, Service};

use crate::beside::{self, Running};

/// How long the one node may take to say that it lives.
const SETTLE: Duration = Duration::from_millis(50);

/// More entries than one node has.
const MAX_ENTRIES: usize = 10_000_000;

/// How long, and of how many users, it is remembered when they were last seen.
const LAST_SEEN: (Duration, usize) = (Duration::from_secs(24 * 60 * 60), 1_000_000);

/// Starts the service unless there is NATS, over which it is a program of its own.
///
/// # Errors
/// Why it cannot start, as a sentence.
pub fn start(config: &Config, backbone: &Arc<dyn Backbone>) -> Result<Option<Running>, String> {
    if !config.nats.url.is_empty() {
        return Ok(None);
    }
    let options = &config.presence_service;
    let at_fault = |error: &dyn std::fmt::Display| format!("presence_service: {error}");
    let access = beside::access("presence_service", &options.api_key, &options.tls)?;
    let socket = match options.address.is_empty() {
        true => None,
        false => Some(
            Socket::bind(&options.address)
                .map_err(|it| format!("presence_service.address: {}: {it}", options.address))?,
        ),
    };
    let service = Service {
        backbone: Arc::clone(backbone),
        options: roster::Options {
            replica: "embedded".to_owned(),
            partitions: config.presence.partitions,
            settle: SETTLE,
            patience: PATIENCE,
            max_entries: MAX_ENTRIES,
            last_seen_ttl: LAST_SEEN.0,
            last_seen_max: LAST_SEEN.1,
        },
        access,
        probes: None,
    };
    beside::run("tidegate-presence", socket, |listener, stop| async {
        let ended = service.run(listener, stop).await;
        ended.map_err(std::io::Error::other)
    })
    .map(Some)
    .map_err(|it| at_fault(&it))
}
