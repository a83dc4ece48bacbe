//! Frames in a row, in pieces, so that the oldest can be let go without moving the others.

use std::cell::RefCell;
use std::collections::VecDeque;

/// Bytes after which a piece is full. A larger frame has one of its own.
const SEGMENT: usize = 64 * 1024;

/// Empty pieces that a worker keeps for the next log that needs one.
const KEPT: usize = 64;

/// A worker's spare pieces.
#[derive(Debug, Default)]
pub(super) struct Spares(RefCell<Vec<Vec<u8>>>);

impl Spares {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    fn keep(&self, mut bytes: Vec<u8>) {
        let mut spares = self.0.borrow_mut();
        if spares.len() < KEPT && bytes.capacity() <= SEGMENT {
            bytes.clear();
            spares.push(bytes);
        }
    }
}

/// Whole frames, addressed by how many bytes were added before them since the log began.
#[derive(Debug, Default)]
pub(super) struct Segments {
    pieces: VecDeque<Piece>,
    head: u64,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    bytes: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl Segments {
    /// Where the next frame will stand.
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Whether the next frame of this size begins a piece although there is one.
    pub(super) fn is_full(&self, size: usize) -> bool {
        let last = self.pieces.back();
        last.is_some_and(|piece| !piece.bytes.is_empty() && piece.bytes.len() + size > SEGMENT)
    }

    /// Adds frames, which `write` appends, of about this size.
    pub(super) fn append(
        &mut self,
        size: usize,
        spares: &Spares,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        if self.pieces.is_empty() || self.is_full(size) {
            let (start, bytes) = (self.head, spares.take());
            self.pieces.push_back(Piece { start, bytes });
        }
        if let Some(piece) = self.pieces.back_mut() {
            write(&mut piece.bytes);
            self.head = piece.end();
        }
    }

    /// What stands at a position, up to the end of its piece; empty at the head.
    pub(super) fn from(&self, position: u64) -> &[u8] {
        let index = self.pieces.partition_point(|piece| piece.end() <= position);
        let Some(piece) = self.pieces.get(index) else {
            return &[];
        };
        let before = position.checked_sub(piece.start);
        let before = before.expect("a log keeps what somebody has not had");
        &piece.bytes[usize::try_from(before).expect("it stands in memory")..]
    }

    /// Lets go of the pieces before a position.
    pub(super) fn release(&mut self, position: u64, spares: &Spares) {
        while self
            .pieces
            .front()
            .is_some_and(|piece| piece.end() <= position)
        {
            if let Some(piece) = self.pieces.pop_front() {
                spares.keep(piece.bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_while_old_pieces_go() {
        let (mut segments, spares) = (Segments::default(), Spares::default());
        let frame = vec![7; SEGMENT / 2];
        for _ in 0..5 {
            segments.append(frame.len(), &spares, |bytes| bytes.extend(&frame));
        }
        let half = frame.len() as u64;
        assert_eq!(segments.head(), 5 * half);
        assert_eq!(segments.pieces.len(), 3);
        assert_eq!(segments.from(half).len(), frame.len());
        assert_eq!(segments.from(2 * half).len(), 2 * frame.len());
        segments.release(3 * half, &spares);
        assert_eq!(segments.pieces.len(), 2);
        assert_eq!(segments.from(3 * half).len(), frame.len());
        segments.release(segments.head(), &spares);
        assert_eq!(segments.from(5 * half), b"");
        assert_eq!(spares.0.borrow().len(), 3);
        segments.append(1, &spares, |bytes| bytes.push(1));
        assert_eq!(segments.from(5 * half), [1]);
        assert_eq!(spares.0.borrow().len(), 2);
    }

    #[test]
    fn a_frame_larger_than_a_piece_stands_alone() {
        let (mut segments, spares) = (Segments::default(), Spares::default());
        for size in [1, 3 * SEGMENT, 1] {
            segments.append(size, &spares, |bytes| bytes.resize(bytes.len() + size, 0));
        }
        assert_eq!(segments.pieces.len(), 3);
        segments.release(segments.head(), &spares);
        assert_eq!(spares.0.borrow().len(), 2, "a huge piece was kept");
    }
}
