//! Why connecting is of no use, with what to mend. Nothing secret is in it.

use std::path::PathBuf;

use crate::subject::PrefixError;

/// Why there is no connection, where trying again would not help.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// An address cannot be used.
    #[error("nats url {url:?} cannot be used: {reason}")]
    Url {
        /// The URL, without credentials.
        url: String,
        /// What to mend.
        reason: String,
    },
    /// The prefix cannot begin a subject.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// A file cannot be used.
    #[error("{purpose} {} cannot be used: {reason}", path.display())]
    File {
        /// What the file is for.
        purpose: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server does not accept who we say we are.
    #[error(
        "nats at {urls} refused us: check the user, password, token, key or credentials ({reason})"
    )]
    Refused {
        /// The URLs, without credentials.
        urls: String,
        /// What the server said.
        reason: String,
    },
    /// There is no TLS connection to be had.
    #[error(
        "no tls connection to nats at {urls}: check that the server speaks tls, that the ca file signed its \
         certificate, that the certificate names the host, and whether the server wants a client certificate \
         ({reason})"
    )]
    Tls {
        /// The URLs, without credentials.
        urls: String,
        /// What TLS said.
        reason: String,
    },
}
