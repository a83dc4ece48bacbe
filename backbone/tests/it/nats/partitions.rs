//! Namespaces that are spread over several streams: the promises, and what stands in the way of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::FutureExt;
use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::nats::Nats;
use tidegate_backbone::{
    Backbone, Channel, DurabilityReport, Partition, Publication, StreamOptions, Streams,
};
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::nats::NatsServer;
use tokio::time::timeout;

use super::node::{options, publication, stranger};
use super::streams::{JETSTREAM, keeping, kept, ready};

const MAPPED: &str = r#"
    jetstream: enabled
    mappings: {
        "tide.pub.kept.>": "tide.part.kept.{{partition(3)}}.>"
        "tide.pub.short.>": "tide.part.short.{{partition(3)}}.>"
    }
"#;

fn spread(namespace: &str, size: u64, partitions: u32) -> StreamOptions {
    StreamOptions {
        partitions,
        ..kept(namespace, size, 1)
    }
}

async fn node(server: &NatsServer) -> Nats {
    let streams = vec![spread("kept", 100, 3), spread("short", 3, 3)];
    let node = Nats::connect(keeping(server, streams)).await.unwrap();
    ready(&node).await;
    node
}

async fn two_nodes() -> Cluster {
    let server = NatsServer::start_with(MAPPED).await.unwrap();
    let (near, far) = (node(&server).await, node(&server).await);
    Cluster::new(Arc::new(near), Arc::new(far), Spread::AtOnce, server)
}

tidegate_backbone::conformance_tests!(streams two_nodes);

#[tokio::test]
async fn channels_are_spread_and_publishers_know_nothing_of_it() {
    let server = NatsServer::start_with(MAPPED).await.unwrap();
    let node = node(&server).await;
    let client = stranger(&server).await;
    let channels: Vec<_> = (0..20)
        .map(|number| Channel::parse(&format!("kept:room.{number}")).unwrap())
        .collect();
    let mut streams = BTreeSet::new();
    for (number, channel) in channels.iter().enumerate() {
        let subject = format!("tide.pub.kept.room.{number}");
        let answer = client.request(subject, "x".into()).await.unwrap();
        let stored: serde_json::Value = serde_json::from_slice(&answer.payload).unwrap();
        streams.insert(stored["stream"].as_str().unwrap().to_owned());
        let position = node.publish(channel, publication("y")).await.unwrap();
        let before = stored["seq"].as_u64().unwrap();
        assert!(position.unwrap().offset > before);
    }
    let all = (0..3).map(|number| format!("tide_kept@{number}"));
    assert_eq!(streams, all.collect());
    let tops = node.tops(&channels).await.unwrap();
    let epochs: BTreeSet<_> = tops.iter().map(|top| top.position.epoch.clone()).collect();
    assert_eq!(epochs.len(), 3);
    assert!(tops.iter().all(|top| !top.is_empty));
    // Of each namespace there is one report.
    assert_eq!(node.durability().len(), 2);
}

/// What is said of a namespace that cannot be used as it is.
async fn refused(server: &NatsServer, partitions: u32, text: &str) -> DurabilityReport {
    let streams = vec![spread("kept", 100, partitions)];
    let node = Nats::connect(keeping(server, streams)).await.unwrap();
    let told = async || {
        let reports = node.durability().into_iter();
        reports.into_iter().find(|it| it.reason.contains(text))
    };
    let report = until_some("it is refused", told).await.unwrap();
    assert!(!node.is_ready());
    let room = Channel::parse("kept:room").unwrap();
    let published = node.publish(&room, publication("x")).await;
    assert!(published.is_err(), "{published:?}");
    report
}

#[tokio::test]
async fn another_number_of_partitions_is_refused_and_nothing_is_changed() {
    let server = NatsServer::start_with(MAPPED).await.unwrap();
    let first = node(&server).await;
    let room = Channel::parse("kept:room").unwrap();
    let before = first.publish(&room, publication("x")).await.unwrap();
    for other in [1, 2, 4] {
        let text = "was made with history_partitions 3";
        let report = refused(&server, other, text).await;
        assert!(report.reason.contains("set it back"), "{report:?}");
    }
    let second = node(&server).await;
    let tops = second.tops(&[room]).await.unwrap();
    assert_eq!(Some(tops[0].position.clone()), before);
}

#[tokio::test]
async fn a_namespace_that_is_one_stream_is_not_spread_afterwards() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let streams = vec![kept("kept", 100, 1)];
    let first = Nats::connect(keeping(&server, streams)).await.unwrap();
    ready(&first).await;
    refused(&server, 3, "was made with history_partitions 1").await;
}

#[tokio::test]
async fn a_mapping_that_is_missing_is_told() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let line = r#""tide.pub.kept.>": "tide.part.kept.{{partition(3)}}.>""#;
    refused(&server, 3, line).await;
}

async fn observer(server: &NatsServer) -> Nats {
    let namespaces = [Some("kept".to_owned())];
    Nats::observe(options(server), namespaces).await.unwrap()
}

/// Who observes finds out how many streams there are, and is given each of them; a channel that somebody put where it does not
/// belong is nobody's.
#[tokio::test]
async fn each_stream_of_a_namespace_is_delivered() {
    let server = NatsServer::start_with(MAPPED).await.unwrap();
    let observer = observer(&server).await;
    let mut known = observer.partitions(Some("kept")).unwrap();
    assert!(known.as_mut().now_or_never().is_none());
    let node = node(&server).await;
    assert_eq!(timeout(PATIENCE, known).await.unwrap(), 3);
    let mut expected: Vec<BTreeSet<_>> = vec![BTreeSet::new(); 3];
    for number in 0..20 {
        let channel = Channel::parse(&format!("kept:room.{number}")).unwrap();
        let position = node.publish(&channel, publication("x")).await.unwrap();
        let partition = observer.partition_of(&channel, 3);
        expected[partition as usize].insert((channel.to_string(), position.unwrap().offset));
    }
    let client = stranger(&server).await;
    let elsewhere = (0..3).map(|number| format!("tide.part.kept.{number}.room.0"));
    for subject in elsewhere {
        client.request(subject, "x".into()).await.unwrap();
    }
    let home = observer.partition_of(&Channel::parse("kept:room.0").unwrap(), 3);
    for (number, mut expected) in (0..).zip(expected) {
        let partition = Partition { number, of: 3 };
        let mut feed = observer.feed(Some("kept"), partition, None).unwrap();
        let last = expected.iter().map(|(_, offset)| *offset).max().unwrap() + 1;
        if number == home {
            expected.insert(("kept:room.0".to_owned(), last));
        }
        let (mut found, mut passed_over) = (BTreeSet::new(), Vec::<u64>::new());
        while found.len() + passed_over.len() < usize::try_from(last).unwrap() {
            let delivery = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
            assert_eq!(delivery.partition, partition);
            let offset = |it: &Publication| it.place.as_ref().unwrap().offset;
            let places = delivery.publications.iter();
            found.extend(places.map(|(channel, it)| (channel.to_string(), offset(it))));
            passed_over.extend(&delivery.passed_over);
            feed.acknowledge(&delivery).await.unwrap();
        }
        assert_eq!(found, expected);
        assert_eq!(passed_over.is_empty(), number == home);
    }
    let fourth = Partition { number: 0, of: 4 };
    assert!(observer.feed(Some("kept"), fourth, None).is_none());
}

/// What depends on their number has begun by then.
#[tokio::test]
async fn another_number_later_is_told_to_who_observes() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let observer = observer(&server).await;
    let streams = vec![kept("kept", 100, 1)];
    let first = Nats::connect(keeping(&server, streams)).await.unwrap();
    ready(&first).await;
    assert_eq!(observer.partitions(Some("kept")).unwrap().await, 1);
    first.shutdown().await;
    let client = stranger(&server).await;
    let delete = "$JS.API.STREAM.DELETE.tide_kept";
    client.request(delete, "".into()).await.unwrap();
    let spread = vec![spread("kept", 100, 3)];
    let _second = Nats::connect(keeping(&server, spread)).await.unwrap();
    let told = async || {
        let reports = observer.durability().into_iter();
        let mut reasons = reports.map(|it| it.reason);
        reasons.find(|it| it.contains("start this program again"))
    };
    until_some("it is refused", told).await.unwrap();
    assert!(!observer.is_ready());
}
