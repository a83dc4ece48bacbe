//! What rosters make of what they hear, in [worlds](world) where it goes wrong and in calm ones.

mod world;

use proptest::prelude::*;

use super::*;
use crate::message::{Change, Incarnation};
use crate::simulator::{client, membership};
use world::*;

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
