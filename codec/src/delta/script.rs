//! A patch being written: header, copies and insertions in the order of the target, checksum.

use bytes::Bytes;

use super::checksum::checksum;
use super::digits;
use super::matcher::Match;

pub(super) struct Script<'a> {
    target: &'a [u8],
    out: Vec<u8>,
    written: usize,
}

impl<'a> Script<'a> {
    pub(super) fn new(target: &'a [u8]) -> Self {
        let mut out = Vec::new();
        digits::push(&mut out, number(target.len()));
        out.push(b'\n');
        Self {
            target,
            out,
            written: 0,
        }
    }

    /// How much of the target the patch makes so far.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Whether the patch can no longer be smaller than the target.
    pub(super) fn is_too_long(&self) -> bool {
        self.out.len() >= self.target.len()
    }

    /// Takes the match from the base. It starts where the patch has come to.
    pub(super) fn copy(&mut self, found: Match) {
        debug_assert_eq!(found.target, self.written, "a gap in the patch");
        digits::push(&mut self.out, number(found.len));
        self.out.push(b'@');
        digits::push(&mut self.out, number(found.base));
        self.out.push(b',');
        self.written += found.len;
    }

    /// Inserts the target's bytes up to `end`, if there are any, unless that makes the patch too long.
    pub(super) fn insert_until(&mut self, end: usize) {
        let bytes = &self.target[self.written..end];
        if bytes.is_empty() {
            return;
        }
        digits::push(&mut self.out, number(bytes.len()));
        self.out.push(b':');
        self.out.extend_from_slice(bytes);
        self.written = end;
    }

    /// The whole patch, if it is smaller than the target.
    pub(super) fn finish(mut self) -> Option<Bytes> {
        debug_assert!(
            self.is_too_long() || self.written == self.target.len(),
            "the patch ends early"
        );
        if self.is_too_long() {
            return None;
        }
        digits::push(&mut self.out, checksum(self.target));
        self.out.push(b';');
        (!self.is_too_long()).then(|| self.out.into())
    }
}

/// Bytes that the copy of a match takes.
pub(super) fn copy_cost(found: Match) -> usize {
    digits::count(number(found.len)) + digits::count(number(found.base)) + "@,".len()
}

fn number(len: usize) -> u32 {
    u32::try_from(len).expect("inputs are within the limit")
}
