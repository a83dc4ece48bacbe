//! How a service reaches NATS, as its command line says.

use std::io;
use std::path::PathBuf;

use clap::Args;
use tidegate_backbone::DEFAULT_PREFIX;
use tidegate_backbone::nats::{Authentication, ClientCertificate, NatsOptions};

/// What is said of NATS.
#[derive(Debug, Clone, Args)]
pub struct NatsArguments {
    /// A NATS server; may be given several times, for servers of one cluster.
    #[arg(
        long = "nats",
        value_name = "URL",
        default_value = "nats://127.0.0.1:4222"
    )]
    urls: Vec<String>,

    /// The prefix of subjects: `nats.prefix` of the gateways.
    #[arg(long, value_name = "PREFIX", default_value = DEFAULT_PREFIX)]
    nats_prefix: String,

    /// A credentials file for NATS.
    #[arg(long, value_name = "FILE")]
    nats_credentials: Option<PathBuf>,

    /// A user of NATS, whose password is in `--nats-password-file`.
    #[arg(
        long,
        value_name = "NAME",
        requires = "nats_password_file",
        conflicts_with = "nats_credentials"
    )]
    nats_user: Option<String>,

    /// A file with the password of `--nats-user`.
    #[arg(long, value_name = "FILE", requires = "nats_user")]
    nats_password_file: Option<PathBuf>,

    /// A PEM file of certificate authorities for NATS, trusted instead of the system's.
    #[arg(long, value_name = "FILE")]
    nats_ca: Option<PathBuf>,

    /// A PEM file with the certificate that NATS is shown, for servers that ask for one.
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    nats_certificate: Option<PathBuf>,

    /// A PEM file with its key.
    #[arg(long, value_name = "FILE", requires = "nats_certificate")]
    nats_key: Option<PathBuf>,
}

/// The password's file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the password in {}", path.display())]
pub struct PasswordError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl NatsArguments {
    /// How to reach NATS, for a connection of this name.
    ///
    /// # Errors
    /// [`PasswordError`]. The other files are for the connection to read.
    pub fn options(&self, name: &str) -> Result<NatsOptions, PasswordError> {
        let mut nats = NatsOptions::new(&self.urls);
        nats.prefix.clone_from(&self.nats_prefix);
        name.clone_into(&mut nats.name);
        nats.tls.ca_file.clone_from(&self.nats_ca);
        nats.tls.client = self.client_certificate();
        if let Some(path) = &self.nats_credentials {
            nats.authentication = Authentication::Credentials(path.clone());
        }
        if let (Some(user), Some(path)) = (&self.nats_user, &self.nats_password_file) {
            let password = std::fs::read_to_string(path).map_err(|source| PasswordError {
                path: path.clone(),
                source,
            })?;
            nats.authentication = Authentication::UserPassword {
                user: user.clone(),
                password: password.trim_end_matches(['\r', '\n']).to_owned(),
            };
        }
        Ok(nats)
    }

    fn client_certificate(&self) -> Option<ClientCertificate> {
        Some(ClientCertificate {
            certificate_file: self.nats_certificate.clone()?,
            key_file: self.nats_key.clone()?,
        })
    }
}
