//! A probe's end of TLS: whom it trusts, and what it shows.
//!
//! In: what the command line says. Out: what a handshake is done with. A probe sends nothing that is secret and does nothing
//! with the answer, so like an orchestrator's it looks at the certificate only if it is told whom to trust.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// What is said of a probe's TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct ProbeTls {
    /// Speak TLS, as is done anyway where the same command line or configuration has it for this port. Whose certificate is
    /// shown does not matter without --ca
    #[arg(long)]
    tls: bool,
    /// A PEM file of authorities, one of which must have signed the certificate that is shown; implies --tls
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name that this certificate must be for; the address that is asked if it is not given
    #[arg(long, value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
    /// A PEM file with a certificate to show, where clients must have one; implies --tls
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// A PEM file with its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

/// An option of a probe's TLS cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{option}: {reason}")]
pub struct ProbeTlsError {
    option: &'static str,
    reason: String,
}

impl ProbeTls {
    /// Whether the command line asks for TLS.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.tls || self.ca.is_some() || self.certificate.is_some()
    }

    /// What a handshake is done with, for what is spoken inside (ALPN).
    ///
    /// # Errors
    /// [`ProbeTlsError`].
    pub fn config(&self, protocol: &[u8]) -> Result<Arc<ClientConfig>, ProbeTlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for every version");
        let builder = match &self.ca {
            Some(path) => builder.with_root_certificates(authorities(path)?),
            None => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        };
        let mut config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates("--certificate", certificate)?;
                let key = PrivateKeyDer::from_pem_file(key)
                    .map_err(|error| fault("--key", key, &error))?;
                let config = builder.with_client_auth_cert(chain, key);
                config.map_err(|error| fault("--certificate", certificate, &error))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(Arc::new(config))
    }

    /// The name that the certificate must be for.
    ///
    /// # Errors
    /// [`ProbeTlsError`].
    pub fn name(&self, address: SocketAddr) -> Result<ServerName<'static>, ProbeTlsError> {
        let Some(name) = &self.server_name else {
            return Ok(ServerName::from(address.ip()));
        };
        ServerName::try_from(name.clone()).map_err(|_| ProbeTlsError {
            option: "--server-name",
            reason: format!("{name:?} is no name"),
        })
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, ProbeTlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates("--ca", path)? {
        let added = store.add(certificate);
        added.map_err(|error| fault("--ca", path, &error))?;
    }
    Ok(store)
}

fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ProbeTlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let read: Vec<_> = read.map_err(|error| fault(option, path, &error))?;
    match read.is_empty() {
        true => Err(fault(option, path, &"no certificate in PEM")),
        false => Ok(read),
    }
}

fn fault(option: &'static str, path: &Path, reason: &dyn std::fmt::Display) -> ProbeTlsError {
    let reason = format!("{}: {reason}", path.display());
    ProbeTlsError { option, reason }
}

/// Takes any certificate for whose key the server has a proof.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, schemes)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let schemes = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, schemes)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
