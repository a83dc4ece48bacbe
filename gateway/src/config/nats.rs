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
        /// backbone. Never with credentials, and kept out of logs in case it has them.
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
        /// Monitoring ports of the servers, such as `http://host:8222`, which tell whether they sync before they confirm: a
        /// stream is `synced` when all that have a copy say so.
        pub monitoring_urls: Vec<String>,
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
        /// Path of a PEM file of certificate authorities, trusted instead of the system's.
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
            monitoring_urls: self.monitoring_urls.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(change: impl FnOnce(&mut NatsConfig)) -> NatsOptions {
        let mut config = NatsConfig {
            url: "nats://one:4222, tls://two:4222".into(),
            ..NatsConfig::default()
        };
        change(&mut config);
        config.options()
    }

    #[test]
    fn every_option_reaches_the_backbone() {
        let options = options(|config| {
            config.prefix = "other".into();
            config.timeout = Duration::from_millis(700);
            config.monitoring_urls = vec!["http://one:8222".into()];
            config.tls.enabled = true;
            config.tls.server_ca_pem_file = Some("ca.pem".into());
            config.tls.cert_pem_file = Some("cert.pem".into());
            config.tls.key_pem_file = Some("key.pem".into());
        });
        assert_eq!(options.urls, ["nats://one:4222", "tls://two:4222"]);
        assert_eq!(
            (options.prefix.as_str(), options.timeout),
            ("other", Duration::from_millis(700))
        );
        assert_eq!(options.monitoring_urls, ["http://one:8222"]);
        assert_eq!(options.tls.mode, TlsMode::Required);
        assert_eq!(options.tls.ca_file, Some("ca.pem".into()));
        let client = options.tls.client.unwrap();
        assert_eq!(client.certificate_file, PathBuf::from("cert.pem"));
        assert_eq!(client.key_file, PathBuf::from("key.pem"));
    }

    #[test]
    fn each_way_to_authenticate_is_passed_on() {
        let of = |change: fn(&mut NatsConfig)| options(change).authentication;
        assert!(matches!(of(|_| {}), Authentication::None));
        assert!(
            matches!(of(|it| it.token = "t".into()), Authentication::Token(token) if token == "t")
        );
        let file = of(|it| it.credentials = Some("a.creds".into()));
        assert!(matches!(file, Authentication::Credentials(path) if path.as_os_str() == "a.creds"));
        let file = of(|it| it.nkey_seed_file = Some("a.nk".into()));
        assert!(matches!(file, Authentication::NkeySeedFile(path) if path.as_os_str() == "a.nk"));
        let user = of(|it| {
            it.user = "u".into();
            it.password = "p".into();
        });
        assert!(
            matches!(user, Authentication::UserPassword { user, password } if user == "u" && password == "p")
        );
    }
}
