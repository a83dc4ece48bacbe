//! What a client is told that cannot be replied to: that it is connected by a push, and that it is not by the end of the
//! connection.

use tidegate_codec::{Disconnect, DisconnectCode, ErrorCode, Event, Failure, Push, Success};

use super::Connection;
use crate::config::RefusedConfig;

impl Connection {
    /// Tells the outcome of the only command there is, the connect.
    pub(super) fn tell_outcome(&mut self, outcome: Result<Success, Failure>) {
        match outcome {
            Ok(Success::Connect(result)) => self.send_push(&Push {
                channel: String::new(),
                event: Event::Connect(result),
            }),
            Ok(_) => {}
            Err(failure) => {
                let client = &self.node().config.client;
                let refused = &client.connect_code_to_unidirectional_disconnect;
                let end = end_of(failure.code, refused);
                self.close(end);
            }
        }
    }
}

/// The end of a connection whose connect was refused with an error.
fn end_of(error: u32, refused: &RefusedConfig) -> Disconnect {
    let own = refused.end_of(error);
    let own = own.and_then(|end| Disconnect::new(end.code, &end.reason));
    own.unwrap_or_else(|| usual_end_of(error).into())
}

/// The end that says what an error would.
fn usual_end_of(error: u32) -> DisconnectCode {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RefusedEnd, RefusedTransform};

    #[test]
    fn an_error_ends_a_connection_as_the_options_say_or_as_usual() {
        let transform = |code, to, reason: &str| {
            let reason = reason.to_owned();
            let to = RefusedEnd { code: to, reason };
            RefusedTransform { code, to }
        };
        let transforms = vec![
            transform(404, 4904, "not found"),
            transform(109, 4001, "log in again"),
        ];
        let mut refused = RefusedConfig {
            enabled: true,
            transforms,
        };
        for (error, enabled, expected) in [
            (404, true, "4904 not found"),
            (109, true, "4001 log in again"),
            (110, true, "3005 connection expired"),
            (403, true, "3004 internal server error"),
            (404, false, "3004 internal server error"),
            (109, false, "3005 connection expired"),
            (111, false, "3013 too many requests"),
            (103, false, "3507 permission denied"),
        ] {
            refused.enabled = enabled;
            let end = end_of(error, &refused).to_string();
            assert_eq!(end, expected, "{error} {enabled}");
        }
    }
}
