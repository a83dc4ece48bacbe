//! TLS towards a server. The files are read at each connection, so that a renewed certificate is used from then on.

use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::failure::Failure;
use crate::nats::options::TlsOptions;

/// Speaks TLS on a socket, with the server that proves to be `host`.
pub(super) async fn secure(
    socket: TcpStream,
    host: &str,
    options: &TlsOptions,
) -> Result<TlsStream<TcpStream>, Failure> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|error| Failure::Tls(error.to_string()))?;
    let options = options.clone();
    let config = tokio::task::spawn_blocking(move || config(&options))
        .await
        .map_err(|error| Failure::Tls(error.to_string()))??;
    let connector = TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, socket).await?)
}

fn config(options: &TlsOptions) -> Result<ClientConfig, Failure> {
    let failure = |error: &dyn std::error::Error| Failure::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failure(&error))?
        .with_root_certificates(roots(options.ca_file.as_deref())?);
    let Some(client) = &options.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(&client.certificate_file)?;
    let key = PrivateKeyDer::from_pem_file(&client.key_file).map_err(|error| failure(&error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| failure(&error))
}

/// The authorities of the file, or the system's.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let Some(ca_file) = ca_file else {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a certificate authority of the system cannot be used");
        }
        roots.add_parsable_certificates(found.certs);
        return Ok(roots);
    };
    for certificate in certificates(ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| Failure::Tls(error.to_string()))?;
    }
    Ok(roots)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| Failure::Tls(format!("{}: {error}", file.display())))
}
