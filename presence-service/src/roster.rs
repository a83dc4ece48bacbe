//! The merged view of all nodes: a state machine without clock and without I/O.
//!
//! In: checked messages, with the time at which they came. Out: effects (ask a node for snapshots, tell the leaves of a node
//! that is gone, tell that a user came or went) and answers about who is where. Whatever is lost, doubled, delayed or comes
//! from a run that is over: once messages flow again the view is the truth of the nodes that live.

mod book;
mod departure;
mod effect;
mod holding;
mod last_seen;
mod node;
mod peers;
mod questions;
mod reports;
mod stream;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::Duration;

use self::book::{Book, Run};
use self::departure::{Farewell, Sweep, Told};
use self::last_seen::LastSeen;
use self::node::Node;
use self::peers::Peers;
use crate::message::{Beat, Fault, Faults, Kind, ReplicaBeat};

pub use self::book::Counts;
pub use self::effect::{Effect, Leaves};
pub use self::node::{NodeState, NodeView};
pub use self::questions::{ChannelView, ConnectionView, NotHeld, Page, UserView};

/// Nodes that are remembered at a time, living or not.
const MAX_NODES: usize = 4_096;

/// How long a node that is gone is remembered, so that what is late of it is known as such.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// Snapshots of one node that may be under way at a time: they are large.
const MAX_ASKED: usize = 4;

/// What a roster has to be told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of this replica, unlike every other's.
    pub replica: String,
    /// How many partitions the deployment has.
    pub partitions: u32,
    /// How long nodes and replicas are listened for at the start, before any partition is followed.
    pub settle: Duration,
    /// How long nodes may take to tell everything of a partition before it is ready all the same.
    pub patience: Duration,
    /// Memberships, and connections, at most.
    pub max_entries: usize,
    /// How long it is remembered when a user was last seen.
    pub last_seen_ttl: Duration,
    /// Of how many users.
    pub last_seen_max: usize,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moment {
    /// Since the service started; never goes back.
    pub now: Duration,
    /// Milliseconds since the Unix epoch; may jump.
    pub wall: u64,
}

/// Who is where, on which node.
#[derive(Debug)]
pub struct Roster {
    options: Options,
    book: Book,
    nodes: BTreeMap<String, Node>,
    peers: Peers,
    /// Which partitions are followed.
    held: Vec<bool>,
    /// Since when.
    held_since: Vec<Duration>,
    /// Until when they are followed although they may be another replica's.
    wanted_until: Vec<Duration>,
    /// Of which of them everything has been here, or was waited for long enough.
    ready: Vec<bool>,
    /// What runs that are over left behind.
    sweeps: VecDeque<Sweep>,
    /// Leaves that another replica should tell.
    farewells: Vec<Farewell>,
    /// Leaves that another replica told lately.
    told: VecDeque<Told>,
    last_seen: LastSeen,
    faults: Faults,
    /// Channels of which every change is an effect.
    watched: HashSet<String>,
    next_run: Run,
}

impl Roster {
    /// A roster that knows nobody.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let partitions = options.partitions;
        Self {
            book: Book::new(partitions, options.max_entries),
            nodes: BTreeMap::new(),
            peers: Peers::new(options.replica.clone()),
            held: vec![false; partitions as usize],
            held_since: vec![Duration::ZERO; partitions as usize],
            wanted_until: vec![Duration::ZERO; partitions as usize],
            ready: vec![false; partitions as usize],
            sweeps: VecDeque::new(),
            farewells: Vec::new(),
            told: VecDeque::new(),
            last_seen: LastSeen::new(options.last_seen_ttl, options.last_seen_max),
            faults: Faults::default(),
            watched: HashSet::new(),
            next_run: 0,
            options,
        }
    }

    /// Counts a message that had no effect.
    pub fn count(&mut self, fault: Fault) {
        self.faults.count(fault);
    }

    /// What went wrong so far.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Takes a beat of a node: the only message that makes a node live.
    pub fn beat(&mut self, beat: Beat, at: Moment) {
        let name = beat.from.node.clone();
        let is_known = self.nodes.contains_key(&name);
        if !is_known && (beat.is_last || self.nodes.len() >= MAX_NODES) {
            return;
        }
        let known = self.nodes.get(&name).map(|node| node.incarnation);
        if known.is_some_and(|known| beat.from.number < known) {
            self.faults.count(Fault::StaleIncarnation);
            return;
        }
        if known != Some(beat.from.number) {
            self.bury(&name);
            let run = self.new_run();
            let mut node = Node::new(beat.from.number, run, self.options.partitions, at);
            node.is_news = self.is_ready();
            self.nodes.insert(name.clone(), node);
        }
        self.refresh(&name, beat, at);
    }

    /// A beat of the incarnation that is known.
    fn refresh(&mut self, name: &str, beat: Beat, at: Moment) {
        let run = self.next_run;
        let is_back = |it: &Node| it.state == NodeState::Gone && !beat.is_last;
        if self.nodes.get(name).is_some_and(is_back) {
            self.call_off(name);
        }
        let Some(node) = self.nodes.get_mut(name) else {
            return;
        };
        match node.state {
            NodeState::Ended => return,
            _ if beat.is_last => {
                self.bury(name);
                if let Some(node) = self.nodes.get_mut(name) {
                    node.state = NodeState::Ended;
                }
                return;
            }
            // It was thought gone, and what is in the book of it is being removed.
            NodeState::Gone => {
                node.revive(run, at);
                self.next_run += 1;
            }
            NodeState::Alive => {}
        }
        node.heard(&beat, at);
        let kinds = [
            (Kind::Channel, &beat.channel_numbers),
            (Kind::User, &beat.user_numbers),
        ];
        for (kind, numbers) in kinds {
            for (partition, number) in numbers.iter().enumerate() {
                node.stream(kind, partition).beat(*number, at.now);
            }
        }
    }

    /// Takes a beat of another replica.
    pub fn replica_beat(&mut self, beat: ReplicaBeat, at: Moment) {
        self.peers.beat(beat, at.now);
    }

    /// Nothing may have been heard for a while, which proves nothing about others: all get a whole lease again.
    pub fn interrupted(&mut self, at: Moment) {
        for node in self.nodes.values_mut() {
            node.renew(at);
        }
        self.peers.renew(at.now);
    }

    /// Does what is due: some of it, if there is much. True: there is more to do at once.
    pub fn tick(&mut self, at: Moment, effects: &mut Vec<Effect>) -> bool {
        self.peers.expire(at.now);
        self.expire_nodes(at);
        self.hold(at);
        self.look_what_is_ready(at);
        self.say_farewells(at, effects);
        self.last_seen.expire(at.now);
        self.ask(at, effects);
        self.sweep(at, effects);
        !self.sweeps.is_empty()
    }

    fn expire_nodes(&mut self, at: Moment) {
        let is_over = |node: &Node| node.state == NodeState::Alive && at.now >= node.until;
        let over: Vec<_> = self
            .nodes
            .iter()
            .filter(|it| is_over(it.1))
            .map(|it| it.0.clone())
            .collect();
        for name in over {
            self.bury(&name);
        }
        self.nodes
            .retain(|_, node| node.state == NodeState::Alive || at.now < node.until + MEMORY);
    }

    fn ask(&mut self, at: Moment, effects: &mut Vec<Effect>) {
        for (name, node) in &mut self.nodes {
            if node.state == NodeState::Alive {
                let asked = node.ask(&self.held, MAX_ASKED, at.now);
                asked.iter().for_each(|_| self.faults.count(Fault::Missed));
                effects.extend(effect::asks(name, node.incarnation, asked));
            }
        }
    }

    fn new_run(&mut self) -> Run {
        self.next_run += 1;
        self.next_run - 1
    }
}

#[cfg(test)]
mod tests;
