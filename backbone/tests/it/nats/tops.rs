//! The newest places of many channels, asked for at once.

use std::slice;

use tidegate_backbone::nats::Nats;
use tidegate_backbone::{Backbone, Channel, Streams};
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::node::publication;
use super::streams::{JETSTREAM, node};

/// Every seventh channel is empty, and some publications are so large that they do not come together.
async fn are_those_of_each(node: &Nats) {
    let channels: Vec<_> = (0..300)
        .map(|number| Channel::parse(&format!("kept:{number}")).unwrap())
        .collect();
    for (number, channel) in channels.iter().enumerate() {
        let size = match number % 50 {
            0 => 900_000,
            _ => 10,
        };
        if number % 7 != 6 {
            node.publish(channel, publication(vec![b'x'; size]))
                .await
                .unwrap();
        }
    }
    for _ in 0..3 {
        let tops = node.tops(&channels).await.unwrap();
        for (number, (channel, top)) in channels.iter().zip(tops).enumerate() {
            assert_eq!(top.is_empty, number % 7 == 6, "{channel:?}");
            let alone = node.tops(slice::from_ref(channel)).await.unwrap();
            assert_eq!(alone, [top], "{channel:?}");
        }
        let published = node.publish(&channels[1], publication("x")).await;
        let tops = node.tops(&channels).await.unwrap();
        assert_eq!(published.unwrap().as_ref(), Some(&tops[1].position));
    }
}

#[tokio::test]
async fn of_many_channels_are_those_of_each() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    are_those_of_each(&node(&server, 1).await).await;
}

/// Copies may lag behind what was confirmed.
#[tokio::test]
async fn of_many_channels_with_copies_are_those_of_each() {
    let servers = NatsCluster::start_with(JETSTREAM).await.unwrap();
    are_those_of_each(&node(&servers.servers[1], 3).await).await;
}

#[tokio::test]
async fn of_channels_without_anything_are_the_streams_end() {
    let server = NatsServer::start_with(JETSTREAM).await.unwrap();
    let node = node(&server, 1).await;
    let channels: Vec<_> = (0..20)
        .map(|number| Channel::parse(&format!("kept:{number}")).unwrap())
        .collect();
    let room = Channel::parse("kept:room").unwrap();
    let published = node.publish(&room, publication("x")).await.unwrap();
    for top in node.tops(&channels).await.unwrap() {
        assert!(top.is_empty);
        assert_eq!(Some(top.position), published);
    }
}
