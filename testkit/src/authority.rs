//! A throw-away certificate authority, and certificates that it signs.

use std::path::PathBuf;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority that nobody trusts but who is told to.
#[derive(Debug)]
pub struct Authority {
    folder: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key (ECDSA on P-256), in PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate for self-signed whose subject is its issuer.
        let name = "an authority for tests";
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("ca.pem"), issuer.pem())?;
        Ok(Self { folder, issuer })
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// The file that its certificate is in.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for a host, by name or address.
    ///
    /// # Errors
    /// When there can be no such name.
    pub fn certificate(&self, host: &str) -> Result<Certificate> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([host.to_owned()])?;
        Ok(Certificate {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }

    /// A certificate as two files beside the authority's own: those of the certificate and of its key.
    ///
    /// # Errors
    /// As for [`Authority::certificate`], or when the files cannot be written.
    pub fn certificate_files(&self, host: &str) -> Result<(PathBuf, PathBuf)> {
        let made = self.certificate(host)?;
        let (certificate, key) = (
            self.folder.path().join(format!("{host}.pem")),
            self.folder.path().join(format!("{host}-key.pem")),
        );
        std::fs::write(&certificate, made.certificate)?;
        std::fs::write(&key, made.key)?;
        Ok((certificate, key))
    }
}
