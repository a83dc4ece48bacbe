//! TLS of a gRPC port, from PEM files. They are read once: a new certificate is used after a restart.

use std::fs;
use std::path::{Path, PathBuf};

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and the authority.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authorities of clients; with these every client must show a certificate.
    pub client_ca: Option<PathBuf>,
}

/// What a server's TLS consists of.
#[derive(Clone)]
pub struct Tls(pub(super) ServerTlsConfig);

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file.
    #[error("{}: {source}", .path.display())]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why it cannot be read.
        source: std::io::Error,
    },
    /// What is in the files.
    #[error("certificate and key cannot be used together, or an authority not at all")]
    Unusable(#[source] tonic::transport::Error),
}

impl Tls {
    /// Reads the files, and sees whether they fit together.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let identity = Identity::from_pem(read(&files.certificate)?, read(&files.key)?);
        let mut config = ServerTlsConfig::new().identity(identity);
        if let Some(path) = &files.client_ca {
            config = config.client_ca_root(Certificate::from_pem(read(path)?));
        }
        let tried = Server::builder().tls_config(config.clone());
        tried.map_err(TlsError::Unusable)?;
        Ok(Self(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::File {
        path: path.to_owned(),
        source,
    })
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
