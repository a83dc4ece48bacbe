//! The end of a run of a node: what it left behind goes, partition by partition, and its leaves are told, once.
//!
//! The replica that speaks for a partition tells them. The others keep them for a moment, and tell them themselves if they
//! have not heard it by then.

use std::time::Duration;

use super::book::Run;
use super::{Effect, Leaves, Moment, NodeState, Roster};
use crate::message::{Gone, Incarnation, Kind};

/// How long another replica may take to tell leaves.
const PATIENCE: Duration = Duration::from_secs(1);

/// Leaves that wait for another replica: more are told at once, and gateways heed the first.
const MAX_WAITING: usize = 100_000;

/// How long it is remembered what another replica told, which may think a node gone a little earlier than this one.
const MEMORY: Duration = Duration::from_secs(60);

/// How much of that is remembered.
const MAX_TOLD: usize = 65_536;

/// Leaves that another replica told.
#[derive(Debug)]
pub(super) struct Told {
    from: Incarnation,
    partition: u32,
    beat: u64,
    until: Duration,
}

/// A run that is over, and the partition where it is removed next.
#[derive(Debug)]
pub(super) struct Sweep {
    pub(super) run: Run,
    from: Incarnation,
    beat: u64,
    partition: u32,
}

/// Leaves that another replica should tell.
#[derive(Debug)]
pub(super) struct Farewell {
    leaves: Leaves,
    until: Duration,
}

impl Roster {
    /// Ends the run of a node.
    pub(super) fn bury(&mut self, name: &str) {
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        if node.state != NodeState::Alive {
            return;
        }
        node.state = NodeState::Gone;
        node.connections = 0;
        self.sweeps.push_back(Sweep {
            run: node.run,
            from: Incarnation {
                node: name.to_owned(),
                number: node.incarnation,
            },
            beat: node.beat,
            partition: 0,
        });
    }

    /// Removes what one run has in one partition.
    pub(super) fn sweep(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        let Some(mut sweep) = self.sweeps.pop_front() else {
            return;
        };
        let partition = sweep.partition;
        let members = self.book.members_of_run(sweep.run, partition);
        let left: Vec<_> = members.iter().map(|at| self.book.membership(*at)).collect();
        for at in members {
            self.end_membership(at, effects);
        }
        for connection in self.book.sessions_of_run(sweep.run, partition) {
            self.end_session(connection, partition, at, at.wall, effects);
        }
        if !left.is_empty() {
            self.note_lapse(&sweep);
            let leaves = Leaves {
                from: sweep.from.clone(),
                partition,
                beat: sweep.beat,
                left,
            };
            self.tell_leaves(leaves, at, effects);
        }
        sweep.partition += 1;
        if sweep.partition < self.options.partitions {
            self.sweeps.push_front(sweep);
        }
    }

    /// Keeps what a node has to be told should it live after all.
    fn note_lapse(&mut self, sweep: &Sweep) {
        if let Some(node) = self.nodes.get_mut(&sweep.from.node)
            && node.run == sweep.run
        {
            let stream = node.stream(Kind::Channel, sweep.partition as usize);
            stream.lapsed(sweep.partition, sweep.beat);
        }
    }

    /// A node that was thought gone lives: what was not told yet of its leaves is not told any more.
    pub(super) fn call_off(&mut self, name: &str) {
        let is_of_it = |it: &mut Farewell| it.leaves.from.node == name;
        let farewells = self.farewells.extract_if(.., is_of_it);
        if let Some(node) = self.nodes.get_mut(name) {
            for farewell in farewells {
                let partition = farewell.leaves.partition as usize;
                node.stream(Kind::Channel, partition).not_lapsed();
            }
        }
    }

    fn tell_leaves(&mut self, leaves: Leaves, at: Moment, effects: &mut Vec<Effect>) {
        let is_it = |it: &Told| {
            it.from == leaves.from && it.partition == leaves.partition && it.beat >= leaves.beat
        };
        if self.told.iter().any(is_it) {
            return;
        }
        let waiting: usize = self.farewells.iter().map(|it| it.leaves.left.len()).sum();
        if self.speaks_for(leaves.partition) || waiting > MAX_WAITING {
            effects.push(Effect::Gone(leaves));
        } else {
            let until = at.now + PATIENCE;
            self.farewells.push(Farewell { leaves, until });
        }
    }

    /// Takes that a replica has told leaves.
    pub fn gone(&mut self, gone: Gone, at: Moment) {
        if !gone.is_last_chunk || gone.replica == self.peers.own() {
            return;
        }
        let is_it = |it: &Leaves| it.from == gone.from && it.partition == gone.partition;
        self.farewells.retain(|farewell| !is_it(&farewell.leaves));
        if self.told.len() >= MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(Told {
            from: gone.from,
            partition: gone.partition,
            beat: gone.beat,
            until: at.now + MEMORY,
        });
    }

    /// Tells the leaves that no other replica told.
    pub(super) fn say_farewells(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        while self.told.front().is_some_and(|told| at.now >= told.until) {
            self.told.pop_front();
        }
        let is_due = |farewell: &mut Farewell| at.now >= farewell.until;
        let due = self.farewells.extract_if(.., is_due);
        effects.extend(due.map(|farewell| Effect::Gone(farewell.leaves)));
    }
}
