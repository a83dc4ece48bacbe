//! Tells failures that will pass from those that somebody must mend.

use std::error::Error as _;
use std::io;

use async_nats::{ConnectError, ConnectErrorKind, ServerError, rustls};

/// What stands in the way of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server does not know us.
    Authentication,
    /// TLS fails.
    Tls,
    /// Nothing answers, or not as a server that is ready.
    Unreachable,
}

impl Failure {
    pub(super) fn of(error: &ConnectError) -> Self {
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Self::Authentication
            }
            ConnectErrorKind::Tls => Self::Tls,
            ConnectErrorKind::Io => Self::of_cause(error),
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::MaxReconnects => Self::Unreachable,
        }
    }

    fn of_cause(error: &ConnectError) -> Self {
        let Some(cause) = error.source() else {
            return Self::Unreachable;
        };
        if let Some(ServerError::Other(text)) = cause.downcast_ref() {
            let text = text.to_lowercase();
            let is_refusal = text.contains("authentication") && !text.contains("timeout");
            return if is_refusal {
                Self::Authentication
            } else {
                Self::Unreachable
            };
        }
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            Self::Tls
        } else {
            Self::Unreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_somebody_must_mend_is_final() {
        let io_error = |inner: rustls::Error| io::Error::new(io::ErrorKind::InvalidData, inner);
        let said = |text: &str| ServerError::Other(text.to_owned());
        let io = ConnectErrorKind::Io;
        let table = [
            (
                ConnectError::new(ConnectErrorKind::AuthorizationViolation),
                Failure::Authentication,
            ),
            (
                ConnectError::with_source(io, said("User Authentication Expired")),
                Failure::Authentication,
            ),
            (
                ConnectError::with_source(io, said("Authentication Timeout")),
                Failure::Unreachable,
            ),
            (
                ConnectError::with_source(io, said("maximum connections exceeded")),
                Failure::Unreachable,
            ),
            (
                ConnectError::with_source(io, io_error(rustls::Error::DecryptError)),
                Failure::Tls,
            ),
            (
                ConnectError::from(io::Error::from(io::ErrorKind::ConnectionRefused)),
                Failure::Unreachable,
            ),
            (
                ConnectError::new(ConnectErrorKind::Dns),
                Failure::Unreachable,
            ),
        ];
        for (error, failure) in table {
            assert_eq!(Failure::of(&error), failure, "{error}");
        }
    }
}
