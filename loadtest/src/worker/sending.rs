//! Sending: what there is no room for in a socket waits, up to a bound.

use super::Worker;
use super::socket;

/// Bytes that may wait for room in one socket.
const UNSENT: usize = 64 << 20;

impl Worker {
    /// Sends what has been written for a client, or as much as there is room for.
    pub(super) fn flush(&mut self, index: usize) {
        let mut bytes = std::mem::take(&mut self.outgoing.bytes);
        self.send(index, &mut bytes);
        bytes.clear();
        self.outgoing.bytes = bytes;
    }

    /// Sends bytes to a client after what waits already. What there is no room for waits, too.
    pub(super) fn send(&mut self, index: usize, bytes: &mut Vec<u8>) {
        let client = &mut self.clients[index];
        let Some(socket) = &client.socket else {
            return;
        };
        let mut waiting = std::mem::take(&mut client.backlog);
        let unsent = waiting.as_mut().map(|backlog| &mut backlog.unsent);
        let unsent = match unsent {
            Some(unsent) if !unsent.is_empty() => {
                unsent.append(bytes);
                unsent
            }
            _ => bytes,
        };
        if unsent.is_empty() {
            client.backlog = waiting;
            return;
        }
        let sent = match socket::send(socket, unsent) {
            Ok(sent) => sent,
            Err(error) => return self.lost(index, &format!("connection broken: {error}")),
        };
        let rest = unsent.split_off(sent);
        if rest.len() > UNSENT {
            return self.lost(index, "the server does not read: 64 MiB wait for it");
        }
        if !rest.is_empty() || waiting.is_some() {
            waiting.get_or_insert_default().unsent = rest;
        }
        client.backlog = waiting.filter(|backlog| !backlog.is_empty());
    }
}
