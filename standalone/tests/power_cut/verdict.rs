//! What a power cut took of what was acknowledged, and whether those whom it concerns were told. Pure.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::ops::AddAssign;

use super::sequence::descents;

/// What is known of a channel. Publications are numbers, in the order in which they were sent.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    /// Before the cut.
    pub(crate) acknowledged: &'a BTreeSet<u32>,
    /// What was there after it.
    pub(crate) stored: &'a [u32],
    pub(crate) clients: Vec<Witness<'a>>,
}

/// A client that came back after the cut with the position that it had before.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    /// What was acknowledged until it came.
    pub(crate) acknowledged: &'a BTreeSet<u32>,
    /// What it saw, before the cut and after it.
    pub(crate) seen: Vec<u32>,
    pub(crate) fate: Fate,
}

/// What became of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// As far as it was told, it has everything.
    Confident,
    /// It was told that it may have missed something.
    Warned,
    /// What it was sent cannot be: offsets that do not grow.
    Confused,
}

/// What came of a round, or of several.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) acknowledged: u64,
    /// Of those that were acknowledged.
    pub(crate) found: u64,
    /// Not acknowledged, and stored.
    pub(crate) appeared: u64,
    pub(crate) duplicate: u64,
    pub(crate) out_of_order: u64,
    pub(crate) recovered: u64,
    pub(crate) warned: u64,
    /// Clients that have not everything and were not told.
    pub(crate) misled: u64,
}

impl Verdict {
    pub(crate) fn of(evidence: &Evidence<'_>) -> Self {
        let Evidence {
            acknowledged,
            stored,
            clients,
        } = evidence;
        let distinct: BTreeSet<u32> = stored.iter().copied().collect();
        let mut verdict = Self {
            acknowledged: acknowledged.len() as u64,
            found: acknowledged.intersection(&distinct).count() as u64,
            appeared: distinct.difference(acknowledged).count() as u64,
            ..Self::default()
        };
        verdict.read(stored, acknowledged);
        for client in clients {
            verdict.read(&client.seen, client.acknowledged);
            match client.fate {
                Fate::Warned => verdict.warned += 1,
                Fate::Confident | Fate::Confused if client.is_misled() => verdict.misled += 1,
                Fate::Confident | Fate::Confused => verdict.recovered += 1,
            }
        }
        verdict
    }

    pub(crate) fn missing(&self) -> u64 {
        self.acknowledged - self.found
    }

    /// Nothing is missing, and nobody was told that something might be.
    pub(crate) fn is_whole(&self) -> bool {
        (self.missing(), self.warned) == (0, 0) && self.is_honest()
    }

    /// Nobody has less than he believes, or something that he should not have.
    pub(crate) fn is_honest(&self) -> bool {
        (self.misled, self.duplicate, self.out_of_order) == (0, 0, 0)
    }

    fn read(&mut self, numbers: &[u32], acknowledged: &BTreeSet<u32>) {
        let distinct: HashSet<u32> = numbers.iter().copied().collect();
        self.duplicate += (numbers.len() - distinct.len()) as u64;
        // One that is not acknowledged may come late.
        self.out_of_order += descents(numbers.iter().filter(|it| acknowledged.contains(it)));
    }
}

impl Witness<'_> {
    /// Whether it has less than it believes, or was sent what it could not use.
    pub(crate) fn is_misled(&self) -> bool {
        match self.fate {
            Fate::Warned => false,
            Fate::Confused => true,
            Fate::Confident => !self.missing().is_empty(),
        }
    }

    /// What it has not of what was acknowledged.
    pub(crate) fn missing(&self) -> BTreeSet<u32> {
        let seen: BTreeSet<u32> = self.seen.iter().copied().collect();
        self.acknowledged - &seen
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.found += other.found;
        self.appeared += other.appeared;
        self.duplicate += other.duplicate;
        self.out_of_order += other.out_of_order;
        self.recovered += other.recovered;
        self.warned += other.warned;
        self.misled += other.misled;
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} acknowledged, {} found, {} missing, {} duplicate, {} out of order, {} stored without acknowledgement; clients: \
             {} recovered, {} told that they may have missed something, {} misled",
            self.acknowledged,
            self.found,
            self.missing(),
            self.duplicate,
            self.out_of_order,
            self.appeared,
            self.recovered,
            self.warned,
            self.misled
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of four publications, of which the third was not acknowledged: found, missing, appeared, duplicate, out of order.
    #[test]
    fn what_is_stored_is_compared_with_what_was_acknowledged() {
        for (stored, expected) in [
            ([1, 2, 4].as_slice(), [3, 0, 0, 0, 0]),
            (&[1, 2, 3, 4], [3, 0, 1, 0, 0]),
            (&[1, 2, 4, 3], [3, 0, 1, 0, 0]),
            (&[1, 2], [2, 1, 0, 0, 0]),
            (&[], [0, 3, 0, 0, 0]),
            (&[1, 2, 2, 4], [3, 0, 0, 1, 0]),
            (&[2, 1, 4], [3, 0, 0, 0, 1]),
        ] {
            let verdict = Verdict::of(&Evidence {
                acknowledged: &BTreeSet::from([1, 2, 4]),
                stored,
                clients: Vec::new(),
            });
            let (missing, appeared) = (verdict.missing(), verdict.appeared);
            let (duplicate, out_of_order) = (verdict.duplicate, verdict.out_of_order);
            let found = [verdict.found, missing, appeared, duplicate, out_of_order];
            assert_eq!(found, expected, "{stored:?}");
            assert_eq!(
                verdict.is_whole(),
                [missing, duplicate, out_of_order] == [0; 3]
            );
        }
    }

    /// Recovered, warned, misled.
    #[test]
    fn a_client_that_misses_something_must_know() {
        let acknowledged = BTreeSet::from([1, 2]);
        for (seen, fate, expected) in [
            ([1, 2].as_slice(), Fate::Confident, [1, 0, 0]),
            (&[2], Fate::Confident, [0, 0, 1]),
            (&[2], Fate::Warned, [0, 1, 0]),
            (&[1, 2], Fate::Confused, [0, 0, 1]),
        ] {
            let witness = Witness {
                acknowledged: &acknowledged,
                seen: seen.to_vec(),
                fate,
            };
            let verdict = Verdict::of(&Evidence {
                acknowledged: &acknowledged,
                stored: &[1, 2],
                clients: vec![witness],
            });
            let found = [verdict.recovered, verdict.warned, verdict.misled];
            assert_eq!(found, expected, "{seen:?} {fate:?}");
            assert_eq!(verdict.is_honest(), expected[2] == 0);
            assert_eq!(verdict.is_whole(), expected[0] == 1);
        }
    }
}
