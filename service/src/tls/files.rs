//! The files of TLS: from PEM to what a handshake needs, or to what is wrong and which option says so.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::ClientCertVerifier;
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore};

/// A file, and the option that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFile {
    /// As whoever runs the program knows it.
    pub option: String,
    /// Where the file is.
    pub path: PathBuf,
}

/// The files of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate, then those between it and the authority.
    pub certificate: TlsFile,
    /// Its key.
    pub key: TlsFile,
    /// Authorities of clients; with these every client must show a certificate.
    pub client_ca: Option<TlsFile>,
}

/// What the files hold. Without `Debug`, because it is secret.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What the contents come to.
pub(super) struct Usable {
    pub(super) certified: CertifiedKey,
    pub(super) clients: Arc<dyn ClientCertVerifier>,
}

impl TlsFiles {
    /// Reads all of them.
    ///
    /// # Errors
    /// One text a file that cannot be read, naming its option.
    pub(super) fn read(&self) -> Result<Contents, Vec<String>> {
        let client_ca = self.client_ca.as_ref().map(TlsFile::read).transpose();
        let pair = both(self.certificate.read(), self.key.read());
        let ((certificate, key), client_ca) = all(pair, client_ca)?;
        Ok(Contents {
            certificate,
            key,
            client_ca,
        })
    }

    /// Makes them ready for handshakes.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(super) fn usable(
        &self,
        contents: &Contents,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Usable, Vec<String>> {
        let certified = self.certified(contents, provider);
        let clients = match (&self.client_ca, &contents.client_ca) {
            (Some(file), Some(pem)) => file.verifier(pem, provider),
            _ => Ok(WebPkiClientVerifier::no_client_auth()),
        };
        let (certified, clients) = all(certified, clients)?;
        Ok(Usable { certified, clients })
    }

    fn certified(
        &self,
        contents: &Contents,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, Vec<String>> {
        let certificates = self.certificate.certificates(&contents.certificate);
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|_| self.key.fault("holds no private key in PEM"));
        let (certificates, key) = both(certificates, key)?;
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| {
            vec![match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    self.key.fault("is not the key of the certificate")
                }
                Error::InvalidCertificate(error) => {
                    let reason = format!("holds a certificate that cannot be used: {error}");
                    self.certificate.fault(&reason)
                }
                error => self.key.fault(&format!("cannot be used: {error}")),
            }]
        })
    }
}

impl TlsFile {
    fn read(&self) -> Result<Vec<u8>, String> {
        fs::read(&self.path).map_err(|error| self.fault(&format!("cannot be read: {error}")))
    }

    fn certificates(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| self.fault(&format!("is not PEM: {error}")))?;
        match certificates.is_empty() {
            true => Err(self.fault("holds no certificate in PEM")),
            false => Ok(certificates),
        }
    }

    /// What knows the clients of these authorities.
    fn verifier(
        &self,
        pem: &[u8],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, String> {
        let unusable = |reason: String| self.fault(&format!("cannot be used: {reason}"));
        let mut authorities = RootCertStore::empty();
        for certificate in self.certificates(pem)? {
            let added = authorities.add(certificate);
            added.map_err(|error| unusable(error.to_string()))?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(authorities),
            Arc::clone(provider),
        );
        let verifier = verifier.build();
        verifier.map_err(|error| unusable(error.to_string()))
    }

    fn fault(&self, reason: &str) -> String {
        format!("{}: {} {reason}", self.option, self.path.display())
    }
}

/// Both, or all that is wrong.
fn both<A, B>(one: Result<A, String>, other: Result<B, String>) -> Result<(A, B), Vec<String>> {
    all(one.map_err(|fault| vec![fault]), other)
}

fn all<A, B>(
    some: Result<A, Vec<String>>,
    other: Result<B, String>,
) -> Result<(A, B), Vec<String>> {
    match (some, other) {
        (Ok(some), Ok(other)) => Ok((some, other)),
        (some, other) => {
            let faults = some.err().unwrap_or_default();
            Err(faults.into_iter().chain(other.err()).collect())
        }
    }
}
