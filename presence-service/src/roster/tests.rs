//! Nodes that are simulated, over a bus that loses, doubles, delays and reorders, into two rosters.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::message::{Change, Gone, Incarnation, Lapse, Report};
use crate::simulator::{SimulatedNode, client, connection, membership};

const PARTITIONS: u32 = 4;
const LEASE: u32 = 1_000;
const STEP: Duration = Duration::from_millis(50);

fn options(replica: &str) -> Options {
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

fn moment(now: Duration) -> Moment {
    let passed = u64::try_from(now.as_millis()).unwrap();
    Moment {
        now,
        wall: 1_000_000 + passed,
    }
}

#[derive(Debug, Clone)]
enum Message {
    Report(Report),
    Beat(Beat),
}

/// What happens to messages to one replica.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Lost,
    Doubled,
    Late,
}

#[derive(Debug, Clone)]
enum Act {
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

fn act() -> impl Strategy<Value = Act> {
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

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Doubled),
        2 => Just(Fate::Late),
    ]
}

/// Three nodes, a bus and two replicas.
struct World {
    now: Duration,
    nodes: Vec<Option<SimulatedNode>>,
    incarnations: u64,
    rosters: Vec<Roster>,
    /// What is on its way to each replica late.
    late: Vec<Vec<Message>>,
    fates: VecDeque<Fate>,
    is_reliable: bool,
    gone: Vec<Leaves>,
    /// What nodes were told of their lapses.
    lapses: Vec<Lapse>,
}

impl World {
    fn new(fates: Vec<Fate>) -> Self {
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

    fn restart(&mut self, node: usize) {
        self.incarnations += 1;
        let name = format!("node-{node}");
        let fresh = SimulatedNode::new(&name, self.incarnations, PARTITIONS, LEASE);
        self.nodes[node] = Some(fresh.with_chunks_of(2));
        self.beat(node);
    }

    fn beat(&mut self, node: usize) {
        if let Some(beat) = self.nodes[node].as_mut().map(SimulatedNode::beat) {
            self.tell(Message::Beat(beat));
        }
    }

    fn change(&mut self, node: usize, change: Change) {
        let wall = moment(self.now).wall;
        if let Some(report) = self.nodes[node].as_mut().map(|it| it.change(change, wall)) {
            self.tell(Message::Report(report));
        }
    }

    /// Clients are of one node: their ids differ between nodes and between runs.
    fn number(&self, node: usize, client: u64) -> u64 {
        let run = self.nodes[node]
            .as_ref()
            .map_or(0, |it| it.incarnation().number);
        run * 100 + client
    }

    fn act(&mut self, act: Act) {
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

    fn tell(&mut self, message: Message) {
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

    fn deliver(&mut self, replica: usize, message: Message) {
        let (at, mut effects) = (moment(self.now), Vec::new());
        match message {
            Message::Report(it) => self.rosters[replica].report(it, at, &mut effects),
            Message::Beat(it) => self.rosters[replica].beat(it, at),
        }
        self.handle(replica, effects);
    }

    /// Time passes; what is late arrives, the latest first.
    fn pass(&mut self) {
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

    fn tick(&mut self, replica: usize) {
        let at = moment(self.now);
        let ready = self.rosters[replica].ready();
        self.rosters[1 - replica].replica_beat(peer(replica, ready), at);
        let mut effects = Vec::new();
        while self.rosters[replica].tick(at, &mut effects) {}
        self.handle(replica, effects);
    }

    fn handle(&mut self, replica: usize, effects: Vec<Effect>) {
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
    fn recover(&mut self) {
        self.is_reliable = true;
        for step in 0..200 {
            if step % 5 == 0 {
                (0..3).for_each(|node| self.beat(node));
            }
            self.pass();
        }
    }

    fn truth(&self) -> BTreeSet<String> {
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

    fn view(&self, replica: usize) -> BTreeSet<String> {
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

fn name(replica: usize) -> String {
    ["a", "b"][replica].to_owned()
}

fn peer(replica: usize, ready: Vec<u32>) -> ReplicaBeat {
    ReplicaBeat {
        replica: name(replica),
        lease_ms: LEASE,
        ready,
        is_last: false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn once_messages_flow_the_view_is_the_truth(
        acts in prop::collection::vec(act(), 0..150),
        fates in prop::collection::vec(fate(), 0..600),
    ) {
        let mut world = World::new(fates);
        acts.into_iter().for_each(|act| world.act(act));
        world.recover();
        for replica in 0..2 {
            prop_assert_eq!(world.view(replica), world.truth(), "of {}", replica);
            prop_assert!(world.rosters[replica].is_everything_whole());
            prop_assert_eq!(world.rosters[replica].ready().len(), PARTITIONS as usize);
        }
    }
}

/// A world in which nothing goes wrong, with a client of the first node in two channels.
fn calm() -> World {
    let mut world = World::new(Vec::new());
    world.is_reliable = true;
    world.act(Act::Pass { steps: 1 });
    for channel in [0, 1] {
        world.act(Act::Join {
            node: 0,
            channel,
            client: 1,
        });
    }
    world.act(Act::Connect { node: 0, client: 1 });
    world
}

fn left(world: &World) -> Vec<(Incarnation, String)> {
    let of = |it: &Leaves| {
        let from = it.from.clone();
        it.left
            .iter()
            .map(move |it| (from.clone(), it.channel.clone()))
            .collect::<Vec<_>>()
    };
    let mut left: Vec<_> = world.gone.iter().flat_map(of).collect();
    left.sort();
    left
}

#[test]
fn leaves_of_a_node_that_is_gone_are_told_once() {
    let mut world = calm();
    let from = world.nodes[0].as_ref().unwrap().incarnation().clone();
    let both = vec![(from.clone(), "c0".to_owned()), (from, "c1".to_owned())];
    world.act(Act::Crash { node: 0 });
    world.act(Act::Pass { steps: 18 });
    assert_eq!(left(&world), []);
    world.recover();
    assert_eq!(left(&world), both);
    assert!(world.view(0).is_empty());
}

#[test]
fn a_run_that_follows_ends_the_one_before() {
    let mut world = calm();
    world.act(Act::Restart { node: 0 });
    world.act(Act::Pass { steps: 1 });
    assert_eq!(left(&world).len(), 2);
    assert!(world.view(0).is_empty());
}

#[test]
fn another_replica_tells_leaves_when_the_first_does_not() {
    let mut world = calm();
    // The first still counts as living, and says nothing any more.
    world.act(Act::Crash { node: 0 });
    let mut effects = Vec::new();
    for _ in 0..50 {
        world.now += STEP;
        let at = moment(world.now);
        world.rosters[1].replica_beat(peer(0, (0..PARTITIONS).collect()), at);
        while world.rosters[1].tick(at, &mut effects) {}
        let told = effects
            .iter()
            .filter(|it| matches!(it, Effect::Gone(_)))
            .count();
        let lease = Duration::from_millis(LEASE.into());
        assert!(told == 0 || world.now >= lease + Duration::from_secs(1));
    }
    let told = effects
        .iter()
        .filter(|it| matches!(it, Effect::Gone(_)))
        .count();
    assert!((1..=2).contains(&told), "{effects:?}");
}

#[test]
fn nothing_late_of_a_run_that_is_over_comes_back() {
    let mut world = calm();
    let mut old = world.nodes[0].clone().unwrap();
    world.act(Act::End { node: 0 });
    world.act(Act::Pass { steps: 5 });
    let (late, beat) = (
        old.change(Change::Join(membership("c0", 77, 1)), 1_000_000),
        old.beat(),
    );
    world.deliver(0, Message::Beat(beat.clone()));
    world.deliver(0, Message::Report(late.clone()));
    assert!(world.view(0).is_empty());
    assert_eq!(world.rosters[0].faults().of(Fault::UnknownNode), 1);
    world.restart(0);
    world.deliver(0, Message::Beat(beat));
    world.deliver(0, Message::Report(late));
    assert!(world.view(0).is_empty());
    assert_eq!(world.rosters[0].faults().of(Fault::StaleIncarnation), 2);
}

#[test]
fn a_clock_that_is_off_is_named_and_not_believed() {
    let mut world = calm();
    let mut node = world.nodes[0].clone().unwrap();
    let disconnect = Change::Disconnect {
        client: client(101),
    };
    let report = node.change(disconnect, u64::MAX);
    world.deliver(0, Message::Report(report));
    let user = world.rosters[0].user("user-1", 10).unwrap();
    assert_eq!(
        (user.connection_count, user.last_seen),
        (0, Some(moment(world.now).wall))
    );
    assert_eq!(world.rosters[0].faults().of(Fault::ClockOff), 1);
}

#[test]
fn a_lease_is_not_over_for_who_could_not_hear() {
    let mut world = calm();
    world.now += Duration::from_secs(60);
    let at = moment(world.now);
    world.rosters[0].interrupted(at);
    world.tick(0);
    assert_eq!(world.view(0).len(), 3);
    assert!(world.gone.is_empty());
}

#[test]
fn a_node_that_lives_after_all_is_told_what_was_told_of_it() {
    let mut world = calm();
    world.act(Act::Pass { steps: 40 });
    assert_eq!(left(&world).len(), 2);
    world.recover();
    assert_eq!(world.view(0), world.truth());
    // One change in each of two partitions had been heard, after the node's first beat; both replicas say so.
    let mut lapses: Vec<_> = world.lapses.iter().map(|it| (it.beat, it.number)).collect();
    lapses.dedup();
    assert_eq!((world.lapses.len(), lapses), (4, vec![(1, 1)]));
    assert_eq!(left(&world).len(), 2);
}

#[test]
fn leaves_that_nobody_has_told_yet_are_not_told_of_a_node_that_lives() {
    let mut world = calm();
    let beat = world.nodes[0].as_mut().unwrap().beat();
    let mut effects = Vec::new();
    // The replica that speaks is silent; the other one would tell after a second.
    for _ in 0..30 {
        world.now += STEP;
        let at = moment(world.now);
        world.rosters[1].replica_beat(peer(0, (0..PARTITIONS).collect()), at);
        while world.rosters[1].tick(at, &mut effects) {}
    }
    assert!(world.view(1).is_empty());
    world.deliver(1, Message::Beat(beat));
    world.recover();
    let told = effects.iter().any(|it| matches!(it, Effect::Gone(_)));
    assert!(!told && world.gone.is_empty() && world.lapses.is_empty());
    assert_eq!(world.view(1), world.truth());
}

#[test]
fn what_is_watched_is_followed_whoever_it_belongs_to() {
    let mut roster = Roster::new(options("a"));
    let beat = |name: &str, ready: &[u32]| ReplicaBeat {
        replica: name.to_owned(),
        lease_ms: 120_000,
        ready: ready.to_vec(),
        is_last: false,
    };
    // With this many others there is a partition that is not this one's.
    let others = ["b", "c", "d", "e"];
    let all: Vec<u32> = (0..PARTITIONS).collect();
    let mut now = Duration::ZERO;
    let mut pass = |roster: &mut Roster, passed: u64| {
        now += Duration::from_secs(passed);
        let at = moment(now);
        for other in others {
            roster.replica_beat(beat(other, &all), at);
        }
        while roster.tick(at, &mut Vec::new()) {}
        at
    };
    let at = pass(&mut roster, 1);
    let own = roster.held();
    let (watched, other) = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"]
        .map(|name| (name, tidegate_proto::node::partition(name, PARTITIONS)))
        .into_iter()
        .find(|it| !own.contains(&it.1))
        .unwrap();
    assert_eq!(roster.counts(watched), Err(NotHeld(other)));
    roster.want(other, at);
    pass(&mut roster, 1);
    assert!(roster.ready().contains(&other) && roster.is_ready());
    roster.watch(watched, true);
    pass(&mut roster, 3_600);
    assert!(roster.ready().contains(&other));
    roster.watch(watched, false);
    pass(&mut roster, 59);
    assert!(roster.ready().contains(&other));
    pass(&mut roster, 2);
    assert_eq!(roster.held(), own);
}
