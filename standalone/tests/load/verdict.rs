//! Whether every subscriber of a channel has every acknowledged publication, once and in order. Pure.
//!
//! One of unknown fate may be there or not, but then for all or for none. The measure is what the stream holds.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::ops::AddAssign;

use super::sequence::descents;

/// What is known of a channel in the end. Publications are numbers, in the order in which they were sent.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) published: u32,
    pub(crate) acknowledged: &'a BTreeSet<u32>,
    /// What the stream holds.
    pub(crate) stored: &'a [u32],
    /// What each subscriber saw.
    pub(crate) seen: Vec<&'a [u32]>,
}

/// Faults, and what they are to be seen against.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) published: u64,
    pub(crate) acknowledged: u64,
    /// Of unknown fate, and there in the end.
    pub(crate) appeared: u64,
    pub(crate) deliveries: u64,
    pub(crate) missing: u64,
    pub(crate) duplicate: u64,
    pub(crate) out_of_order: u64,
}

impl Verdict {
    /// # Panics
    /// When somebody saw what was never published.
    pub(crate) fn of(evidence: &Evidence<'_>) -> Self {
        let Evidence {
            published,
            acknowledged,
            stored,
            seen,
        } = evidence;
        let witnesses = || seen.iter().copied().chain([*stored]);
        let appeared: BTreeSet<u32> = witnesses().flatten().copied().collect();
        let is_published = |number: &u32| (1..=*published).contains(number);
        assert!(appeared.iter().all(is_published), "never published");
        // What only some have, the others are missing, the stream too.
        let expected: BTreeSet<u32> = appeared.union(acknowledged).copied().collect();
        let ranks = ranks(stored);
        let mut verdict = Self {
            published: (*published).into(),
            acknowledged: acknowledged.len() as u64,
            appeared: appeared.difference(acknowledged).count() as u64,
            deliveries: seen.iter().map(|numbers| numbers.len() as u64).sum(),
            out_of_order: descents(stored.iter().filter(|it| acknowledged.contains(it))),
            ..Self::default()
        };
        for numbers in witnesses() {
            let distinct: HashSet<u32> = numbers.iter().copied().collect();
            verdict.duplicate += (numbers.len() - distinct.len()) as u64;
            verdict.missing += (expected.len() - distinct.len()) as u64;
            verdict.out_of_order += descents(numbers.iter().filter_map(|it| ranks.get(it)));
        }
        verdict
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_clean(&self) -> bool {
        (self.missing, self.duplicate, self.out_of_order) == (0, 0, 0)
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.published += other.published;
        self.acknowledged += other.acknowledged;
        self.appeared += other.appeared;
        self.deliveries += other.deliveries;
        self.missing += other.missing;
        self.duplicate += other.duplicate;
        self.out_of_order += other.out_of_order;
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} published, {} acknowledged, {} of unknown fate ({} of them stored), {} deliveries, {} missing, {} duplicate, \
             {} out of order",
            self.published,
            self.acknowledged,
            self.published - self.acknowledged,
            self.appeared,
            self.deliveries,
            self.missing,
            self.duplicate,
            self.out_of_order
        )
    }
}

/// The place of each number, by its first occurrence.
fn ranks(numbers: &[u32]) -> HashMap<u32, usize> {
    let mut ranks = HashMap::new();
    for (rank, number) in numbers.iter().enumerate() {
        ranks.entry(*number).or_insert(rank);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of five publications, of which the third was not acknowledged: missing, duplicate and out of order.
    fn check(stored: &[u32], seen: [&[u32]; 2], expected: [u64; 3]) {
        let evidence = Evidence {
            published: 5,
            acknowledged: &BTreeSet::from([1, 2, 4, 5]),
            stored,
            seen: seen.to_vec(),
        };
        let verdict = Verdict::of(&evidence);
        let found = [verdict.missing, verdict.duplicate, verdict.out_of_order];
        assert_eq!(found, expected, "{evidence:?}");
        assert_eq!(verdict.is_clean(), expected == [0; 3]);
    }

    #[test]
    fn faults_are_told_apart() {
        let (with, without) = ([1, 2, 3, 4, 5].as_slice(), [1, 2, 4, 5].as_slice());
        check(with, [with, with], [0, 0, 0]);
        check(without, [without, without], [0, 0, 0]);
        // What is of unknown fate may come late, but for all.
        let late = &[1, 2, 4, 5, 3];
        check(late, [late, late], [0, 0, 0]);
        check(late, [late, with], [0, 0, 2]);
        check(without, [without, with], [2, 0, 0]);
        check(with, [with, without], [1, 0, 0]);
        check(without, [without, &[1, 2, 5]], [1, 0, 0]);
        check(without, [&[], without], [4, 0, 0]);
        check(&[1, 2, 5], [&[1, 2, 5], &[1, 2, 5]], [3, 0, 0]);
        check(without, [&[1, 2, 2, 4, 5], without], [0, 1, 0]);
        check(&[1, 2, 4, 5, 5], [without, without], [0, 1, 0]);
        check(without, [&[1, 4, 2, 5], without], [0, 0, 1]);
        let turned = &[2, 1, 4, 5];
        check(turned, [turned, turned], [0, 0, 1]);
    }

    #[test]
    #[should_panic(expected = "never published")]
    fn what_was_never_published_is_noticed() {
        check(&[1, 2, 4, 5], [&[1, 2, 4, 5, 6], &[]], [0, 0, 0]);
    }
}
