//! `nats.*`: the connection to NATS.

use std::path::PathBuf;
use std::time::Duration;

use super::duration;
use super::schema::options;
use super::secret::Secret;

options! {
    /// How to reach NATS.
    pub struct NatsConfig {
        /// Addresses, separated by commas: `nats://host:4222`, `tls://host:4222`. Empty: the embedded
        /// backbone. Kept secret, for it may hold a password.
        pub url: Secret,
        /// First tokens of every subject of Tidegate's.
        pub prefix: String = "tide".to_owned(),
        /// Path of a credentials file (JWT and NKey seed).
        pub credentials: Option<PathBuf>,
        /// Path of a file that holds an NKey seed.
        pub nkey_seed_file: Option<PathBuf>,
        /// User name; with `password`.
        pub user: String,
        /// Password of `user`.
        pub password: Secret,
        /// Token authentication.
        pub token: Secret,
        /// TLS of the connection.
        pub tls: NatsTlsConfig,
        /// Time in which NATS must confirm a publish or subscribe, or error 100.
        #[serde(with = "duration")]
        pub timeout: Duration = Duration::from_secs(2),
    }
}

options! {
    /// TLS towards NATS.
    pub struct NatsTlsConfig {
        /// Whether TLS is required.
        pub enabled: bool,
        /// Path of a PEM file of certificate authorities to trust instead of the system's.
        pub server_ca_pem_file: Option<PathBuf>,
        /// Path of the client certificate (PEM); with `key_pem_file`.
        pub cert_pem_file: Option<PathBuf>,
        /// Path of the client certificate's key (PEM).
        pub key_pem_file: Option<PathBuf>,
    }
}
