//! `nats.*`: the connection to NATS.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// How to reach NATS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsConfig {
    /// Addresses, separated by commas: `nats://host:4222`, `tls://host:4222`. Empty: the embedded backbone.
    pub url: String,
    /// First tokens of every subject of Tidegate's.
    pub prefix: String,
    /// Path of a credentials file (JWT and NKey seed).
    pub credentials: Option<PathBuf>,
    /// Path of a file that holds an NKey seed.
    pub nkey_seed_file: Option<PathBuf>,
    /// User name; with `password`.
    pub user: String,
    /// Password of `user`.
    pub password: String,
    /// Token authentication.
    pub token: String,
    /// TLS of the connection.
    pub tls: NatsTlsConfig,
    /// Time in which NATS must confirm a publish or subscribe, or error 100.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            prefix: "tide".to_owned(),
            credentials: None,
            nkey_seed_file: None,
            user: String::new(),
            password: String::new(),
            token: String::new(),
            tls: NatsTlsConfig::default(),
            timeout: Duration::from_secs(2),
        }
    }
}

/// TLS towards NATS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsTlsConfig {
    /// Whether TLS is required.
    pub enabled: bool,
    /// Path of a PEM file of certificate authorities to trust besides the system's.
    pub server_ca_pem_file: Option<PathBuf>,
    /// Path of the client certificate (PEM); with `key_pem_file`.
    pub cert_pem_file: Option<PathBuf>,
    /// Path of the client certificate's key (PEM).
    pub key_pem_file: Option<PathBuf>,
}
