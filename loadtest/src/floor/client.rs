//! A client's socket: commands come out of it, frames go in.

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpStream;

use tidegate_websocket::{Decoder, Event, Limits, Message, Role};

use super::Command;
use crate::handshake;

const LIMITS: Limits = Limits {
    message: 1 << 20,
    fragments: 1,
};

#[derive(Debug)]
pub(super) struct Client {
    socket: TcpStream,
    /// `None` until it has asked for an upgrade.
    decoder: Option<Decoder>,
    /// What the socket did not take.
    waiting: Vec<u8>,
}

impl Client {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            decoder: None,
            waiting: Vec::new(),
        }
    }

    /// Reads once; tells whether there may be more.
    ///
    /// # Errors
    /// When the connection is over.
    pub(super) fn read(
        &mut self,
        scratch: &mut [u8],
        commands: &mut Vec<Command>,
    ) -> io::Result<bool> {
        let count = match self.socket.read(scratch) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let mut input = &mut scratch[..count];
        let Some(decoder) = &mut self.decoder else {
            // On loopback a request comes as a whole, and nothing follows before its answer.
            let answer = handshake::accept(input).ok_or(ErrorKind::InvalidData)?;
            self.decoder = Some(Decoder::new(Role::Server));
            self.send(answer.as_bytes())?;
            return Ok(true);
        };
        loop {
            let event = decoder.next(&mut input, &LIMITS, None);
            match event.map_err(|_| ErrorKind::InvalidData)? {
                Some(Event::Message(Message::Text(text))) => {
                    commands.push(serde_json::from_slice(&text)?);
                }
                Some(Event::Close(_)) => return Err(ErrorKind::UnexpectedEof.into()),
                Some(_) => {}
                None => return Ok(true),
            }
        }
    }

    /// Sends frames, behind what waits.
    ///
    /// # Errors
    /// When the connection is over.
    pub(super) fn send(&mut self, frames: &[u8]) -> io::Result<()> {
        if !self.waiting.is_empty() {
            self.waiting.extend_from_slice(frames);
            return Ok(());
        }
        let sent = self.write(frames)?;
        self.waiting.extend_from_slice(&frames[sent..]);
        Ok(())
    }

    /// Sends what waits, as far as there is room.
    ///
    /// # Errors
    /// When the connection is over.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = mem::take(&mut self.waiting);
        self.send(&waiting)
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        match self.socket.write(frames) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            other => other,
        }
    }
}
