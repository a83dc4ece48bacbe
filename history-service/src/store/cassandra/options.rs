//! What an operator says of the cluster.

use std::path::PathBuf;
use std::time::Duration;

/// Sequences of a stream that share a partition, when an operator says nothing else.
pub const DEFAULT_BUCKET: u64 = 100_000;

/// How much longer than their time rows stay, when an operator says nothing else.
pub const DEFAULT_MARGIN: Duration = Duration::from_secs(7 * 86_400);

/// How many replicas answer before something counts as written or read. Reads always meet writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Most replicas of this data centre.
    #[default]
    LocalQuorum,
    /// Most replicas of all data centres.
    Quorum,
}

/// A user of the cluster.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// Whether connections are encrypted, and whom they trust.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tls {
    /// They are not.
    #[default]
    Off,
    /// A node's certificate, made out to its IP address, is signed by an authority of this PEM file.
    Authorities(PathBuf),
}

/// A cluster, and how it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `host:port` of some nodes; the others are found through them.
    pub nodes: Vec<String>,
    /// A keyspace that exists.
    pub keyspace: String,
    /// Where the cluster asks for them.
    pub credentials: Option<Credentials>,
    /// Encryption.
    pub tls: Tls,
    /// What reads and writes wait for.
    pub consistency: Consistency,
    /// The data centre whose nodes are asked; `None` for any.
    pub datacenter: Option<String>,
    /// Sequences of a stream that share a partition, at least 2. A stream keeps the one that it began with.
    pub bucket: u64,
    /// How long namespaces are archived; their rows are written to expire some time later.
    pub ttls: Vec<(Option<String>, Duration)>,
    /// How much later. A namespace has to be trimmed in this time.
    pub margin: Duration,
}

impl Options {
    /// A cluster that is used as usual.
    #[must_use]
    pub fn new(nodes: Vec<String>, keyspace: &str) -> Self {
        Self {
            nodes,
            keyspace: keyspace.to_owned(),
            credentials: None,
            tls: Tls::default(),
            consistency: Consistency::default(),
            datacenter: None,
            bucket: DEFAULT_BUCKET,
            ttls: Vec::new(),
            margin: DEFAULT_MARGIN,
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
