//! Why a connection is closed: one of our own reasons, or one that the application made up.

use std::fmt;
use std::sync::Arc;

use crate::DisconnectCode;

/// The longest reason in bytes that fits a close frame beside its code (RFC 6455 section 5.5).
const MAX_REASON_BYTES: usize = 123;

/// A close frame's code and reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disconnect {
    /// One of our own.
    Code(DisconnectCode),
    /// The application's.
    Application(Arc<Application>),
}

/// An application's code, from 3000 to 4999, and a reason that fits a close frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Application {
    code: u16,
    reason: Box<str>,
}

impl Disconnect {
    /// An application's own code; `None` when a close frame cannot carry it. A reason that is too long is cut.
    #[must_use]
    pub fn application(code: u32, reason: &str) -> Option<Self> {
        let code = u16::try_from(code).ok();
        let code = code.filter(|code| (3_000..5_000).contains(code))?;
        let end = reason.floor_char_boundary(MAX_REASON_BYTES);
        let reason = reason[..end].into();
        Some(Self::Application(Arc::new(Application { code, reason })))
    }

    /// The number on the wire.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Code(code) => {
                u16::try_from(code.code()).expect("disconnect codes are WebSocket close codes")
            }
            Self::Application(application) => application.code,
        }
    }

    /// The text on the wire.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Code(code) => code.message(),
            Self::Application(application) => &application.reason,
        }
    }
}

impl From<DisconnectCode> for Disconnect {
    fn from(code: DisconnectCode) -> Self {
        Self::Code(code)
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.reason())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_application_has_the_codes_that_a_close_frame_can_carry() {
        for (code, is_one) in [
            (0, false),
            (1_000, false),
            (2_999, false),
            (3_000, true),
            (4_500, true),
            (4_999, true),
            (5_000, false),
            (70_000, false),
        ] {
            let disconnect = Disconnect::application(code, "go");
            assert_eq!(disconnect.is_some(), is_one, "{code}");
            assert!(disconnect.is_none_or(|it| u32::from(it.code()) == code));
        }
    }

    #[test]
    fn a_reason_is_cut_between_characters() {
        let reason = "x".repeat(122) + "\u{20ac}";
        let disconnect = Disconnect::application(4_000, &reason).unwrap();
        assert_eq!(disconnect.reason(), "x".repeat(122));
    }
}
