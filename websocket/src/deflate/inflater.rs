//! Inflates messages (RFC 7692 section 7.2.2), within a bound on what comes out.

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::{TAIL, Window, WindowBits};
use crate::Violation;

/// Bytes that are inflated at a time.
const CHUNK: usize = 32 * 1024;

/// Blocks of one message that say they are the last. Going on after one costs a copy of the window.
const LAST_BLOCK_LIMIT: usize = 16;

/// A last block, empty and stored. It can only be read where a block may begin, so it proves that a message is whole.
const LAST_BLOCK: [u8; 5] = [1, 0, 0, 0xff, 0xff];

const CORRUPT: Violation = Violation::invalid("message does not inflate");

/// Inflates the messages of any number of connections, one after the other.
///
/// It keeps 78 KiB from the first message on, and nothing that a connection said. A message that is being inflated grows
/// to its own size, and never beyond the limit, with 32 KiB to see what is; to grow may need half of it again for a moment.
#[derive(Debug, Default)]
pub struct Inflater {
    engine: Option<Engine>,
}

impl Inflater {
    /// One that has no memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Inflates a message as it came in its frames. The window, if context takeover was agreed on, slides over it.
    pub(crate) fn inflate(
        &mut self,
        data: &[u8],
        window: Option<&mut Window>,
        limit: usize,
    ) -> Result<Bytes, Violation> {
        // One zero byte is what an empty message becomes (section 7.2.3.6), but some send none.
        if data.is_empty() {
            return Ok(Bytes::new());
        }
        let engine = self.engine.get_or_insert_with(Engine::new);
        let past = window.as_deref().map_or(&[][..], Window::bytes);
        let message = engine.inflate(data, past, limit)?;
        if let Some(window) = window {
            window.slide(&message);
        }
        Ok(message)
    }
}

#[derive(Debug)]
struct Engine {
    stream: Decompress,
    /// What was inflated last. Its capacity does not change.
    chunk: Vec<u8>,
}

impl Engine {
    fn new() -> Self {
        Self {
            // Smaller windows are a subset, and only the largest is reset without being made anew.
            stream: Decompress::new_with_window_bits(false, WindowBits::MAX.get()),
            chunk: Vec::with_capacity(CHUNK),
        }
    }

    fn inflate(&mut self, data: &[u8], past: &[u8], limit: usize) -> Result<Bytes, Violation> {
        self.begin(past)?;
        self.chunk.clear();
        let mut message = Vec::new();
        let mut last_blocks = 0;
        let mut input = data;
        loop {
            let (status, taken) = self.step(input)?;
            input = &input[taken..];
            if self.chunk.len() > limit - message.len() {
                return Err(Violation::too_big("message is too big"));
            }
            let is_full = self.chunk.len() == self.chunk.capacity();
            if is_full {
                append(&mut message, &self.chunk, limit);
                self.chunk.clear();
            }
            if status == Status::StreamEnd {
                last_blocks += 1;
                if last_blocks > LAST_BLOCK_LIMIT {
                    return Err(CORRUPT);
                }
                let past = [past, &message, &self.chunk].concat();
                self.begin(&past[past.len().saturating_sub(WindowBits::MAX.size())..])?;
            } else if !is_full && input.is_empty() {
                break;
            } else if !is_full && taken == 0 {
                return Err(CORRUPT);
            }
        }
        self.end()?;
        if message.is_empty() {
            return Ok(Bytes::copy_from_slice(&self.chunk));
        }
        append(&mut message, &self.chunk, limit);
        Ok(Bytes::from(message))
    }

    /// Begins a stream that may refer to what is `past`.
    fn begin(&mut self, past: &[u8]) -> Result<(), Violation> {
        self.stream.reset(false);
        if !past.is_empty() {
            self.stream.set_dictionary(past).map_err(|_| CORRUPT)?;
        }
        Ok(())
    }

    /// Inflates into what the chunk has left. Gives how many bytes of the input that took.
    fn step(&mut self, input: &[u8]) -> Result<(Status, usize), Violation> {
        let before = self.stream.total_in();
        let status = self
            .stream
            .decompress_vec(input, &mut self.chunk, FlushDecompress::Sync)
            .map_err(|_| CORRUPT)?;
        let taken = self.stream.total_in() - before;
        Ok((status, taken as usize))
    }

    /// Checks that the message ended where its tail belongs: what was cut off would take the tail for data.
    fn end(&mut self) -> Result<(), Violation> {
        let before = self.chunk.len();
        let mut tail = [0; TAIL.len() + LAST_BLOCK.len()];
        tail[..TAIL.len()].copy_from_slice(&TAIL);
        tail[TAIL.len()..].copy_from_slice(&LAST_BLOCK);
        let ended = self.step(&tail)? == (Status::StreamEnd, tail.len());
        (ended && self.chunk.len() == before)
            .then_some(())
            .ok_or(CORRUPT)
    }
}

fn append(message: &mut Vec<u8>, chunk: &[u8], limit: usize) {
    if message.capacity() - message.len() < chunk.len() {
        let doubled = message.len().min(limit - message.len());
        message.reserve_exact(doubled.max(chunk.len()));
    }
    message.extend_from_slice(chunk);
}

#[cfg(test)]
mod tests;
