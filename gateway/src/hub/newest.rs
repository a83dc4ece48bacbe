//! Frames of which only the newest of each key counts: what a subscriber has not been written by then, it never is.

use std::collections::VecDeque;

/// Keys of one channel that are told apart; with one more, the one that was not updated for longest is dropped.
pub(super) const KEY_LIMIT: usize = 1_024;

/// Bytes that are gathered for one write.
const GATHERED: usize = 64 * 1024;

/// Whole frames, the oldest first. A position is the number of the last frame that was had.
#[derive(Debug, Default)]
pub(super) struct Newest {
    frames: VecDeque<Frame>,
    head: u64,
    gathered: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    number: u64,
    key: Box<str>,
    bytes: Vec<u8>,
}

/// A frame that is not to be had any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) number: u64,
    pub(super) size: usize,
}

impl Newest {
    pub(super) fn head(&self) -> u64 {
        self.head
    }

    /// Takes a key's newest frame. Gives the one that it replaces, or that there is no room for any more.
    pub(super) fn put(&mut self, key: &str, bytes: Vec<u8>) -> Option<Dropped> {
        self.head += 1;
        let index = self.frames.iter().position(|frame| *frame.key == *key);
        let index = index.or_else(|| (self.frames.len() == KEY_LIMIT).then_some(0));
        let dropped = index.and_then(|index| self.frames.remove(index));
        let (number, key) = (self.head, key.into());
        self.frames.push_back(Frame { number, key, bytes });
        dropped.map(|frame| Dropped {
            number: frame.number,
            size: frame.bytes.len(),
        })
    }

    /// Frames behind a position, as many as go into one write.
    pub(super) fn from(&mut self, position: u64) -> &[u8] {
        self.gathered.clear();
        for frame in Self::behind(&self.frames, position) {
            self.gathered.extend_from_slice(&frame.bytes);
            if self.gathered.len() >= GATHERED {
                break;
            }
        }
        &self.gathered
    }

    /// The position once so many bytes behind another one were had, which end with a frame.
    pub(super) fn after(&self, position: u64, size: usize) -> u64 {
        let mut had = 0;
        let frames = Self::behind(&self.frames, position).take_while(|frame| {
            had += frame.bytes.len();
            had <= size
        });
        frames.last().map_or(position, |frame| frame.number)
    }

    /// Lets go of everything.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.gathered = Vec::new();
    }

    fn behind(frames: &VecDeque<Frame>, position: u64) -> impl Iterator<Item = &Frame> {
        let first = frames.partition_point(|frame| frame.number <= position);
        frames.range(first..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_frame_and_those_of_others_stay() {
        let mut newest = Newest::default();
        assert_eq!(newest.put("a", b"a1".to_vec()), None);
        assert_eq!(newest.put("b", b"b1".to_vec()), None);
        let dropped = Some(Dropped { number: 1, size: 2 });
        assert_eq!(newest.put("a", b"a22".to_vec()), dropped);
        assert_eq!(newest.from(0), b"b1a22");
        assert_eq!(newest.from(2), b"a22");
        assert_eq!([0, 1, 2, 5].map(|size| newest.after(0, size)), [0, 0, 2, 3]);
        assert_eq!(newest.from(newest.head()), b"");
        newest.clear();
        assert_eq!((newest.head(), newest.from(0).len()), (3, 0));
    }

    #[test]
    fn keys_are_bounded() {
        let mut newest = Newest::default();
        for key in 0..KEY_LIMIT {
            assert_eq!(newest.put(&key.to_string(), vec![0]), None);
        }
        assert_eq!(newest.put("0", vec![0]).map(|it| it.number), Some(1));
        assert_eq!(newest.put("new", vec![0]).map(|it| it.number), Some(2));
        assert_eq!(newest.frames.len(), KEY_LIMIT);
    }
}
