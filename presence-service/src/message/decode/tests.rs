use proptest::prelude::*;

use super::*;
use crate::message::encode;
use crate::simulator::{SimulatedNode, client, connection, membership};

const PARTITIONS: u32 = 64;

fn said() -> Vec<Report> {
    let mut node = SimulatedNode::new("gw-1", 7, PARTITIONS, 10_000).with_chunks_of(1);
    let mut said = vec![
        node.change(Change::Join(membership("room", 1, 1)), 5),
        node.change(Change::Join(membership("room", 2, 1)), 5),
        node.change(Change::Connect(connection(1, 1)), 5),
    ];
    said.extend(node.snapshot(Kind::Channel, partition("room", PARTITIONS), 6));
    said.extend(node.snapshot(Kind::User, partition("user-1", PARTITIONS), 6));
    let channel = "room".to_owned();
    let client = client(1);
    said.push(node.change(Change::Disconnect { client }, 7));
    said.push(node.change(Change::Leave { channel, client }, 7));
    said
}

#[test]
fn what_is_said_comes_back() {
    for message in said() {
        let bytes = encode::report(message.clone(), PARTITIONS);
        assert_eq!(report(bytes, PARTITIONS), Ok(message));
    }
    let node = &mut SimulatedNode::new("gw-1", 7, PARTITIONS, 10_000);
    for message in [node.beat(), node.last_beat()] {
        let bytes = encode::beat(message.clone(), PARTITIONS, 1);
        assert_eq!(beat(bytes, PARTITIONS), Ok(message));
    }
}

#[test]
fn what_cannot_be_is_named() {
    let joined = said().swap_remove(0);
    let check = |change: fn(&mut proto::Report), expected| {
        let bytes = encode::report(joined.clone(), PARTITIONS);
        let mut message = proto::Report::decode(bytes).unwrap();
        change(&mut message);
        let read = report(message.encode_to_vec().into(), PARTITIONS);
        assert_eq!(read.err(), Some(expected));
    };
    check(|it| it.version = 2, Fault::OtherVersion);
    check(|it| it.partitions = 32, Fault::OtherPartitionCount);
    check(|it| it.partition = 64, Fault::UnknownPartition);
    check(
        |it| it.partition = (it.partition + 1) % 64,
        Fault::WrongPartition,
    );
    check(|it| it.kind = 2, Fault::WrongKind);
    check(|it| it.kind = 9, Fault::Malformed);
    check(|it| it.node.clear(), Fault::StrangeName);
    check(|it| it.node = "n".repeat(129), Fault::StrangeName);
    check(|it| it.body = None, Fault::Malformed);
    check(|it| changes(it).first = 0, Fault::StrangeNumbers);
    check(|it| changes(it).first = u64::MAX, Fault::StrangeNumbers);
    check(|it| changes(it).changes.clear(), Fault::StrangeNumbers);
    check(|it| changes(it).changes[0].what = None, Fault::Malformed);
    check(|it| join(it).client = Bytes::new(), Fault::StrangeClient);
    check(|it| join(it).channel.clear(), Fault::StrangeName);
    check(|it| join(it).user = "u".repeat(2_000), Fault::StrangeName);
}

fn changes(report: &mut proto::Report) -> &mut proto::Changes {
    match report.body.as_mut() {
        Some(proto::report::Body::Changes(changes)) => changes,
        other => panic!("not changes: {other:?}"),
    }
}

fn join(report: &mut proto::Report) -> &mut proto::Membership {
    match changes(report).changes[0].what.as_mut() {
        Some(proto::change::What::Join(join)) => join,
        other => panic!("not a join: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_end_the_service(
        which in any::<prop::sample::Index>(),
        changed in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let messages = said();
        let mut bytes = encode::report(messages[which.index(messages.len())].clone(), PARTITIONS).to_vec();
        for (at, byte) in changed {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        let bytes = Bytes::from(bytes);
        // Whatever it is read as, it is a message or a named fault.
        let _ = report(bytes.clone(), PARTITIONS);
        let _ = beat(bytes.clone(), PARTITIONS);
        let _ = replica_beat(bytes.clone(), PARTITIONS);
        let _ = gone(bytes.clone(), PARTITIONS);
        let _ = snapshot_request(bytes, PARTITIONS);
    }
}
