//! One client: as few bytes as will do, as there are many.

use rustix::fd::OwnedFd;

use crate::order::{Assignment, Role};

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun, or between two connections.
    Away,
    /// The connection is being made.
    Connecting,
    /// The server is to accept the WebSocket.
    Upgrading,
    /// Replies to what was asked at first are outstanding.
    Entering,
    /// All subscriptions are there.
    Live,
    /// It does not come back.
    Gone,
}

/// One connection and its place in the plan.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) socket: Option<OwnedFd>,
    /// Its number in the roster.
    pub(super) number: u32,
    /// Where its sequences begin.
    pub(super) first_track: u32,
    pub(super) stage: Stage,
    /// Whether it stops reading.
    pub(super) slow: bool,
    /// Whether the first attempt has ended, one way or the other.
    pub(super) tried: bool,
    /// Replies that its subscriptions wait for.
    pub(super) outstanding: u16,
    /// Connections that it has begun.
    pub(super) attempts: u16,
    /// When the connection was begun.
    pub(super) began: u64,
    /// When the one before was lost; zero if none was.
    pub(super) lost: u64,
    /// What was cut off: exists no longer than it must.
    pub(super) backlog: Option<Box<Backlog>>,
}

/// Bytes that wait for more bytes or for room.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Read, but not whole.
    pub(super) residue: Vec<u8>,
    /// The beginning of a message, of frames that were whole.
    pub(super) partial: Vec<u8>,
    /// To be sent.
    pub(super) unsent: Vec<u8>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.residue.is_empty() && self.partial.is_empty() && self.unsent.is_empty()
    }
}

/// The clients of an assignment, and how many tracks they have together.
pub(super) fn all(assignment: &Assignment) -> (Vec<Client>, usize) {
    let roster = &assignment.roster;
    match assignment.role {
        Role::Publishers { connections } => {
            // Publishers stand behind the roster's clients, where nobody subscribes.
            let numbers = roster.clients()..roster.clients() + connections;
            (numbers.map(|number| client(number, 0, false)).collect(), 0)
        }
        Role::Subscribers { index, of } => {
            let mut tracks = 0;
            let numbers = (index..roster.clients()).step_by(of as usize);
            let clients = numbers.map(|number| {
                let first = tracks;
                tracks += roster.subscriptions(number);
                let slow = assignment.slow.is_some_and(|nth| is_slow(number, nth));
                client(number, first, slow)
            });
            (clients.collect(), tracks as usize)
        }
    }
}

/// Whether a client is one of those that stop reading, every `nth`.
pub(crate) fn is_slow(number: u32, nth: u32) -> bool {
    number % nth == nth / 2
}

fn client(number: u32, first_track: u32, slow: bool) -> Client {
    Client {
        socket: None,
        number,
        first_track,
        stage: Stage::Away,
        slow,
        tried: false,
        outstanding: 0,
        attempts: 0,
        began: 0,
        lost: 0,
        backlog: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_small() {
        assert!(size_of::<Client>() <= 64, "{}", size_of::<Client>());
    }
}
