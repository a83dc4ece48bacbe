//! How to reach NATS, as plain values.
//!
//! Secrets never appear in `Debug` output. Nothing here is checked yet: that is for `connector`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::connector::{ConnectError, parse_url};
use crate::StreamOptions;
use crate::subject::{DEFAULT_PREFIX, Subjects};

/// How to reach NATS.
#[derive(Clone)]
pub struct NatsOptions {
    /// Servers of one cluster, `nats://host:4222` or `tls://host:4222`, without credentials.
    pub urls: Vec<String>,
    /// The first tokens of every subject.
    pub prefix: String,
    /// Who we are.
    pub authentication: Authentication,
    /// TLS towards the servers.
    pub tls: TlsOptions,
    /// In which connecting, publishing, subscribing and shutting down must each be answered.
    pub timeout: Duration,
    /// Monitoring ports of the servers, `http://host:8222`, which tell whether they sync before they confirm.
    pub monitoring_urls: Vec<String>,
    /// The namespaces that are kept.
    pub streams: Vec<StreamOptions>,
    /// What the servers call this connection in their logs and monitoring.
    pub name: String,
}

/// Who we are to NATS.
#[derive(Clone, Default)]
pub enum Authentication {
    /// Nobody in particular.
    #[default]
    None,
    /// The bearer of a credentials file: a user's JWT and NKey seed.
    Credentials(PathBuf),
    /// The owner of the NKey whose seed is in this file.
    NkeySeedFile(PathBuf),
    /// A user with a password.
    UserPassword {
        /// User name.
        user: String,
        /// The user's password.
        password: String,
    },
    /// The bearer of a token.
    Token(String),
}

/// TLS towards the servers.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// When TLS is used.
    pub mode: TlsMode,
    /// A PEM file of certificate authorities, trusted instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// What we prove our own identity with.
    pub client: Option<ClientCertificate>,
}

/// When TLS is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// When the server demands it or a URL begins with `tls://`.
    #[default]
    AsTheServerSays,
    /// Always: a server without TLS is refused.
    Required,
}

/// A client certificate.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// A PEM file of the certificate and its chain.
    pub certificate_file: PathBuf,
    /// A PEM file of its private key.
    pub key_file: PathBuf,
}

impl NatsOptions {
    /// These servers, and everything else as by default.
    #[must_use]
    pub fn new(urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            urls: urls.into_iter().map(Into::into).collect(),
            prefix: DEFAULT_PREFIX.to_owned(),
            authentication: Authentication::None,
            tls: TlsOptions::default(),
            timeout: Duration::from_secs(2),
            monitoring_urls: Vec::new(),
            streams: Vec::new(),
            name: "tidegate".to_owned(),
        }
    }

    /// Checks what can be checked without a connection.
    ///
    /// # Errors
    /// [`ConnectError`] for a URL or prefix that cannot be used.
    pub fn check(&self) -> Result<(), ConnectError> {
        Subjects::new(&self.prefix)?;
        self.urls
            .iter()
            .try_for_each(|url| parse_url(url).map(|_| ()))
    }

    /// The URLs as they may be shown.
    pub(super) fn shown_urls(&self) -> String {
        let shown: Vec<_> = self
            .urls
            .iter()
            .map(|url| without_credentials(url))
            .collect();
        shown.join(", ")
    }
}

/// The URL without what stands before the `@` of its authority.
pub(super) fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url
        .split_once("://")
        .map_or(("", url), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() {
        rest.to_owned()
    } else {
        format!("{scheme}://{rest}")
    }
}

impl fmt::Debug for NatsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsOptions")
            .field("urls", &self.shown_urls())
            .field("prefix", &self.prefix)
            .field("authentication", &self.authentication)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("streams", &self.streams)
            .field("name", &self.name)
            .finish()
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Credentials(path) => f.debug_tuple("Credentials").field(path).finish(),
            Self::NkeySeedFile(path) => f.debug_tuple("NkeySeedFile").field(path).finish(),
            Self::UserPassword { user, password: _ } => f
                .debug_struct("UserPassword")
                .field("user", user)
                .finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut options = NatsOptions::new(["nats://ann:s3cret@one:4222", "s3cret@two"]);
        for authentication in [
            Authentication::UserPassword {
                user: "ann".to_owned(),
                password: "s3cret".to_owned(),
            },
            Authentication::Token("s3cret".to_owned()),
        ] {
            options.authentication = authentication;
            let shown = format!("{options:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains("nats://one:4222, two"), "{shown}");
        }
    }
}
