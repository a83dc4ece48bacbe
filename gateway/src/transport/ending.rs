//! How a WebSocket ended: what is said to the client, to the log and to the counters.

use tidegate_codec::codes::reconnects;
use tidegate_codec::{DisconnectCode, Event, Push};
use tidegate_websocket::{Violation, write_close};

use crate::node::Node;

/// The code of an end that both sides want (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1_000;

/// Why it ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// The network, or the client without a word.
    Gone,
    /// The client closed.
    Left,
    /// The client broke RFC 6455 or a limit.
    Violation(Violation),
    /// The session ended with this code.
    Disconnect(DisconnectCode),
}

impl Ending {
    /// Counts and logs it.
    pub(super) fn tell(&self, node: &Node, (client, user): (&str, Option<&str>)) {
        match *self {
            Self::Gone => tracing::debug!(client, user, "gone"),
            Self::Left => tracing::debug!(client, user, "left"),
            Self::Violation(Violation { code, reason }) => {
                node.counters.protocol_errors.add(1);
                tracing::info!(
                    client,
                    user,
                    code,
                    reason,
                    "closed for breaking RFC 6455 or a limit"
                );
            }
            Self::Disconnect(code) => {
                node.counters.closed_by_server.add(1);
                match code {
                    // Every client of the node, and the log says already that it is stopping.
                    DisconnectCode::Shutdown => tracing::debug!(client, user, %code, "closed"),
                    _ => tracing::info!(client, user, %code, "closed"),
                }
            }
        }
    }

    /// The push that says it, where there are no close frames and there is somebody to read it.
    pub(super) fn push(&self) -> Option<Push> {
        let Self::Disconnect(code) = *self else {
            return None;
        };
        Some(Push {
            channel: String::new(),
            event: Event::Disconnect {
                code: code.code(),
                reason: code.message().to_owned(),
                reconnect: reconnects(code.code()),
            },
        })
    }

    /// Adds the close frame that says it, if there is somebody to read it.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        match *self {
            Self::Gone => {}
            Self::Left => write_close(bytes, NORMAL, ""),
            Self::Violation(Violation { code, .. }) => write_close(bytes, code, ""),
            Self::Disconnect(code) => {
                let number = u16::try_from(code.code());
                let number = number.expect("disconnect codes are WebSocket close codes");
                write_close(bytes, number, code.message());
            }
        }
    }
}
