//! The files that options name: read or checked once, so that a wrong one is an error before anything connects.

use std::fs;
use std::path::Path;

use async_nats::ConnectOptions;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use nkeys::KeyPair;

use super::ConnectError;
use crate::nats::options::{Authentication, TlsOptions};

/// What to say to the server about ourselves. Without `Debug`, because it is secret.
pub(super) enum Secret {
    None,
    Credentials(String),
    NkeySeed(String),
    UserPassword(String, String),
    Token(String),
}

impl Secret {
    pub(super) fn read(authentication: &Authentication) -> Result<Self, ConnectError> {
        Ok(match authentication {
            Authentication::None => Self::None,
            Authentication::Credentials(path) => Self::Credentials(credentials(path)?),
            Authentication::NkeySeedFile(path) => Self::NkeySeed(nkey_seed(path)?),
            Authentication::UserPassword { user, password } => {
                Self::UserPassword(user.clone(), password.clone())
            }
            Authentication::Token(token) => Self::Token(token.clone()),
        })
    }

    pub(super) fn apply(&self, options: ConnectOptions) -> ConnectOptions {
        match self {
            Self::None => options,
            Self::Credentials(text) => options
                .credentials(text)
                .expect("it was parsed when it was read"),
            Self::NkeySeed(seed) => options.nkey(seed.clone()),
            Self::UserPassword(user, password) => {
                options.user_and_password(user.clone(), password.clone())
            }
            Self::Token(token) => options.token(token.clone()),
        }
    }
}

fn credentials(path: &Path) -> Result<String, ConnectError> {
    let file = File {
        purpose: "nats credentials file",
        path,
    };
    let text = file.read()?;
    match ConnectOptions::new().credentials(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(file.error("it should hold a user's jwt and nkey seed between their marks")),
    }
}

fn nkey_seed(path: &Path) -> Result<String, ConnectError> {
    let file = File {
        purpose: "nkey seed file",
        path,
    };
    let seed = file.read()?.trim().to_owned();
    match KeyPair::from_seed(&seed) {
        Ok(_) => Ok(seed),
        Err(_) => Err(file.error("it should hold one nkey seed and nothing else")),
    }
}

/// Checks that the files hold what they should. TLS reads them again at each connection.
pub(super) fn check_tls(tls: &TlsOptions) -> Result<(), ConnectError> {
    if let Some(path) = &tls.ca_file {
        File {
            purpose: "ca file for nats",
            path,
        }
        .check_certificates()?;
    }
    if let Some(client) = &tls.client {
        File {
            purpose: "client certificate file for nats",
            path: &client.certificate_file,
        }
        .check_certificates()?;
        let key = File {
            purpose: "client key file for nats",
            path: &client.key_file,
        };
        PrivateKeyDer::from_pem_slice(key.read()?.as_bytes())
            .map_err(|_| key.error("it should hold a private key in PEM"))?;
    }
    Ok(())
}

struct File<'a> {
    purpose: &'static str,
    path: &'a Path,
}

impl File<'_> {
    fn read(&self) -> Result<String, ConnectError> {
        fs::read_to_string(self.path).map_err(|error| self.error(&error.to_string()))
    }

    fn check_certificates(&self) -> Result<(), ConnectError> {
        let text = self.read()?;
        let mut certificates = CertificateDer::pem_slice_iter(text.as_bytes()).peekable();
        if certificates.peek().is_none() || certificates.any(|certificate| certificate.is_err()) {
            return Err(self.error("it should hold certificates in PEM"));
        }
        Ok(())
    }

    fn error(&self, reason: &str) -> ConnectError {
        ConnectError::File {
            purpose: self.purpose,
            path: self.path.to_owned(),
            reason: reason.to_owned(),
        }
    }
}
