//! The files that options name: read or checked once, so that a wrong one is an error before anything connects.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::ConnectError;
use super::failure::Failure;
use crate::nats::options::{Authentication, TlsOptions};
use crate::nats::wire::encoder::Proof;

/// What to say to the server about ourselves. Without `Debug`, because it is secret.
pub(super) enum Secret {
    None,
    /// A user's JWT, and the key that it was made for.
    Credentials(String, KeyPair),
    Nkey(KeyPair),
    UserPassword(String, String),
    Token(String),
}

impl Secret {
    pub(super) fn read(authentication: &Authentication) -> Result<Self, ConnectError> {
        Ok(match authentication {
            Authentication::None => Self::None,
            Authentication::Credentials(path) => credentials(path)?,
            Authentication::NkeySeedFile(path) => Self::Nkey(nkey(path)?),
            Authentication::UserPassword { user, password } => {
                Self::UserPassword(user.clone(), password.clone())
            }
            Authentication::Token(token) => Self::Token(token.clone()),
        })
    }

    /// What proves it to a server that asks with `nonce`.
    pub(super) fn proof(&self, nonce: &str) -> Result<Proof<'_>, Failure> {
        let mut proof = Proof::default();
        match self {
            Self::None => {}
            Self::Credentials(jwt, key) => {
                proof.jwt = Some(jwt);
                proof.sig = Some(sign(key, nonce)?);
            }
            Self::Nkey(key) => {
                proof.nkey = Some(key.public_key());
                proof.sig = Some(sign(key, nonce)?);
            }
            Self::UserPassword(user, password) => {
                proof.user = Some(user);
                proof.pass = Some(password);
            }
            Self::Token(token) => proof.auth_token = Some(token),
        }
        Ok(proof)
    }
}

fn sign(key: &KeyPair, nonce: &str) -> Result<String, Failure> {
    let signature = key.sign(nonce.as_bytes());
    signature
        .map(|signature| URL_SAFE_NO_PAD.encode(signature))
        .map_err(|error| Failure::Authentication(error.to_string()))
}

fn credentials(path: &Path) -> Result<Secret, ConnectError> {
    let file = File {
        purpose: "nats credentials file",
        path,
    };
    let text = file.read()?;
    let parts = marked(&text, "NATS USER JWT").zip(marked(&text, "USER NKEY SEED"));
    let secret = parts.and_then(|(jwt, seed)| {
        let key = KeyPair::from_seed(seed).ok()?;
        Some(Secret::Credentials(jwt.to_owned(), key))
    });
    secret
        .ok_or_else(|| file.error("it should hold a user's jwt and nkey seed between their marks"))
}

/// The line below `-----BEGIN <what>-----`, whatever its dashes.
fn marked<'a>(text: &'a str, what: &str) -> Option<&'a str> {
    let mark = format!("-BEGIN {what}-");
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.contains(&mark))?;
    let line = lines.find(|line| !line.is_empty())?;
    Some(line).filter(|line| !line.starts_with("--"))
}

fn nkey(path: &Path) -> Result<KeyPair, ConnectError> {
    let file = File {
        purpose: "nkey seed file",
        path,
    };
    let seed = file.read()?;
    KeyPair::from_seed(seed.trim())
        .map_err(|_| file.error("it should hold one nkey seed and nothing else"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stand_below_their_marks() {
        let text = "-----BEGIN NATS USER JWT-----\r\n\n e30.e30.x- \n------END NATS USER JWT------\n\
            -----BEGIN USER NKEY SEED-----\n------END USER NKEY SEED------\n";
        assert_eq!(marked(text, "NATS USER JWT"), Some("e30.e30.x-"));
        assert_eq!(marked(text, "USER NKEY SEED"), None);
        assert_eq!(marked(text, "ELSE"), None);
    }
}
