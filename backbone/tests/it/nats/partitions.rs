//! Namespaces that are spread over several streams: the promises, and what stands in the way of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_backbone::conformance::{Cluster, Spread};
use tidegate_backbone::nats::Nats;
use tidegate_backbone::{Backbone, Channel, DurabilityReport, StreamOptions, Streams};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use super::node::{publication, stranger};
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
