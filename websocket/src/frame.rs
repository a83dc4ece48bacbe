//! The head of a frame (RFC 6455 section 5.2), read and written.
//!
//! A head is judged for itself as soon as its bytes are there. What depends on the frames before it, on the role of the
//! reader or on its limits is the decoder's.

use crate::Violation;
use crate::violation::RESERVED_BIT;

/// Largest payload of a control frame (section 5.5).
pub(crate) const CONTROL_LIMIT: usize = 125;

/// Bytes of the longest head.
pub(crate) const HEAD_LIMIT: usize = 14;

/// RSV1 in the first byte.
pub(crate) const COMPRESSED: u8 = 0x40;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of the message under way.
    Continuation = 0,
    /// A text message, or the beginning of one.
    Text = 1,
    /// A binary message, or the beginning of one.
    Binary = 2,
    /// The peer says nothing more.
    Close = 8,
    /// A question whether the peer lives.
    Ping = 9,
    /// The answer.
    Pong = 10,
}

impl Opcode {
    fn read(bits: u8) -> Result<Self, Violation> {
        match bits {
            0 => Ok(Self::Continuation),
            1 => Ok(Self::Text),
            2 => Ok(Self::Binary),
            8 => Ok(Self::Close),
            9 => Ok(Self::Ping),
            10 => Ok(Self::Pong),
            _ => Err(Violation::protocol("unknown opcode")),
        }
    }

    /// Whether frames of this kind may come between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Whether this is the last frame of its message.
    pub last: bool,
    /// Whether the message is deflated (RSV1, RFC 7692 section 6): said in its first frame only.
    pub compressed: bool,
    /// What the frame is.
    pub opcode: Opcode,
    /// The key that the payload is masked with.
    pub mask: Option<[u8; 4]>,
    /// Bytes of the payload.
    pub length: u64,
}

impl Head {
    /// Reads a head and says how many bytes it has. `None` when more of them are needed.
    ///
    /// # Errors
    /// When no frame can begin like this, told from as few bytes as show it.
    pub fn read(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let Some(&first) = bytes.first() else {
            return Ok(None);
        };
        let (last, compressed) = (first & 0x80 != 0, first & COMPRESSED != 0);
        let opcode = Opcode::read(first & 0x0f)?;
        if first & 0x30 != 0 {
            return Err(RESERVED_BIT);
        }
        if opcode.is_control() && !last {
            return Err(Violation::protocol("fragmented control frame"));
        }
        if compressed && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(RESERVED_BIT);
        }
        let Some(&second) = bytes.get(1) else {
            return Ok(None);
        };
        if opcode.is_control() && usize::from(second & 0x7f) > CONTROL_LIMIT {
            return Err(Violation::protocol("control frame is too long"));
        }
        let Some((length, size)) = read_length(second & 0x7f, &bytes[2..])? else {
            return Ok(None);
        };
        let (mask, size) = match (second & 0x80 != 0, bytes[2 + size..].first_chunk()) {
            (false, _) => (None, 2 + size),
            (true, Some(key)) => (Some(*key), 2 + size + 4),
            (true, None) => return Ok(None),
        };
        let head = Self {
            last,
            compressed,
            opcode,
            mask,
            length,
        };
        Ok(Some((head, size)))
    }

    /// Appends the head's bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let last = u8::from(self.last) << 7;
        let compressed = u8::from(self.compressed) * COMPRESSED;
        let masked = u8::from(self.mask.is_some()) << 7;
        let first = last | compressed | self.opcode as u8;
        match self.length {
            length @ 0..=125 => out.extend_from_slice(&[first, masked | length as u8]),
            length @ 126..=0xffff => {
                let [high, low] = (length as u16).to_be_bytes();
                out.extend_from_slice(&[first, masked | 126, high, low]);
            }
            length => {
                out.extend_from_slice(&[first, masked | 127]);
                out.extend_from_slice(&length.to_be_bytes());
            }
        }
        if let Some(key) = self.mask {
            out.extend_from_slice(&key);
        }
    }
}

/// The length of the payload, and how many bytes after the first two say it.
fn read_length(short: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let (length, size, least) = match short {
        126 => match rest.first_chunk() {
            Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2, 126),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 8, 0x1_0000),
            None => return Ok(None),
        },
        short => (u64::from(short), 0, 0),
    };
    if length >> 63 != 0 {
        return Err(Violation::protocol("length has its top bit set"));
    }
    // "the minimal number of bytes MUST be used to encode the length"
    if length < least {
        return Err(Violation::protocol("length is not in its shortest form"));
    }
    Ok(Some((length, size)))
}

#[cfg(test)]
mod tests;
