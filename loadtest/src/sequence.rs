//! Whether every message of a channel came once and in order, for every subscriber.
//!
//! A track is four bytes while nothing is wrong; holes stand aside, in one bounded table. It knows no clock and no wire.

use std::collections::HashMap;

/// Holes that are remembered to tell a late message from a duplicate. Past them late messages count as duplicates,
/// and the hole stays missing.
const HOLES: usize = 1 << 20;

/// What a message turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or one after a hole.
    New,
    /// One that was missing until now: it came out of order.
    Late,
    /// One that was there already.
    Duplicate,
}

/// The sequences of all tracks of one process. A track is a subscription of a client.
#[derive(Debug, Default)]
pub struct Sequences {
    /// The highest number that came, by track.
    highest: Vec<u32>,
    /// Numbers below the highest that did not come.
    holes: HashMap<u32, Vec<u32>>,
    remembered: usize,
    /// Numbers that were passed over and have not come since.
    missing: u64,
}

impl Sequences {
    /// That many tracks, which expect number 1.
    #[must_use]
    pub fn new(tracks: usize) -> Self {
        Self {
            highest: vec![0; tracks],
            ..Self::default()
        }
    }

    /// Takes a message's number.
    ///
    /// # Panics
    /// When there is no such track.
    pub fn take(&mut self, track: u32, sequence: u32) -> Arrival {
        let highest = &mut self.highest[track as usize];
        if sequence == *highest + 1 {
            *highest = sequence;
            return Arrival::New;
        }
        if sequence <= *highest {
            return self.take_old(track, sequence);
        }
        let passed = *highest + 1..sequence;
        *highest = sequence;
        self.missing += passed.len() as u64;
        let room = HOLES - self.remembered;
        let remembered = passed.len().min(room);
        self.remembered += remembered;
        self.holes
            .entry(track)
            .or_default()
            .extend(passed.take(remembered));
        Arrival::New
    }

    /// What is missing on a track of a channel on which this many were published, holes apart: the end of it.
    ///
    /// # Panics
    /// When there is no such track.
    #[must_use]
    pub fn behind(&self, track: u32, published: u32) -> u64 {
        published
            .saturating_sub(self.highest[track as usize])
            .into()
    }

    /// What a track is missing below its highest number, as far as holes are remembered.
    #[must_use]
    pub fn holes(&self, track: u32) -> u64 {
        self.holes.get(&track).map_or(0, |holes| holes.len() as u64)
    }

    /// What all tracks miss below their highest numbers.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    fn take_old(&mut self, track: u32, sequence: u32) -> Arrival {
        let holes = self.holes.get_mut(&track);
        let found = holes.and_then(|holes| {
            let place = holes.iter().position(|hole| *hole == sequence)?;
            Some(holes.swap_remove(place))
        });
        match found {
            Some(_) => {
                self.missing -= 1;
                self.remembered -= 1;
                Arrival::Late
            }
            None => Arrival::Duplicate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// New, late and duplicate messages, holes, and what is missing at the end when 5 were published.
    fn check(stream: &[u32], expected: [u64; 5]) {
        let mut sequences = Sequences::new(2);
        let mut found = [0; 5];
        for sequence in stream {
            found[match sequences.take(1, *sequence) {
                Arrival::New => 0,
                Arrival::Late => 1,
                Arrival::Duplicate => 2,
            }] += 1;
        }
        found[3] = sequences.missing();
        found[4] = sequences.behind(1, 5);
        assert_eq!(found, expected, "{stream:?}");
        assert_eq!(sequences.holes(1), sequences.missing());
        assert_eq!(sequences.behind(0, 5), 5, "another track is not touched");
    }

    #[test]
    fn faults_of_a_stream_are_told_apart() {
        check(&[1, 2, 3, 4, 5], [5, 0, 0, 0, 0]);
        check(&[], [0, 0, 0, 0, 5]);
        check(&[1, 2, 4, 5], [4, 0, 0, 1, 0]);
        check(&[3, 4, 5], [3, 0, 0, 2, 0]);
        check(&[1, 2, 3], [3, 0, 0, 0, 2]);
        check(&[1, 2, 2, 3, 4, 5, 5], [5, 0, 2, 0, 0]);
        check(&[1, 3, 2, 4, 5], [4, 1, 0, 0, 0]);
        check(&[1, 3, 2, 2, 4, 5], [4, 1, 1, 0, 0]);
        check(&[5, 4, 3, 2, 1], [1, 4, 0, 0, 0]);
        check(&[1, 4, 1, 2], [2, 1, 1, 1, 1]);
    }
}
