//! Which of the replicas that tell of a node's end is heeded: the first. Pure.

use std::collections::{HashMap, VecDeque};

/// Ends of nodes, by partition, that are remembered.
const LIMIT: usize = 65_536;

/// One partition of one run of a node, that was last heard of by this beat.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct End {
    pub(super) node: String,
    pub(super) incarnation: u64,
    pub(super) beat: u64,
    pub(super) partition: u32,
}

/// Who told of each end first.
#[derive(Debug, Default)]
pub(super) struct Farewells {
    tellers: HashMap<End, Told>,
    order: VecDeque<End>,
}

#[derive(Debug)]
struct Told {
    replica: String,
    /// The next chunk.
    next: u32,
}

impl Farewells {
    /// Whether a chunk of what a replica tells is to be heeded.
    pub(super) fn heeds(&mut self, end: End, replica: &str, chunk: u32) -> bool {
        if let Some(told) = self.tellers.get_mut(&end) {
            let is_next = told.replica == replica && told.next <= chunk;
            if is_next {
                told.next = chunk.saturating_add(1);
            }
            return is_next;
        }
        if self.order.len() == LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.tellers.remove(&oldest);
        }
        self.order.push_back(end.clone());
        let (replica, next) = (replica.to_owned(), chunk.saturating_add(1));
        self.tellers.insert(end, Told { replica, next });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(partition: u32, beat: u64) -> End {
        End {
            node: "n".to_owned(),
            incarnation: 7,
            beat,
            partition,
        }
    }

    #[test]
    fn each_chunk_of_the_first_teller_is_heeded_once() {
        let mut farewells = Farewells::default();
        for (end, replica, chunk, heeded) in [
            (end(1, 1), "a", 0, true),
            (end(1, 1), "b", 0, false),
            (end(1, 1), "a", 0, false),
            (end(1, 1), "a", 1, true),
            (end(1, 1), "b", 1, false),
            (end(2, 1), "b", 0, true),
            // It came back, and was gone again.
            (end(1, 9), "b", 0, true),
        ] {
            assert_eq!(
                farewells.heeds(end, replica, chunk),
                heeded,
                "{replica} {chunk}"
            );
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut farewells = Farewells::default();
        for beat in 0..=LIMIT as u64 {
            assert!(farewells.heeds(end(1, beat), "a", 0));
        }
        assert_eq!(
            (farewells.tellers.len(), farewells.order.len()),
            (LIMIT, LIMIT)
        );
        assert!(farewells.heeds(end(1, 0), "a", 0));
    }
}
