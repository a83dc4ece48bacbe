//! Files of TLS as Kubernetes makes them of a secret: links through one that is replaced as a whole.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tempfile::TempDir;

use crate::authority::Certificate;

/// The files of a secret.
const NAMES: [&str; 3] = ["tls.crt", "tls.key", "ca.crt"];

/// A folder with the files of a certificate, its key, and authorities.
#[derive(Debug)]
pub struct Secret(TempDir);

impl Secret {
    /// One with these contents; `ca` may be empty.
    ///
    /// # Errors
    /// When its files cannot be written.
    pub fn new(made: &Certificate, ca: &str) -> Result<Self> {
        let secret = Self(tempfile::tempdir()?);
        secret.swap("first", made, ca)?;
        for name in NAMES {
            symlink(Path::new("..data").join(name), secret.file(name))?;
        }
        Ok(secret)
    }

    /// Where the file `tls.crt`, `tls.key` or `ca.crt` is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Replaces all of its files at once, by those of a new version.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn swap(&self, version: &str, made: &Certificate, ca: &str) -> Result<()> {
        let folder = self.file(version);
        fs::create_dir(&folder)?;
        for (name, text) in NAMES.iter().zip([&*made.certificate, &made.key, ca]) {
            fs::write(folder.join(name), text)?;
        }
        symlink(version, self.file("..data_tmp"))?;
        fs::rename(self.file("..data_tmp"), self.file("..data"))?;
        Ok(())
    }
}
