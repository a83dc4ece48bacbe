//! Who is to connect, and when: at a rate or so many at a time, and again where a client is to come back. It opens nothing.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::clock::SECOND;
use crate::schedule::{Progress, Schedule};

/// How long a connection may take until all its subscriptions are there.
const PATIENCE: u64 = 60 * SECOND;

/// One try of a client to connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) client: u32,
    /// Which of its tries.
    pub(super) number: u16,
}

#[derive(Debug, Default)]
pub(super) struct Connecting {
    /// To be connected for the first time, in order.
    waiting: VecDeque<u32>,
    /// The rate of first connections; none for as fast as they are answered.
    rate: Option<Progress>,
    /// When clients come back.
    returning: BinaryHeap<Reverse<(u64, u32)>>,
    /// When attempts are given up.
    deadlines: VecDeque<(u64, Attempt)>,
    concurrency: u32,
    under_way: u32,
    /// Clients whose first attempt has not ended.
    untried: usize,
    /// Whether the end of all first attempts is yet to be told.
    untold: bool,
}

impl Connecting {
    /// All of so many clients are to connect, from now on.
    pub(super) fn start(&mut self, clients: usize, rate: Option<f64>, concurrency: u32, now: u64) {
        let end = u64::MAX;
        let schedule = rate.map(|rate| Schedule {
            start: now,
            end,
            rate,
        });
        *self = Self {
            waiting: (0..clients as u32).collect(),
            rate: schedule.map(Progress::new),
            concurrency,
            untried: clients,
            untold: true,
            ..Self::default()
        };
    }

    /// When there is something to do even if nothing comes.
    pub(super) fn next_moment(&self) -> Option<u64> {
        let deadline = self.deadlines.front().map(|(time, _)| *time);
        let held = self.waiting.is_empty() || self.under_way >= self.concurrency;
        let first = match (&self.rate, held) {
            (_, true) => None,
            (None, false) => Some(0),
            (Some(rate), false) => rate.next(),
        };
        let back = self.returning.peek().map(|Reverse((time, _))| *time);
        [deadline, first, back].into_iter().flatten().min()
    }

    /// The next client to connect, if one is due. Who comes back does so at its time, however many do.
    pub(super) fn next(&mut self, now: u64) -> Option<u32> {
        if let Some(Reverse((time, client))) = self.returning.peek().copied()
            && time <= now
        {
            self.returning.pop();
            return Some(client);
        }
        if self.waiting.is_empty() || self.under_way >= self.concurrency {
            return None;
        }
        if let Some(rate) = &mut self.rate {
            rate.due(now)?;
        }
        self.waiting.pop_front()
    }

    pub(super) fn begun(&mut self, attempt: Attempt, now: u64) {
        self.under_way += 1;
        self.deadlines.push_back((now + PATIENCE, attempt));
    }

    /// An attempt has come out, one way or the other.
    pub(super) fn ended(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// A client's first attempt has come out.
    pub(super) fn tried(&mut self) {
        self.untried = self.untried.saturating_sub(1);
    }

    /// Lets a client come back at this time.
    pub(super) fn come_back(&mut self, client: usize, time: u64) {
        self.returning.push(Reverse((time, client as u32)));
    }

    /// The oldest attempt, if it has had its time.
    pub(super) fn expired(&mut self, now: u64) -> Option<Attempt> {
        let (time, attempt) = *self.deadlines.front()?;
        (time <= now).then(|| self.deadlines.pop_front())?;
        Some(attempt)
    }

    /// Whether all first attempts have ended; true once.
    pub(super) fn all_tried(&mut self) -> bool {
        self.untried == 0 && std::mem::take(&mut self.untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(client: u32) -> Attempt {
        Attempt { client, number: 1 }
    }

    #[test]
    fn a_closed_loop_keeps_so_many_under_way() {
        let mut connecting = Connecting::default();
        connecting.start(3, None, 2, 0);
        for client in [0, 1] {
            assert_eq!(connecting.next(0), Some(client));
            connecting.begun(attempt(client), 0);
        }
        assert_eq!(connecting.next(0), None);
        assert_eq!(connecting.next_moment(), Some(PATIENCE));
        connecting.ended();
        connecting.tried();
        assert_eq!(connecting.next_moment(), Some(0));
        assert_eq!(connecting.next(0), Some(2));
        connecting.tried();
        assert!(!connecting.all_tried());
        connecting.tried();
        assert!(connecting.all_tried());
        assert!(!connecting.all_tried());
    }

    #[test]
    fn a_rate_is_kept() {
        let mut connecting = Connecting::default();
        connecting.start(3, Some(10.0), 100, 0);
        assert_eq!(connecting.next(0), Some(0));
        assert_eq!(connecting.next(99_999_999), None);
        assert_eq!(connecting.next_moment(), Some(100_000_000));
        assert_eq!(connecting.next(100_000_000), Some(1));
    }

    #[test]
    fn clients_come_back_at_their_time_and_attempts_expire() {
        let mut connecting = Connecting::default();
        connecting.start(0, None, 1, 0);
        connecting.come_back(7, 50);
        connecting.come_back(8, 40);
        assert_eq!(connecting.next(39), None);
        assert_eq!(connecting.next(60), Some(8));
        connecting.begun(attempt(8), 60);
        assert_eq!(connecting.expired(60), None);
        assert_eq!(connecting.expired(60 + PATIENCE), Some(attempt(8)));
        assert_eq!(connecting.next(60), Some(7), "though one is under way");
    }
}
