//! Every code that a client can see: its number, text, meaning and whether to try again.
//!
//! Numbers and texts are those of Centrifugo's client protocol, so that existing SDKs react as they are written to.

use std::borrow::Cow;
use std::fmt;

/// Declares a closed set of codes with `code`, `message`, `from_code` and `ALL`.
macro_rules! codes {
    ($(#[$outer:meta])* $name:ident { $($(#[$meta:meta])* $variant:ident = $code:literal, $message:literal;)+ }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$meta])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The number on the wire.
            #[must_use]
            pub const fn code(self) -> u32 {
                match self { $(Self::$variant => $code),+ }
            }

            /// The text on the wire.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$variant => $message),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{} {}", self.code(), self.message())
            }
        }
    };
}

codes! {
    /// Errors in replies: the command failed, the connection goes on.
    ErrorCode {
        /// Something is wrong on the server's side, such as a lost NATS connection. Temporary.
        Internal = 100, "internal server error";
        /// The application's backend asks for credentials.
        Unauthorized = 101, "unauthorized";
        /// The channel's namespace is not configured.
        UnknownChannel = 102, "unknown channel";
        /// No rule permits this to this user.
        PermissionDenied = 103, "permission denied";
        /// The backend does not know this RPC method.
        MethodNotFound = 104, "method not found";
        /// The connection is subscribed to this channel already, or a subscribe is under way.
        AlreadySubscribed = 105, "already subscribed";
        /// A limit of this connection is reached, such as its number of subscriptions.
        LimitExceeded = 106, "limit exceeded";
        /// The command's fields make no sense: name too long, payload missing or in the wrong format.
        BadRequest = 107, "bad request";
        /// The namespace or the server has this feature switched off.
        NotAvailable = 108, "not available";
        /// The token's time is over: fetch another and repeat.
        TokenExpired = 109, "token expired";
        /// The credentials given by a backend are over already.
        Expired = 110, "expired";
        /// More commands per second than the limit. Temporary.
        TooManyRequests = 111, "too many requests";
        /// What was missed since the given position cannot be had any more.
        UnrecoverablePosition = 112, "unrecoverable position";
        /// Two pages of one catch-up were asked for at once. Temporary.
        ConcurrentPagination = 113, "concurrent pagination";
    }
}

impl ErrorCode {
    /// Whether the same command may succeed later without a change.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::Internal | Self::TooManyRequests | Self::ConcurrentPagination
        )
    }
}

codes! {
    /// Why the server ended a subscription. Below 2500 the client stays unsubscribed, from 2500 on it subscribes again.
    UnsubscribeCode {
        /// The application ended the subscription. Final.
        Server = 2000, "server unsubscribe";
        /// Publications were lost on the way: subscribe again and recover.
        InsufficientState = 2500, "insufficient state";
        /// The subscription's token was not refreshed in time.
        Expired = 2501, "subscription expired";
        /// Everything the client knows of this channel is void: token, position, state.
        StateInvalidated = 2502, "state invalidated";
    }
}

codes! {
    /// Why the server closed a connection: the close frame's code and reason.
    DisconnectCode {
        /// Closed for no special reason.
        ConnectionClosed = 3000, "connection closed";
        /// The node is stopping; another one will serve.
        Shutdown = 3001, "shutdown";
        /// Something is wrong on the server's side.
        InternalServerError = 3004, "internal server error";
        /// The connection's token was not refreshed in time.
        ConnectionExpired = 3005, "connection expired";
        /// A server-side subscription was not refreshed in time.
        SubscriptionExpired = 3006, "subscription expired";
        /// The client reads more slowly than its publications come in.
        Slow = 3008, "slow";
        /// Writing to the connection failed.
        WriteError = 3009, "write error";
        /// Publications of a server-side subscription were lost, or its channels changed.
        InsufficientState = 3010, "insufficient state";
        /// The application wants the client to connect anew.
        ForceReconnect = 3011, "force reconnect";
        /// The client did not answer a ping in time.
        NoPong = 3012, "no pong";
        /// The client went on after being told that it sends too much.
        TooManyRequests = 3013, "too many requests";
        /// Everything the client knows is void: drop the connection token and all state.
        StateInvalidated = 3014, "state invalidated";
        /// The token is malformed, forged, or another one than this operation needs.
        InvalidToken = 3500, "invalid token";
        /// The client broke the protocol.
        BadRequest = 3501, "bad request";
        /// The client did not authenticate in time.
        Stale = 3502, "stale";
        /// The application ended the connection.
        ForceDisconnect = 3503, "force disconnect";
        /// The user has too many connections.
        ConnectionLimit = 3504, "connection limit";
        /// The connection would have too many channels.
        ChannelLimit = 3505, "channel limit";
        /// A binary payload came where the client speaks JSON.
        InappropriateProtocol = 3506, "inappropriate protocol";
        /// The user may not connect.
        PermissionDenied = 3507, "permission denied";
        /// The server does not offer what the client asked for.
        NotAvailable = 3508, "not available";
        /// Too many of the client's commands failed.
        TooManyErrors = 3509, "too many errors";
    }
}

/// The end of a connection as its client is told: one of [`DisconnectCode`], or an application's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// The close frame's code.
    pub code: u16,
    /// Its reason, of at most 123 bytes.
    pub reason: Cow<'static, str>,
}

/// Bytes of a reason that a close frame can hold (RFC 6455 section 5.5).
pub const MAX_REASON_BYTES: usize = 123;

impl Disconnect {
    /// An application's own; `None` when no close frame can hold it, or clients would not know what to do.
    #[must_use]
    pub fn new(code: u32, reason: &str) -> Option<Self> {
        let code = u16::try_from(code).ok()?;
        let is_for_applications = (3_000..5_000).contains(&code);
        (is_for_applications && reason.len() <= MAX_REASON_BYTES).then(|| Self {
            code,
            reason: reason.to_owned().into(),
        })
    }
}

impl From<DisconnectCode> for Disconnect {
    fn from(code: DisconnectCode) -> Self {
        let number = u16::try_from(code.code());
        Self {
            code: number.expect("disconnect codes are WebSocket close codes"),
            reason: code.message().into(),
        }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

/// Whether SDKs come back by themselves after a close with `code`.
#[must_use]
pub const fn reconnects(code: u32) -> bool {
    !matches!(code, 3500..=3999 | 4500..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_decide_what_sdks_do() {
        for code in DisconnectCode::ALL {
            assert_eq!(reconnects(code.code()), code.code() < 3500, "{code}");
        }
    }

    #[test]
    fn reasons_fit_a_close_frame_and_are_not_json() {
        for code in DisconnectCode::ALL {
            assert!(code.message().len() <= MAX_REASON_BYTES, "{code}");
            assert!(
                serde_json::from_str::<serde_json::Value>(code.message()).is_err(),
                "{code}"
            );
        }
    }

    #[test]
    fn an_application_ends_connections_with_codes_that_clients_understand() {
        for (code, reason, expected) in [
            (3_000, "", true),
            (4_999, "moved", true),
            (2_999, "", false),
            (5_000, "", false),
            (70_000, "", false),
            (4_000, &*"x".repeat(MAX_REASON_BYTES), true),
            (4_000, &*"x".repeat(MAX_REASON_BYTES + 1), false),
        ] {
            assert_eq!(Disconnect::new(code, reason).is_some(), expected, "{code}");
        }
    }

    #[test]
    fn numbers_are_distinct_and_ascending() {
        assert!(ErrorCode::ALL.is_sorted_by(|a, b| a.code() < b.code()));
        assert!(UnsubscribeCode::ALL.is_sorted_by(|a, b| a.code() < b.code()));
        assert!(DisconnectCode::ALL.is_sorted_by(|a, b| a.code() < b.code()));
    }
}
