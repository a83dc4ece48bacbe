//! Reading: one buffer for all clients, frames taken in place.

use anyhow::Result;
use rustix::event::epoll::EventFlags;
use tidegate_websocket::{Head, Opcode};

use super::Worker;
use super::client::{Backlog, Stage};
use super::events::Intake;
use super::socket;
use crate::clock;
use crate::dialect::{Fault, Input};
use crate::handshake::Answer;
use crate::wire::Framing;

/// Bytes read at a time.
const READ: usize = 64 << 10;

/// Bytes of the longest frame, and of what may wait for the rest of one.
pub(super) const BUFFER: usize = 4 << 20;

/// What became of the bytes of a read.
enum Taken {
    /// So many were of use; the rest waits.
    Some(usize),
    /// The connection is over.
    Closed(String),
}

impl Worker {
    /// A client's socket can be read or written.
    pub(super) fn ready(&mut self, index: usize, flags: EventFlags) -> Result<()> {
        let Some(client) = self.clients.get(index) else {
            return Ok(());
        };
        if client.stage == Stage::Connecting {
            let outcomes = EventFlags::OUT | EventFlags::ERR | EventFlags::HUP;
            if flags.intersects(outcomes) {
                self.connected(index);
            }
        } else if flags.contains(EventFlags::OUT) && client.backlog.is_some() {
            self.flush(index);
        }
        if flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR)
        {
            let ends = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
            self.read(index, flags.intersects(ends));
        }
        Ok(())
    }

    /// Reads until nothing is there, as the kernel tells only of what is new. A short read shows that nothing is left,
    /// except at the end of the connection.
    fn read(&mut self, index: usize, ending: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        while self.read_once(index, &mut buffer, ending) {}
        self.buffer = buffer;
    }

    fn read_once(&mut self, index: usize, buffer: &mut [u8], ending: bool) -> bool {
        let client = &mut self.clients[index];
        let Some(socket) = &client.socket else {
            return false;
        };
        let kept = restore(&mut client.backlog, buffer);
        let room = (kept + READ).min(buffer.len());
        let count = match socket::receive(socket, &mut buffer[kept..room]) {
            Ok(Some(0)) => {
                self.lost(index, "closed by the server");
                return false;
            }
            Ok(Some(count)) => count,
            Ok(None) => {
                keep(&mut client.backlog, &buffer[..kept]);
                return false;
            }
            Err(error) => {
                self.lost(index, &format!("connection broken: {error}"));
                return false;
            }
        };
        self.tally.counters.reads += 1;
        self.tally.counters.bytes += count as u64;
        let filled = kept + count;
        match self.take(index, &buffer[..filled]) {
            Taken::Some(used) if used == 0 && filled == buffer.len() => {
                self.lost(index, "a frame that is too long");
                false
            }
            Taken::Some(used) => {
                keep(&mut self.clients[index].backlog, &buffer[used..filled]);
                ending || count == room - kept
            }
            Taken::Closed(reason) => {
                self.lost(index, &reason);
                false
            }
        }
    }

    fn take(&mut self, index: usize, bytes: &[u8]) -> Taken {
        let mut used = 0;
        if self.clients[index].stage == Stage::Upgrading {
            match self.handshakes[self.target_of(index)].answer(bytes) {
                Answer::Partial => return Taken::Some(0),
                Answer::Busy(after) => {
                    self.busy(index, after);
                    return Taken::Some(bytes.len());
                }
                Answer::Refused(reason) => return Taken::Closed(reason),
                Answer::Accepted(end) => used = end,
            }
            self.enter(index);
        }
        let taken = match self.framing {
            Framing::WebSocket => self.take_frames(index, &bytes[used..]),
            Framing::Stream => self.take_message(index, &bytes[used..]),
        };
        self.settle(index);
        match taken {
            Ok(count) => Taken::Some(used + count),
            Err(Fault(reason)) => Taken::Closed(reason),
        }
    }

    fn take_frames(&mut self, index: usize, bytes: &[u8]) -> Result<usize, Fault> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let head = Head::read(rest).map_err(|violation| Fault(violation.to_string()))?;
            let Some((head, size)) = head else {
                return Ok(used);
            };
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            let Some(payload) = rest.get(size..size.saturating_add(length)) else {
                return Ok(used);
            };
            self.take_frame(index, &head, payload)?;
            used += size + length;
        }
    }

    fn take_frame(&mut self, index: usize, head: &Head, payload: &[u8]) -> Result<(), Fault> {
        match head.opcode {
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                self.take_data(index, head.last, payload)
            }
            Opcode::Ping => {
                self.outgoing.frames(self.framing).pong(payload);
                self.flush(index);
                Ok(())
            }
            Opcode::Pong => Ok(()),
            Opcode::Close => Err(Fault(closed(payload))),
        }
    }

    /// Takes a frame of a message, which may be one of several, or hold parts of messages where they are a stream.
    fn take_data(&mut self, index: usize, last: bool, payload: &[u8]) -> Result<(), Fault> {
        let stream = self.dialect.is_stream();
        let backlog = self.clients[index].backlog.as_mut();
        let mut kept =
            backlog.map_or_else(Vec::new, |backlog| std::mem::take(&mut backlog.partial));
        let taken = if !last && !stream {
            kept.extend_from_slice(payload);
            0
        } else if kept.is_empty() {
            let taken = self.take_message(index, payload)?;
            kept.extend_from_slice(&payload[taken..]);
            taken
        } else {
            kept.extend_from_slice(payload);
            let taken = self.take_message(index, &kept)?;
            kept.drain(..taken);
            taken
        };
        if kept.len() > BUFFER || (!stream && taken > 0 && !kept.is_empty()) {
            return Err(Fault("a message without its end".into()));
        }
        if !kept.is_empty() {
            let backlog = &mut self.clients[index].backlog;
            backlog.get_or_insert_default().partial = kept;
        }
        Ok(())
    }

    fn take_message(&mut self, index: usize, message: &[u8]) -> Result<usize, Fault> {
        let mut intake = Intake {
            client: &self.clients[index],
            roster: &self.assignment.roster,
            dialect: &*self.dialect,
            sequences: &mut self.sequences,
            positions: &mut self.positions,
            tally: &mut self.tally,
            happened: &mut self.happened,
            measure: self.traffic.measure,
            now: clock::now(),
        };
        let mut frames = self.outgoing.frames(self.framing);
        let taken = self
            .dialect
            .receive(Input(message), &mut frames, &mut |event| intake.take(event))?;
        if !self.outgoing.bytes.is_empty() {
            self.flush(index);
        }
        Ok(taken)
    }
}

/// Puts what was kept to the beginning of the buffer, and says how much it is.
fn restore(backlog: &mut Option<Box<Backlog>>, buffer: &mut [u8]) -> usize {
    let Some(kept) = backlog else {
        return 0;
    };
    let count = kept.residue.len();
    buffer[..count].copy_from_slice(&kept.residue);
    kept.residue = Vec::new();
    *backlog = backlog.take().filter(|kept| !kept.is_empty());
    count
}

fn keep(backlog: &mut Option<Box<Backlog>>, rest: &[u8]) {
    if !rest.is_empty() {
        backlog.get_or_insert_default().residue = rest.to_vec();
    }
}

/// What a close frame says.
fn closed(payload: &[u8]) -> String {
    match payload.split_first_chunk() {
        Some((code, reason)) => {
            let (code, reason) = (u16::from_be_bytes(*code), String::from_utf8_lossy(reason));
            format!("closed by the server: {code} {reason}")
        }
        None => "closed by the server, without a code".into(),
    }
}
