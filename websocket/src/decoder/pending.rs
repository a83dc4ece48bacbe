//! What a connection's last bytes left incomplete: a head, a frame, a message, or one in the other.

use super::assembly::Assembly;
use super::pending_head::PendingHead;
use super::{Gate, control_event, take_front};
use crate::{Event, Head, Inflater, Violation, Window, mask};

/// One owner: the decoder of the connection. A state of its own would cost every quiet connection its size.
#[derive(Debug, Default)]
pub(super) struct Pending {
    head: PendingHead,
    frame: Option<Frame>,
    /// The payload so far of a control frame under way.
    control: Vec<u8>,
    message: Option<Assembly>,
    /// Kept between messages, under context takeover.
    window: Option<Window>,
}

/// A frame that was admitted.
#[derive(Debug, Clone, Copy)]
struct Frame {
    head: Head,
    length: usize,
    received: usize,
}

impl Pending {
    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.head.is_empty() && self.frame.is_none() && self.message.is_none()
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.is_idle() && self.window.is_none()
    }

    /// Bytes of payload that there is room for.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let message = self.message.as_ref().map_or(0, Assembly::held);
        self.control.capacity() + message
    }

    /// Takes frames, or pieces of them, off the input until they make an event.
    pub(super) fn take(
        &mut self,
        input: &mut &mut [u8],
        gate: &Gate<'_>,
        mut inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event>, Violation> {
        while !input.is_empty() {
            let Some(frame) = self.frame(input, gate)? else {
                return Ok(None);
            };
            let event = self.payload(frame, input, gate, inflater.as_deref_mut())?;
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    /// The frame under way, or the one that begins now.
    fn frame(
        &mut self,
        input: &mut &mut [u8],
        gate: &Gate<'_>,
    ) -> Result<Option<Frame>, Violation> {
        if self.frame.is_some() {
            return Ok(self.frame);
        }
        let Some(head) = self.head.take(input)? else {
            return Ok(None);
        };
        let length = gate.admit(&head, self.message.as_ref())?;
        if !head.opcode.is_control() {
            let message = self.message.get_or_insert_with(|| Assembly::begin(&head));
            message.count();
        }
        self.frame = Some(Frame {
            head,
            length,
            received: 0,
        });
        Ok(self.frame)
    }

    /// Takes what is there of a frame's payload.
    fn payload(
        &mut self,
        frame: Frame,
        input: &mut &mut [u8],
        gate: &Gate<'_>,
        inflater: Option<&mut Inflater>,
    ) -> Result<Option<Event>, Violation> {
        let missing = frame.length - frame.received;
        let count = input.len().min(missing);
        let payload = take_front(input, count);
        if let Some(key) = frame.head.mask {
            mask(payload, key, frame.received);
        }
        let is_whole = count == missing;
        self.frame = (!is_whole).then_some(Frame {
            received: frame.received + count,
            ..frame
        });
        match &mut self.message {
            Some(message) if !frame.head.opcode.is_control() => {
                let missing = if frame.head.last { missing } else { usize::MAX };
                message.append(payload, missing, gate.limits)?;
            }
            _ => self.control.extend_from_slice(payload),
        }
        if !is_whole {
            return Ok(None);
        }
        if frame.head.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return control_event(frame.head.opcode, &payload);
        }
        let Some(message) = self.message.take_if(|_| frame.head.last) else {
            return Ok(None);
        };
        let message = match inflater.filter(|_| message.is_compressed()) {
            Some(inflater) => message.inflate(inflater, self.window(gate), gate.limits)?,
            None => message.finish()?,
        };
        Ok(Some(Event::Message(message)))
    }

    fn window(&mut self, gate: &Gate<'_>) -> Option<&mut Window> {
        let bits = gate.context?;
        Some(self.window.get_or_insert_with(|| Window::new(bits)))
    }
}
