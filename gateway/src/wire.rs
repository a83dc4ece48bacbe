//! What one kind of client is sent: messages in, ready-made frames out.

use tidegate_codec::{Encoded, Format};
use tidegate_websocket::{Head, Opcode};

/// The form of everything that one client is sent. Clients of the same form share their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// The format of messages.
    pub format: Format,
}

impl Wire {
    /// Adds messages to `out` as one frame.
    pub(crate) fn write(self, messages: &[Encoded], out: &mut Vec<u8>) {
        let separator = self.format.separator();
        let separators = separator.len() * messages.len().saturating_sub(1);
        let size = messages.iter().map(Encoded::len).sum::<usize>() + separators;
        head(self.opcode(), size).write(out);
        out.reserve(size);
        for (index, message) in messages.iter().enumerate() {
            if index > 0 {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(message);
        }
    }

    fn opcode(self) -> Opcode {
        match self.format {
            Format::Json => Opcode::Text,
            Format::Protobuf => Opcode::Binary,
        }
    }
}

/// Where the frame ends that holds the byte before `sent`. `frames` begins with a frame and holds whole ones.
pub(crate) fn frame_end(frames: &[u8], sent: usize) -> usize {
    let mut end = 0;
    while end < sent {
        let head = Head::read(&frames[end..]).ok().flatten();
        let (head, size) = head.expect("what is sent are whole frames of this node's own");
        end += size + usize::try_from(head.length).expect("it stands in memory");
    }
    end
}

fn head(opcode: Opcode, size: usize) -> Head {
    Head {
        last: true,
        compressed: false,
        opcode,
        mask: None,
        length: size as u64,
    }
}
