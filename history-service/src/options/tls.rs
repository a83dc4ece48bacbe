//! How the port of gRPC is secured.

use std::path::PathBuf;

use clap::Args;
use tidegate_history_service::grpc::TlsFiles;

/// What is said of TLS on the port of gRPC.
#[derive(Debug, Clone, Args)]
#[group(id = "tls")]
pub(crate) struct Arguments {
    /// A PEM file with the certificate of this server, and those between it and the authority; with it gRPC is answered
    /// over TLS only.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// A PEM file with its key.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// A PEM file of authorities; callers must then show a certificate that one of them has signed.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_client_ca: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.tls_certificate.clone()?,
            key: self.tls_key.clone()?,
            client_ca: self.tls_client_ca.clone(),
        })
    }
}
