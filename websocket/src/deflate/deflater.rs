//! Deflates messages (RFC 7692 section 7.2.1).

use flate2::{Compress, Compression, FlushCompress};

use super::{TAIL, Window, WindowBits};

/// The smallest window of the implementation. It never refers to anything further back than its size less 262, which is
/// why it serves for 256 bytes as well.
const LEAST_BITS: u8 = 9;

const ENGINES: usize = (WindowBits::MAX.get() - LEAST_BITS + 1) as usize;

/// Deflates messages for any number of connections, one after the other.
///
/// For each number of window bits that was asked for it keeps an engine of 243 KiB and four times the window (371 KiB for
/// the largest), and nothing of what was deflated.
#[derive(Debug)]
pub struct Deflater {
    level: Compression,
    engines: [Option<Compress>; ENGINES],
}

impl Deflater {
    /// `level` is from 1 (fast) to 9 (small).
    pub fn new(level: u32) -> Self {
        Self {
            level: Compression::new(level.clamp(1, 9)),
            engines: Default::default(),
        }
    }

    /// Appends a message's deflated form, as it goes into frames, that refers to no other message. It is the same for
    /// everybody with these window bits or more, whether context takeover was agreed on or not.
    pub fn deflate(&mut self, message: &[u8], bits: WindowBits, out: &mut Vec<u8>) {
        self.run(message, bits, &[], out);
    }

    /// Appends a message's deflated form that may refer to the window, which slides over it. Only for the connection
    /// that the window belongs to, and only when every compressed message is sent like this.
    ///
    /// The window is read anew each time: that doubles the time for a message of 1 KiB with 12 bits, and takes eight times
    /// as long with 15. An engine for each connection would save that, and cost what is said above.
    pub fn deflate_in_context(&mut self, message: &[u8], window: &mut Window, out: &mut Vec<u8>) {
        self.run(message, window.bits(), window.bytes(), out);
        window.slide(message);
    }

    fn run(&mut self, message: &[u8], bits: WindowBits, past: &[u8], out: &mut Vec<u8>) {
        const NEVER: &str = "deflating fails for no input";
        let bits = bits.get().max(LEAST_BITS);
        let engine = self.engines[usize::from(bits - LEAST_BITS)]
            .get_or_insert_with(|| Compress::new_with_window_bits(self.level, false, bits));
        engine.reset();
        if !past.is_empty() {
            engine.set_dictionary(past).expect(NEVER);
        }
        let mut more = message.len() + message.len() / 8 + 64;
        let mut rest = message;
        loop {
            out.reserve(more);
            let before = engine.total_in();
            engine
                .compress_vec(rest, out, FlushCompress::Sync)
                .expect(NEVER);
            rest = &rest[(engine.total_in() - before) as usize..];
            if rest.is_empty() && out.len() < out.capacity() {
                break;
            }
            more = rest.len() + 64;
        }
        debug_assert!(out.ends_with(&TAIL));
        out.truncate(out.len() - TAIL.len());
    }
}

#[cfg(test)]
mod tests;
