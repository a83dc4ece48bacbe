//! Frames in, events out, however the bytes were split on their way.
//!
//! A frame that is there as a whole goes straight from the input to its event. Only what is incomplete is kept, in a
//! [`Pending`] that exists no longer than it must: a connection that is quiet costs the size of [`Decoder`].

mod assembly;
mod pending;
mod pending_head;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::event::Kind;
use crate::violation::RESERVED_BIT;
use crate::{Agreement, CloseReason, Event, Head, Inflater, Opcode, Violation, WindowBits, mask};
use assembly::Assembly;
use pending::Pending;

/// Who the reader is. Clients mask what they send and servers do not (RFC 6455 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads what a client sent.
    Server,
    /// Reads what a server sent.
    Client,
}

/// What a peer may ask the reader to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message, once it is inflated.
    pub message: usize,
    /// Frames that one message may come in.
    pub fragments: usize,
}

/// Reads the frames of one connection.
#[derive(Debug)]
pub struct Decoder {
    pending: Option<Box<Pending>>,
    role: Role,
    /// What compressed messages may refer to, under context takeover.
    context: Option<WindowBits>,
}

impl Decoder {
    /// A decoder at the beginning of a connection.
    pub fn new(role: Role) -> Self {
        Self {
            pending: None,
            role,
            context: None,
        }
    }

    /// A decoder at the beginning of a connection that agreed on permessage-deflate. Under context takeover it keeps 160
    /// bytes and a [window](crate::Window) from the first compressed message on.
    pub fn with_deflate(role: Role, agreement: &Agreement) -> Self {
        Self {
            context: agreement.incoming(role),
            ..Self::new(role)
        }
    }

    /// Takes one event off the front of `input`, which is unmasked in place and advanced past what was taken. `None`
    /// when the input is used up; what was incomplete is kept, and counts against the limits.
    ///
    /// An inflater is given when permessage-deflate was agreed on. Any will do.
    ///
    /// # Errors
    /// When the peer broke the protocol or a limit: told as soon as it shows, and nothing that follows has a meaning.
    pub fn next(
        &mut self,
        input: &mut &mut [u8],
        limits: &Limits,
        mut inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event>, Violation> {
        let gate = Gate {
            role: self.role,
            context: self.context,
            limits,
            compression: inflater.is_some(),
        };
        if self.is_idle() {
            if let Some(event) = take_whole(input, &gate, inflater.as_deref_mut())? {
                return Ok(Some(event));
            }
            if input.is_empty() {
                return Ok(None);
            }
        }
        let mut pending = self.pending.take().unwrap_or_default();
        let event = pending.take(input, &gate, inflater)?;
        if !pending.is_empty() {
            self.pending = Some(pending);
        }
        Ok(event)
    }

    /// Whether nothing incomplete is kept.
    pub fn is_idle(&self) -> bool {
        self.pending
            .as_ref()
            .is_none_or(|pending| pending.is_idle())
    }
}

/// What is allowed on a connection.
#[derive(Debug)]
struct Gate<'a> {
    role: Role,
    context: Option<WindowBits>,
    limits: &'a Limits,
    compression: bool,
}

impl Gate<'_> {
    /// Judges a head by what came before it, and gives the length of its payload.
    fn admit(&self, head: &Head, under_way: Option<&Assembly>) -> Result<usize, Violation> {
        match (self.role, head.mask) {
            (Role::Server, Some(_)) | (Role::Client, None) => {}
            (Role::Server, None) => return Err(Violation::protocol("frame is not masked")),
            (Role::Client, Some(_)) => return Err(Violation::protocol("frame is masked")),
        }
        if head.compressed && !self.compression {
            return Err(RESERVED_BIT);
        }
        let length = usize::try_from(head.length).unwrap_or(usize::MAX);
        if head.opcode.is_control() {
            return Ok(length);
        }
        let room = match (under_way, head.opcode) {
            (None, Opcode::Continuation) => {
                return Err(Violation::protocol("nothing to continue"));
            }
            (Some(assembly), Opcode::Continuation) => assembly.room(self.limits)?,
            (Some(_), _) => return Err(Violation::protocol("message inside of another")),
            (None, _) => assembly::room(self.limits, head.compressed, 0),
        };
        if length > room {
            return Err(Violation::too_big("message is too big"));
        }
        Ok(length)
    }
}

/// Takes a frame that is there as a whole, when it makes an event for itself. Otherwise nothing is touched.
fn take_whole(
    input: &mut &mut [u8],
    gate: &Gate<'_>,
    inflater: Option<&mut Inflater>,
) -> Result<Option<Event>, Violation> {
    let Some((head, size)) = Head::read(input)? else {
        return Ok(None);
    };
    let length = gate.admit(&head, None)?;
    let needs_window = head.compressed && gate.context.is_some();
    if !head.last || needs_window || input.len() - size < length {
        return Ok(None);
    }
    take_front(input, size);
    let payload = take_front(input, length);
    if let Some(key) = head.mask {
        mask(payload, key, 0);
    }
    let Some(kind) = Kind::of(head.opcode) else {
        return control_event(head.opcode, payload);
    };
    let data = match inflater.filter(|_| head.compressed) {
        Some(inflater) => inflater.inflate(payload, None, gate.limits.message)?,
        None => Bytes::copy_from_slice(payload),
    };
    kind.message(data)
        .map(|message| Some(Event::Message(message)))
}

/// The event that a control frame makes. `None` for a data frame.
fn control_event(opcode: Opcode, payload: &[u8]) -> Result<Option<Event>, Violation> {
    let event = match opcode {
        Opcode::Ping => Event::Ping(Bytes::copy_from_slice(payload)),
        Opcode::Pong => Event::Pong(Bytes::copy_from_slice(payload)),
        Opcode::Close => Event::Close(CloseReason::read(payload)?),
        Opcode::Continuation | Opcode::Text | Opcode::Binary => return Ok(None),
    };
    Ok(Some(event))
}

fn take_front<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(count);
    *input = rest;
    front
}
