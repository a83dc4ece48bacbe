//! Nodes that are simulated, over a bus that loses, doubles, delays and reorders, into two rosters.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::super::*;
use crate::message::{Change, Gone, Lapse, Report};
use crate::simulator::{SimulatedNode, client, connection, membership};

pub(super) const PARTITIONS: u32 = 4;
pub(super) const LEASE: u32 = 1_000;
pub(super) const STEP: Duration = Duration::from_millis(50);

pub(super) fn options(replica: &str) -> Options {
    Options {
        replica: replica.to_owned(),
        partitions: PARTITIONS,
        settle: Duration::ZERO,
        patience: Duration::from_secs(30),
        max_entries: 10_000,
        last_seen_ttl: Duration::from_secs(60),
        last_seen_max: 100,
    }
}

pub(super) fn moment(now: Duration) -> Moment {
    let passed = u64::try_from(now.as_millis()).unwrap();
    Moment {
        now,
        wall: 1_000_000 + passed,
    }
}

#[derive(Debug, Clone)]
pub(super) enum Message {
    Report(Report),
    Beat(Beat),
}

/// What happens to messages to one replica.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    Arrives,
    Lost,
    Doubled,
    Late,
}

#[derive(Debug, Clone)]
pub(super) enum Act {
    Join {
        node: usize,
        channel: u8,
        client: u64,
    },
    Leave {
        node: usize,
        channel: u8,
        client: u64,
    },
    Connect {
        node: usize,
        client: u64,
    },
    Disconnect {
        node: usize,
        client: u64,
    },
    Crash {
        node: usize,
    },
    Restart {
        node: usize,
    },
    End {
        node: usize,
    },
    Beat {
        node: usize,
    },
    Deafen {
        replica: usize,
    },
    Pass {
        steps: u32,
    },
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    let (node, channel, client) = (0..3_usize, 0..6_u8, 0..8_u64);
    let place = (node.clone(), channel, client.clone());
    let person = (node.clone(), client);
    prop_oneof![
        8 => place.clone().prop_map(|(node, channel, client)| Act::Join { node, channel, client }),
        4 => place.prop_map(|(node, channel, client)| Act::Leave { node, channel, client }),
        4 => person.clone().prop_map(|(node, client)| Act::Connect { node, client }),
        2 => person.prop_map(|(node, client)| Act::Disconnect { node, client }),
        1 => node.clone().prop_map(|node| Act::Crash { node }),
        1 => node.clone().prop_map(|node| Act::Restart { node }),
        1 => node.clone().prop_map(|node| Act::End { node }),
        3 => node.prop_map(|node| Act::Beat { node }),
        1 => (0..2_usize).prop_map(|replica| Act::Deafen { replica }),
        4 => (1..30_u32).prop_map(|steps| Act::Pass { steps }),
    ]
}

pub(super) fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Doubled),
        2 => Just(Fate::Late),
    ]
}

/// Three nodes, a bus and two replicas.
pub(super) struct World {
    pub(super) now: Duration,
    pub(super) nodes: Vec<Option<SimulatedNode>>,
    pub(super) incarnations: u64,
    pub(super) rosters: Vec<Roster>,
    /// What is on its way to each replica late.
    pub(super) late: Vec<Vec<Message>>,
    pub(super) fates: VecDeque<Fate>,
    pub(super) is_reliable: bool,
    pub(super) gone: Vec<Leaves>,
    /// What nodes were told of their lapses.
    pub(super) lapses: Vec<Lapse>,
}

impl World {
    pub(super) fn new(fates: Vec<Fate>) -> Self {
        let mut world = Self {
            now: Duration::ZERO,
            nodes: vec![None, None, None],
            incarnations: 0,
            rosters: vec![Roster::new(options("a")), Roster::new(options("b"))],
            late: vec![Vec::new(), Vec::new()],
            fates: fates.into(),
            is_reliable: false,
            gone: Vec::new(),
            lapses: Vec::new(),
        };
        (0..3).for_each(|node| world.restart(node));
        world
    }

    pub(super) fn restart(&mut self, node: usize) {
        self.incarnations += 1;
        let name = format!("node-{node}");
        let fresh = SimulatedNode::new(&name, self.incarnations, PARTITIONS, LEASE);
        self.nodes[node] = Some(fresh.with_chunks_of(2));
        self.beat(node);
    }

    pub(super) fn beat(&mut self, node: usize) {
        if let Some(beat) = self.nodes[node].as_mut().map(SimulatedNode::beat) {
            self.tell(Message::Beat(beat));
        }
    }

    pub(super) fn change(&mut self, node: usize, change: Change) {
        let wall = moment(self.now).wall;
        if let Some(report) = self.nodes[node].as_mut().map(|it| it.change(change, wall)) {
            self.tell(Message::Report(report));
        }
    }

    /// Clients are of one node: their ids differ between nodes and between runs.
    pub(super) fn number(&self, node: usize, client: u64) -> u64 {
        let run = self.nodes[node]
            .as_ref()
            .map_or(0, |it| it.incarnation().number);
        run * 100 + client
    }

    pub(super) fn act(&mut self, act: Act) {
        match act {
            Act::Join {
                node,
                channel,
                client,
            } => {
                let it = membership(
                    &format!("c{channel}"),
                    self.number(node, client),
                    client % 3,
                );
                self.change(node, Change::Join(it));
            }
            Act::Leave {
                node,
                channel,
                client: it,
            } => {
                let (channel, client) = (format!("c{channel}"), client(self.number(node, it)));
                self.change(node, Change::Leave { channel, client });
            }
            Act::Connect { node, client } => {
                let it = connection(self.number(node, client), client % 3);
                self.change(node, Change::Connect(it));
            }
            Act::Disconnect { node, client: it } => {
                let client = client(self.number(node, it));
                self.change(node, Change::Disconnect { client });
            }
            Act::Crash { node } => self.nodes[node] = None,
            Act::Restart { node } => self.restart(node),
            Act::End { node } => {
                if let Some(mut it) = self.nodes[node].take() {
                    self.tell(Message::Beat(it.last_beat()));
                }
            }
            Act::Beat { node } => self.beat(node),
            Act::Deafen { replica } => {
                let at = moment(self.now);
                self.rosters[replica].interrupted(at);
            }
            Act::Pass { steps } => (0..steps).for_each(|_| self.pass()),
        }
    }

    pub(super) fn tell(&mut self, message: Message) {
        for replica in 0..2 {
            let fate = match self.is_reliable {
                true => Fate::Arrives,
                false => self.fates.pop_front().unwrap_or(Fate::Arrives),
            };
            match fate {
                Fate::Lost => {}
                Fate::Arrives => self.deliver(replica, message.clone()),
                Fate::Doubled => {
                    self.deliver(replica, message.clone());
                    self.deliver(replica, message.clone());
                }
                Fate::Late => self.late[replica].push(message.clone()),
            }
        }
    }

    pub(super) fn deliver(&mut self, replica: usize, message: Message) {
        let (at, mut effects) = (moment(self.now), Vec::new());
        match message {
            Message::Report(it) => self.rosters[replica].report(it, at, &mut effects),
            Message::Beat(it) => self.rosters[replica].beat(it, at),
        }
        self.handle(replica, effects);
    }

    /// Time passes; what is late arrives, the latest first.
    pub(super) fn pass(&mut self) {
        self.now += STEP;
        for replica in 0..2 {
            let half = self.late[replica].len().div_ceil(2);
            for _ in 0..half {
                let message = self.late[replica].pop().unwrap();
                self.deliver(replica, message);
            }
            self.tick(replica);
        }
    }

    pub(super) fn tick(&mut self, replica: usize) {
        let at = moment(self.now);
        let ready = self.rosters[replica].ready();
        self.rosters[1 - replica].replica_beat(peer(replica, ready), at);
        let mut effects = Vec::new();
        while self.rosters[replica].tick(at, &mut effects) {}
        self.handle(replica, effects);
    }

    pub(super) fn handle(&mut self, replica: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ask { node, request } => {
                    self.lapses.extend(&request.lapses);
                    let node = self.nodes.iter().flatten().find(|it| {
                        it.incarnation().node == node
                            && it.incarnation().number == request.incarnation
                    });
                    let streams = request.partitions.iter().map(|it| (request.kind, *it));
                    let wall = moment(self.now).wall;
                    let told: Vec<_> = node
                        .map(|node| {
                            streams
                                .flat_map(|it| node.snapshot(it.0, it.1, wall))
                                .collect()
                        })
                        .unwrap_or_default();
                    told.into_iter()
                        .for_each(|it| self.tell(Message::Report(it)));
                }
                Effect::Gone(leaves) => {
                    let told = Gone {
                        from: leaves.from.clone(),
                        partition: leaves.partition,
                        beat: leaves.beat,
                        replica: name(replica),
                        is_last_chunk: true,
                    };
                    let at = moment(self.now);
                    self.rosters[1 - replica].gone(told, at);
                    self.gone.push(leaves);
                }
                Effect::Online { .. } | Effect::Joined(_) | Effect::Left { .. } => {}
            }
        }
    }

    /// Messages flow again, for a while.
    pub(super) fn recover(&mut self) {
        self.is_reliable = true;
        for step in 0..200 {
            if step % 5 == 0 {
                (0..3).for_each(|node| self.beat(node));
            }
            self.pass();
        }
    }

    pub(super) fn truth(&self) -> BTreeSet<String> {
        let nodes = self.nodes.iter().flatten();
        let members = nodes
            .clone()
            .flat_map(SimulatedNode::members)
            .map(|it| format!("{it:?}"));
        let connections = nodes
            .flat_map(SimulatedNode::connections)
            .map(|it| format!("{it:?}"));
        members.chain(connections).collect()
    }

    pub(super) fn view(&self, replica: usize) -> BTreeSet<String> {
        let roster = &self.rosters[replica];
        let channels = (0..6).map(|it| format!("c{it}"));
        let members = channels.flat_map(|it| roster.page(&it, None, 1_000).unwrap().members);
        let members = members.map(|it| format!("{it:?}"));
        let users = (0..3).map(|it| format!("user-{it}"));
        let connections = users.flat_map(|it| roster.user(&it, 1_000).unwrap().connections);
        members
            .chain(connections.map(|it| format!("{:?}", it.connection)))
            .collect()
    }
}

pub(super) fn name(replica: usize) -> String {
    ["a", "b"][replica].to_owned()
}

pub(super) fn peer(replica: usize, ready: Vec<u32>) -> ReplicaBeat {
    ReplicaBeat {
        replica: name(replica),
        lease_ms: LEASE,
        ready,
        is_last: false,
    }
}
