//! Tells failures that will pass from those that somebody must mend.

use std::io;

use tokio_rustls::rustls;

use crate::nats::wire::WireError;

/// What stands in the way of a connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::nats) enum Failure {
    /// The server does not know us.
    #[error("{0}")]
    Authentication(String),
    /// TLS fails.
    #[error("{0}")]
    Tls(String),
    /// Nothing answers, or not as a server that is ready.
    #[error("{0}")]
    Unreachable(String),
}

impl Failure {
    /// What a server says instead of a welcome.
    pub(super) fn said(text: String) -> Self {
        let lower = text.to_lowercase();
        let is_refusal = lower.contains("authorization violation")
            || lower.contains("authentication") && !lower.contains("timeout");
        match is_refusal {
            true => Self::Authentication(text),
            false => Self::Unreachable(text),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let is_tls = error
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        match is_tls {
            true => Self::Tls(error.to_string()),
            false => Self::Unreachable(error.to_string()),
        }
    }
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::Unreachable(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_must_mend_is_final() {
        let refusal = |text: &str| Failure::Authentication(text.to_owned());
        let passing = |text: &str| Failure::Unreachable(text.to_owned());
        for (text, expected) in [
            ("Authorization Violation", refusal as fn(&str) -> Failure),
            ("User Authentication Expired", refusal),
            ("Authentication Timeout", passing),
            ("maximum connections exceeded", passing),
        ] {
            assert_eq!(Failure::said(text.to_owned()), expected(text));
        }
        let tls = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert!(matches!(Failure::from(tls), Failure::Tls(_)));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert!(matches!(Failure::from(refused), Failure::Unreachable(_)));
    }
}
