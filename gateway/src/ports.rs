//! The ports of a node on which clients may speak TLS.

use std::sync::Arc;

use tidegate_service::TlsOptions;

use crate::config::Config;
use crate::tls::{Offer, Tls};
use crate::transport::Kind;

/// TLS of each port that has it.
#[derive(Debug, Clone)]
pub(crate) struct Ports {
    pub(crate) http: Option<Arc<Tls>>,
    pub(crate) uni_grpc: Option<Arc<Tls>>,
}

impl Ports {
    /// Loads certificates and keys.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(crate) fn load(config: &Config) -> Result<Self, Vec<String>> {
        let timeout = config.http_server.request_timeout;
        let load = |tls: Option<TlsOptions>, offer| {
            let loaded = tls.map(|options| Tls::load(options, timeout, offer));
            loaded.transpose().map(|it| it.map(Arc::new))
        };
        let http = config.http_server.tls.options("http_server.tls");
        let grpc = &config.uni_grpc;
        let uni_grpc = grpc.tls.options("uni_grpc.tls").filter(|_| grpc.enabled);
        match (load(http, offer(config)), load(uni_grpc, Offer::Http2)) {
            (Ok(http), Ok(uni_grpc)) => Ok(Self { http, uni_grpc }),
            (http, uni_grpc) => {
                let faults = [http.err(), uni_grpc.err()];
                Err(faults.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Those that there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Tls>> {
        self.http.iter().chain(&self.uni_grpc)
    }
}

/// HTTP/2 is of use to responses that do not end, and to nothing else here.
fn offer(config: &Config) -> Offer {
    match Kind::ALL.iter().any(|kind| kind.section(config).enabled) {
        true => Offer::Both,
        false => Offer::Http1,
    }
}
