//! What a server shows to a client that comes over TLS.

use std::sync::Arc;

use anyhow::{Context, Result};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::authority::Certificate;

/// The certificate of a server, as DER, after a handshake in which a client trusts an authority (PEM), shows what is its own and
/// speaks a protocol (ALPN).
///
/// # Errors
/// When the handshake fails. A server of TLS 1.3 may refuse the client's certificate after that.
pub async fn shown(
    address: &str,
    trusted: &str,
    own: Option<&Certificate>,
    protocol: &str,
) -> Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes())?)?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match own {
        Some(own) => {
            let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())?;
            let chain = vec![CertificateDer::from_pem_slice(own.certificate.as_bytes())?];
            builder.with_client_auth_cert(chain, key)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let socket = TcpStream::connect(address).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost")?;
    let stream = connector.connect(name, socket).await?;
    let certificates = stream.get_ref().1.peer_certificates();
    let first = certificates.and_then(|it| it.first());
    Ok(first.context("no certificate was shown")?.to_vec())
}

/// A certificate as a server shows it.
///
/// # Errors
/// When it is none.
pub fn der(made: &Certificate) -> Result<Vec<u8>> {
    Ok(CertificateDer::from_pem_slice(made.certificate.as_bytes())?.to_vec())
}
