//! Which partitions this replica follows, and of which it has everything: those that are its own, and those of channels that
//! are watched here.
//!
//! It takes on what has become its own at once, and lets go of what is another's only when all whose it is are ready. So
//! while replicas come and go there is always one that answers.

use std::time::Duration;

use tidegate_proto::node::partition;

use super::{Moment, NodeState, Roster};
use crate::message::{Fault, Kind};

/// How long a partition is followed after the last that was wanted of it, so that who watches again costs nodes no snapshot.
const LINGER: Duration = Duration::from_secs(60);

impl Roster {
    /// Takes on the partitions that have become this replica's, and lets go of those that others have.
    pub(super) fn hold(&mut self, at: Moment) {
        if at.now < self.options.settle {
            return;
        }
        for channel in &self.watched {
            let place = partition(channel, self.options.partitions) as usize;
            self.wanted_until[place] = at.now + LINGER;
        }
        for partition in 0..self.options.partitions {
            let place = partition as usize;
            let is_kept = self.peers.is_own(partition) || at.now < self.wanted_until[place];
            if self.held[place] {
                if !is_kept && self.peers.are_holders_ready(partition) {
                    (self.held[place], self.ready[place]) = (false, false);
                    self.let_go(partition);
                }
            } else if is_kept {
                (self.held[place], self.held_since[place]) = (true, at.now);
                for node in self.nodes.values_mut() {
                    node.stream(Kind::Channel, place).reset(at.now);
                    node.stream(Kind::User, place).reset(at.now);
                }
            }
        }
    }

    /// Follows a partition for a while, whoever it belongs to.
    pub fn want(&mut self, partition: u32, at: Moment) {
        if let Some(until) = self.wanted_until.get_mut(partition as usize) {
            *until = at.now + LINGER;
        }
    }

    pub(super) fn look_what_is_ready(&mut self, at: Moment) {
        for partition in 0..self.options.partitions {
            let place = partition as usize;
            if !self.held[place] || self.ready[place] {
                continue;
            }
            let is_whole = self.is_whole(partition);
            if is_whole || at.now >= self.held_since[place] + self.options.patience {
                self.ready[place] = true;
            }
            if self.ready[place] && !is_whole {
                self.faults.count(Fault::Incomplete);
            }
        }
    }

    /// Whether it is for this replica to tell what happens in a partition.
    pub(super) fn speaks_for(&self, partition: u32) -> bool {
        match self.ready[partition as usize] {
            true => self.peers.speaks_for(partition),
            false => !self.peers.holds(partition),
        }
    }

    fn let_go(&mut self, partition: u32) {
        let runs: Vec<_> = self.nodes.values().map(|node| node.run).collect();
        let runs = runs
            .into_iter()
            .chain(self.sweeps.iter().map(|sweep| sweep.run));
        for run in runs.collect::<Vec<_>>() {
            for at in self.book.members_of_run(run, partition) {
                self.book.remove_member(at);
            }
            for at in self.book.sessions_of_run(run, partition) {
                self.book.disconnect(at);
            }
        }
    }

    /// Whether everything of a partition is here, as far as living nodes have told.
    #[must_use]
    pub fn is_whole(&self, partition: u32) -> bool {
        let place = partition as usize;
        let mut alive = self
            .nodes
            .values()
            .filter(|node| node.state == NodeState::Alive);
        self.held.get(place) == Some(&true) && alive.all(|node| node.is_known(place))
    }

    /// The partitions about which questions are answered.
    #[must_use]
    pub fn ready(&self) -> Vec<u32> {
        (0..self.options.partitions)
            .filter(|it| self.ready[*it as usize])
            .collect()
    }

    /// Whether questions are answered about everything that is this replica's.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let mut partitions = 0..self.options.partitions;
        let is_begun = self.held.contains(&true);
        is_begun && partitions.all(|it| self.ready[it as usize] || !self.peers.is_own(it))
    }

    /// The partitions that are followed.
    #[must_use]
    pub fn held(&self) -> Vec<u32> {
        (0..self.options.partitions)
            .filter(|it| self.held[*it as usize])
            .collect()
    }
}
