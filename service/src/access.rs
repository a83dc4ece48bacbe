//! Who may call on a port of gRPC, and how; and what command lines say of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::key::{ApiKey, KeyFileError};
use crate::time::duration;
use crate::tls::{Tls, TlsError, TlsFile, TlsFiles, TlsOptions, TlsVersion};

/// What is spoken on a port of gRPC, inside of TLS.
const PROTOCOLS: &[&[u8]] = &[b"h2"];

/// Who may call, and how.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// What callers must show; `None` for nothing.
    pub key: Option<ApiKey>,
    /// TLS; `None` for plain connections.
    pub tls: Option<Arc<Tls>>,
}

/// Why an address is not opened.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// Anybody could call.
    #[error(
        "{0} can be reached from other machines: give a key with --api-key, or authorities of clients with --tls-client-ca"
    )]
    Open(SocketAddr),
    /// The key.
    #[error("cannot use the key in {}", .path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: KeyFileError,
    },
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What is said of a port of gRPC.
#[derive(Debug, Clone, Args)]
pub struct AccessArguments {
    /// A file with the API key that callers show, at least 16 visible ASCII characters.
    #[arg(long, value_name = "FILE")]
    api_key: Option<PathBuf>,

    /// A PEM file with the certificate of this server, and those between it and the authority; with it gRPC is answered
    /// over TLS only.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// A PEM file with its key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// A PEM file of authorities; callers must then show a certificate that one of them has signed.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,

    /// The oldest version of TLS that is spoken.
    #[arg(long, value_name = "VERSION", default_value = "1.2", value_parser = version())]
    tls_min_version: TlsVersion,

    /// How often these files are looked at for new contents, which new connections then use.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = duration)]
    tls_reload_interval: Duration,
}

fn version() -> impl TypedValueParser<Value = TlsVersion> {
    let names = PossibleValuesParser::new(TlsVersion::NAMES);
    names.map(|name| TlsVersion::parse(&name).expect("it is one of the names"))
}

impl Access {
    /// Access with this key over TLS as it is said, or plain.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn new(key: Option<ApiKey>, tls: Option<TlsOptions>) -> Result<Self, TlsError> {
        let tls = tls.map(|options| Tls::load(options, PROTOCOLS));
        Ok(Self {
            key,
            tls: tls.transpose()?.map(Arc::new),
        })
    }

    /// Whether there is nothing that a caller must show.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.key.is_none() && !self.tls.as_ref().is_some_and(|it| it.asks_clients())
    }
}

impl AccessArguments {
    /// Who may call on this address.
    ///
    /// # Errors
    /// [`AccessError`], for one that other machines reach also when anybody could.
    pub fn access(&self, address: SocketAddr) -> Result<Access, AccessError> {
        let access = Access::new(self.key()?, self.tls())?;
        match access.is_open() && !address.ip().is_loopback() {
            true => Err(AccessError::Open(address)),
            false => Ok(access),
        }
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls_certificate.is_some()
    }

    fn key(&self) -> Result<Option<ApiKey>, AccessError> {
        let read = |path: &PathBuf| {
            ApiKey::read(path).map_err(|source| AccessError::Key {
                path: path.clone(),
                source,
            })
        };
        self.api_key.as_ref().map(read).transpose()
    }

    fn tls(&self) -> Option<TlsOptions> {
        let file = |option: &str, path: &Option<PathBuf>| {
            Some(TlsFile {
                option: option.to_owned(),
                path: path.clone()?,
            })
        };
        Some(TlsOptions {
            files: TlsFiles {
                certificate: file("--tls-certificate", &self.tls_certificate)?,
                key: file("--tls-key", &self.tls_key)?,
                client_ca: file("--tls-client-ca", &self.tls_client_ca),
            },
            min_version: self.tls_min_version,
            reload_interval: self.tls_reload_interval,
        })
    }
}
