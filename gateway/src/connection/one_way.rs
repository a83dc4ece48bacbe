//! What a client is told that cannot be replied to: that it is connected by a push, and that it is not by the end of the
//! connection.

use tidegate_codec::{DisconnectCode, ErrorCode, Event, Failure, Push, Success};

use super::Connection;

impl Connection {
    /// Tells the outcome of the only command there is, the connect.
    pub(super) fn tell_outcome(&mut self, outcome: Result<Success, Failure>) {
        match outcome {
            Ok(Success::Connect(result)) => self.send_push(&Push {
                channel: String::new(),
                event: Event::Connect(result),
            }),
            Ok(_) => {}
            Err(failure) => self.close(disconnect_of(failure.code)),
        }
    }
}

/// The end of a connection that says what an error would.
fn disconnect_of(error: u32) -> DisconnectCode {
    const CODES: [(ErrorCode, DisconnectCode); 4] = [
        (ErrorCode::TokenExpired, DisconnectCode::ConnectionExpired),
        (ErrorCode::Expired, DisconnectCode::ConnectionExpired),
        (ErrorCode::TooManyRequests, DisconnectCode::TooManyRequests),
        (
            ErrorCode::PermissionDenied,
            DisconnectCode::PermissionDenied,
        ),
    ];
    let known = CODES.iter().find(|(code, _)| code.code() == error);
    known.map_or(DisconnectCode::InternalServerError, |(_, code)| *code)
}
