//! Finds parts of the target in the base, by hashes of the base's blocks.
//!
//! At each place the number of compared blocks is bounded, and what a comparison runs over beyond one block is then
//! taken, so the whole search is linear even when all blocks are equal.

/// Bytes of a block; shorter repetitions are found only where they adjoin.
pub(super) const BLOCK: usize = 16;

/// Blocks with the same place in the table that are compared at most.
const CANDIDATES: usize = 8;

const NONE: u32 = u32::MAX;
const FACTOR: u32 = 0x0100_0193;
const FIRST_FACTOR: u32 = FACTOR.wrapping_pow(BLOCK as u32 - 1);

/// The same `len` bytes in base and target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) base: usize,
    pub(super) target: usize,
    pub(super) len: usize,
}

/// How many bytes at the start of both are the same.
pub(super) fn forward(left: &[u8], right: &[u8]) -> usize {
    let pairs = left.iter().zip(right);
    pairs.take_while(|(left, right)| left == right).count()
}

/// How many bytes at the end of both are the same.
pub(super) fn backward(left: &[u8], right: &[u8]) -> usize {
    let pairs = left.iter().rev().zip(right.iter().rev());
    pairs.take_while(|(left, right)| left == right).count()
}

/// The base's blocks by hash: chains of block numbers, the first block first.
pub(super) struct Matcher<'a> {
    base: &'a [u8],
    heads: Vec<u32>,
    next: Vec<u32>,
}

impl<'a> Matcher<'a> {
    pub(super) fn new(base: &'a [u8]) -> Self {
        let blocks = base.len() / BLOCK;
        let mut matcher = Self {
            base,
            heads: vec![NONE; blocks.next_power_of_two()],
            next: vec![NONE; blocks],
        };
        for (number, block) in base.chunks_exact(BLOCK).enumerate().rev() {
            let slot = matcher.slot(hash(block));
            matcher.next[number] = matcher.heads[slot];
            matcher.heads[slot] = u32::try_from(number).expect("the base is within the limit");
        }
        matcher
    }

    /// The longest match that covers the block at `at`, whose hash is given, and begins no earlier than `from`.
    pub(super) fn longest(
        &self,
        target: &[u8],
        from: usize,
        at: usize,
        hash: u32,
    ) -> Option<Match> {
        let is_block = |number: &u32| *number != NONE;
        let head = Some(self.heads[self.slot(hash)]).filter(is_block);
        std::iter::successors(head, |number| {
            Some(self.next[*number as usize]).filter(is_block)
        })
        .take(CANDIDATES)
        .filter_map(|number| self.extend(number as usize * BLOCK, target, from, at))
        .max_by_key(|found| found.len)
    }

    fn extend(&self, block: usize, target: &[u8], from: usize, at: usize) -> Option<Match> {
        if self.base[block..block + BLOCK] != target[at..at + BLOCK] {
            return None;
        }
        let before = backward(&self.base[..block], &target[from..at]);
        let after = forward(&self.base[block + BLOCK..], &target[at + BLOCK..]);
        Some(Match {
            base: block - before,
            target: at - before,
            len: before + BLOCK + after,
        })
    }

    fn slot(&self, hash: u32) -> usize {
        // The upper bits depend on all bytes of a block, the lower ones only on lower bits.
        let mixed = hash ^ (hash >> 15);
        mixed.wrapping_mul(0x9E37_79B1) as usize >> 8 & (self.heads.len() - 1)
    }
}

/// The block of the target that is looked for, with its hash.
pub(super) struct Window<'a> {
    rest: &'a [u8],
    hash: u32,
}

impl<'a> Window<'a> {
    pub(super) fn at(target: &'a [u8], at: usize) -> Self {
        let rest = &target[at..];
        let hash = rest.get(..BLOCK).map_or(0, hash);
        Self { rest, hash }
    }

    /// The block's hash; `None` when less than a block is left.
    pub(super) fn hash(&self) -> Option<u32> {
        (self.rest.len() >= BLOCK).then_some(self.hash)
    }

    /// Moves on by one byte.
    pub(super) fn roll(&mut self) {
        if let (Some(first), Some(next)) = (self.rest.first(), self.rest.get(BLOCK)) {
            let kept = self
                .hash
                .wrapping_sub(u32::from(*first).wrapping_mul(FIRST_FACTOR));
            self.hash = kept.wrapping_mul(FACTOR).wrapping_add(u32::from(*next));
        }
        self.rest = self.rest.get(1..).unwrap_or_default();
    }
}

fn hash(block: &[u8]) -> u32 {
    block.iter().fold(0, |hash: u32, byte| {
        hash.wrapping_mul(FACTOR).wrapping_add(u32::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolled_hash_is_that_of_the_block() {
        let target: Vec<u8> = (0..100_u8).map(|byte| byte.wrapping_mul(73)).collect();
        let mut window = Window::at(&target, 0);
        for at in 0..=target.len() - BLOCK {
            assert_eq!(window.hash(), Some(hash(&target[at..at + BLOCK])), "{at}");
            window.roll();
        }
        assert_eq!(window.hash(), None);
    }

    #[test]
    fn a_match_grows_both_ways_within_its_bounds() {
        let base = b"0123456789ABCDEF0123456789abcdefXYZ";
        let target = b"-89abcdef..3456789ABCDEF0123456789abcdefX-";
        let at = 24;
        let matcher = Matcher::new(base);
        let found = |from| matcher.longest(target, from, at, hash(&target[at..at + BLOCK]));
        let whole = Match {
            base: 3,
            target: 11,
            len: 30,
        };
        assert_eq!(found(0), Some(whole));
        let cut = Match {
            base: 12,
            target: 20,
            len: 21,
        };
        assert_eq!(found(20), Some(cut));
        assert_eq!(matcher.longest(target, 0, 1, hash(&target[1..17])), None);
    }
}
