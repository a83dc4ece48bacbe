//! The files of a certificate and its key: from PEM to what a handshake needs, or to what is wrong and which option says so.

use std::fs;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{Error, InconsistentKeys};

const CERTIFICATE: &str = "cert_pem_file";
const KEY: &str = "key_pem_file";

/// Where they are.
#[derive(Debug)]
pub(super) struct Files {
    /// Of the options that name them.
    pub(super) section: &'static str,
    /// The node's certificate, then those between it and the authority.
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What the files hold. Without `Debug`, because it is secret.
#[derive(PartialEq, Eq)]
pub(super) struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    /// Reads both.
    ///
    /// # Errors
    /// One text a file that cannot be read, naming its option.
    pub(super) fn read(&self) -> Result<Pair, Vec<String>> {
        let certificate = self.read_one(CERTIFICATE, &self.certificate);
        let key = self.read_one(KEY, &self.key);
        let (certificate, key) = both(certificate, key)?;
        Ok(Pair { certificate, key })
    }

    /// Makes a pair ready for handshakes.
    ///
    /// # Errors
    /// One text a fault, each naming its option.
    pub(super) fn certified(
        &self,
        pair: &Pair,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, Vec<String>> {
        let certificates = certificates(&pair.certificate)
            .map_err(|reason| self.fault(CERTIFICATE, &self.certificate, &reason));
        let key = PrivateKeyDer::from_pem_slice(&pair.key)
            .map_err(|_| self.fault(KEY, &self.key, "holds no private key in PEM"));
        let (certificates, key) = both(certificates, key)?;
        CertifiedKey::from_der(certificates, key, provider).map_err(|error| {
            vec![match error {
                Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    self.fault(KEY, &self.key, "is not the key of the certificate")
                }
                Error::InvalidCertificate(error) => {
                    let reason = format!("holds a certificate that cannot be used: {error}");
                    self.fault(CERTIFICATE, &self.certificate, &reason)
                }
                error => self.fault(KEY, &self.key, &format!("cannot be used: {error}")),
            }]
        })
    }

    fn read_one(&self, option: &str, path: &Path) -> Result<Vec<u8>, String> {
        let read = fs::read(path);
        read.map_err(|error| self.fault(option, path, &format!("cannot be read: {error}")))
    }

    fn fault(&self, option: &str, path: &Path, reason: &str) -> String {
        format!("{}.{option}: {} {reason}", self.section, path.display())
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("is not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("holds no certificate in PEM".to_owned());
    }
    Ok(certificates)
}

/// Both, or all that is wrong.
fn both<A, B>(one: Result<A, String>, other: Result<B, String>) -> Result<(A, B), Vec<String>> {
    match (one, other) {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (one, other) => Err(one.err().into_iter().chain(other.err()).collect()),
    }
}
