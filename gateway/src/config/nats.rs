//! `nats.*`: the connection to NATS.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_backbone::nats::{
    Authentication, ClientCertificate, NatsOptions, TlsMode, TlsOptions,
};

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

impl NatsConfig {
    /// How the backbone is to reach NATS. Of several ways to authenticate, which the check refuses, the first counts.
    #[must_use]
    pub fn options(&self) -> NatsOptions {
        let client = self
            .tls
            .cert_pem_file
            .clone()
            .zip(self.tls.key_pem_file.clone());
        let tls = TlsOptions {
            mode: if self.tls.enabled {
                TlsMode::Required
            } else {
                TlsMode::AsTheServerSays
            },
            ca_file: self.tls.server_ca_pem_file.clone(),
            client: client.map(|(certificate_file, key_file)| ClientCertificate {
                certificate_file,
                key_file,
            }),
        };
        NatsOptions {
            prefix: self.prefix.clone(),
            authentication: self.authentication(),
            tls,
            timeout: self.timeout,
            name: "tidegate-gateway".to_owned(),
            ..NatsOptions::new(self.url.split(',').map(str::trim))
        }
    }

    fn authentication(&self) -> Authentication {
        if let Some(file) = &self.credentials {
            return Authentication::Credentials(file.clone());
        }
        if let Some(file) = &self.nkey_seed_file {
            return Authentication::NkeySeedFile(file.clone());
        }
        if !self.user.is_empty() {
            let (user, password) = (self.user.clone(), self.password.to_string());
            return Authentication::UserPassword { user, password };
        }
        if !self.token.is_empty() {
            return Authentication::Token(self.token.to_string());
        }
        Authentication::None
    }
}
