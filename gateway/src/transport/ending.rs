//! How a WebSocket ended: what is said to the client, to the log and to the counters.

use tidegate_codec::codes::reconnects;
use tidegate_codec::{Disconnect, DisconnectCode, Event, Push};
use tidegate_websocket::{Violation, write_close};

use crate::node::Node;

/// The code of an end that both sides want (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1_000;

/// Why it ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// The network, or the client without a word.
    Gone,
    /// The client closed.
    Left,
    /// The client broke RFC 6455 or a limit.
    Violation(Violation),
    /// The session ended with this.
    Disconnect(Disconnect),
}

impl Ending {
    /// Counts and logs it.
    pub(super) fn tell(&self, node: &Node, (client, user): (&str, Option<&str>)) {
        match self {
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
            Self::Disconnect(with) => {
                node.counters.closed_by_server.add(1);
                node.counters.closes.add(with.code);
                // Every client of the node, and the log says already that it is stopping.
                match *with == DisconnectCode::Shutdown.into() {
                    true => tracing::debug!(client, user, code = %with, "closed"),
                    false => tracing::info!(client, user, code = %with, "closed"),
                }
            }
        }
    }

    /// The push that says it, where there are no close frames and there is somebody to read it.
    pub(super) fn push(&self) -> Option<Push> {
        let Self::Disconnect(with) = self else {
            return None;
        };
        let code = u32::from(with.code);
        Some(Push {
            channel: String::new(),
            event: Event::Disconnect {
                code,
                reason: with.reason.to_string(),
                reconnect: reconnects(code),
            },
        })
    }

    /// Adds the close frame that says it, if there is somebody to read it.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Gone => {}
            Self::Left => write_close(bytes, NORMAL, ""),
            Self::Violation(Violation { code, .. }) => write_close(bytes, *code, ""),
            Self::Disconnect(with) => write_close(bytes, with.code, &with.reason),
        }
    }
}
