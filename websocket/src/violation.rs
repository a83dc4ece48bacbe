//! What a peer did wrong, and the close code that says so (RFC 6455 section 7.4.1).

/// Why a connection has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Violation {
    /// The code to close with: 1002 (protocol), 1007 (not what its type says) or 1009 (too big).
    pub code: u16,
    /// What was wrong, short enough for a close frame.
    pub reason: &'static str,
}

impl Violation {
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }

    pub(crate) const fn invalid(reason: &'static str) -> Self {
        Self { code: 1007, reason }
    }

    pub(crate) const fn too_big(reason: &'static str) -> Self {
        Self { code: 1009, reason }
    }
}

pub(crate) const NOT_UTF_8: Violation = Violation::invalid("text is not UTF-8");

pub(crate) const RESERVED_BIT: Violation = Violation::protocol("reserved bit");
