//! What a server says about itself.

use serde::Deserialize;

/// The members of `INFO` that we use; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(in crate::nats) struct ServerInfo {
    /// The largest payload with headers that it takes.
    pub(in crate::nats) max_payload: usize,
    /// What we sign to prove who we are.
    pub(in crate::nats) nonce: String,
    /// It speaks TLS only.
    pub(in crate::nats) tls_required: bool,
    /// It speaks TLS to those who want it.
    pub(in crate::nats) tls_available: bool,
    /// Where other servers of its cluster are, `host:port`.
    pub(in crate::nats) connect_urls: Vec<String>,
    /// Another one each time it starts.
    pub(in crate::nats) server_id: String,
    /// The cluster that it is in, if any.
    pub(in crate::nats) cluster: String,
}

impl ServerInfo {
    /// Names the run of a server that is in no cluster.
    pub(in crate::nats) fn run(&self) -> Option<&str> {
        let is_alone = self.cluster.is_empty() && !self.server_id.is_empty();
        is_alone.then_some(&self.server_id)
    }
}
