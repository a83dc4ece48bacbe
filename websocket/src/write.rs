//! Frames to be sent, appended to a buffer that may hold others already.

use crate::frame::{COMPRESSED, CONTROL_LIMIT, HEAD_LIMIT};
use crate::{Head, Opcode, mask};

/// Bytes of a close frame's text at most: the code takes two.
const REASON_LIMIT: usize = CONTROL_LIMIT - 2;

/// Appends one whole frame as a server sends it: neither masked nor fragmented.
///
/// A control frame's payload must not be longer than 125 bytes.
pub fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    write(out, opcode, payload, None);
}

/// Appends one whole frame as a client sends it.
///
/// A control frame's payload must not be longer than 125 bytes. A client takes a new random key for each frame.
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], key: [u8; 4]) {
    let end = write(out, opcode, payload, Some(key));
    mask(&mut out[end..], key, 0);
}

/// Appends one whole frame of a message that was deflated, as a server sends it.
pub fn write_deflated_frame(out: &mut Vec<u8>, opcode: Opcode, deflated: &[u8]) {
    let begin = out.len();
    write_frame(out, opcode, deflated);
    out[begin] |= COMPRESSED;
}

/// Appends a close frame as a server sends it. The reason is cut to what fits, between characters.
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(REASON_LIMIT)];
    let mut payload = [0; CONTROL_LIMIT];
    let (payload, _) = payload.split_at_mut(2 + reason.len());
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..].copy_from_slice(reason.as_bytes());
    write_frame(out, Opcode::Close, payload);
}

/// Appends a frame and says where its payload begins.
fn write(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: Option<[u8; 4]>) -> usize {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_LIMIT);
    out.reserve(HEAD_LIMIT + payload.len());
    let head = Head {
        last: true,
        compressed: false,
        opcode,
        mask,
        length: payload.len() as u64,
    };
    head.write(out);
    let begin = out.len();
    out.extend_from_slice(payload);
    begin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_appended() {
        let mut out = Vec::new();
        write_frame(&mut out, Opcode::Text, b"hi");
        write_masked_frame(&mut out, Opcode::Binary, b"hi", [1, 0, 0, 0]);
        write_close(&mut out, 1000, "bye");
        assert_eq!(out, b"\x81\x02hi\x82\x82\x01\0\0\0ii\x88\x05\x03\xe8bye");
    }

    #[test]
    fn close_reasons_are_cut_between_characters() {
        for (reason, kept) in [
            ("a".repeat(123), 123),
            ("a".repeat(124), 123),
            ("ä".repeat(62), 122),
        ] {
            let mut out = Vec::new();
            write_close(&mut out, 3000, &reason);
            assert_eq!(out[..4], [0x88, 2 + kept as u8, 0x0b, 0xb8]);
            assert_eq!(out[4..], reason.as_bytes()[..kept]);
        }
    }
}
