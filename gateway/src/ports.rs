//! The ports of a node on which clients may speak TLS.

use std::sync::Arc;

use crate::config::Config;
use crate::tls::{Offer, Port, Tls};
use crate::transport::Kind;

/// TLS of each port that has it.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) http: Option<Arc<Tls>>,
    pub(crate) grpc: Option<Arc<Tls>>,
}

impl Ports {
    /// Loads certificates and keys.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn load(config: &Config) -> Result<Self, Vec<String>> {
        let timeout = config.http_server.request_timeout;
        let http = Port {
            section: "http_server.tls",
            options: &config.http_server.tls,
            timeout,
        };
        let http = Tls::load(http, offer(config));
        let grpc = Port {
            section: "uni_grpc.tls",
            options: &config.uni_grpc.tls,
            timeout,
        };
        let grpc = match config.uni_grpc.enabled {
            true => Tls::load(grpc, Offer::Http2),
            false => Ok(None),
        };
        match (http, grpc) {
            (Ok(http), Ok(grpc)) => Ok(Self {
                http: http.map(Arc::new),
                grpc: grpc.map(Arc::new),
            }),
            (http, grpc) => {
                let faults = [http.err(), grpc.err()];
                Err(faults.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Those that there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Tls>> {
        self.http.iter().chain(&self.grpc)
    }
}

/// HTTP/2 is of use to responses that do not end, and to nothing else here.
fn offer(config: &Config) -> Offer {
    match Kind::ALL.iter().any(|kind| kind.section(config).enabled) {
        true => Offer::Both,
        false => Offer::Http1,
    }
}
