//! Servers that die, freeze and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_nats::RequestErrorKind;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_backbone::{Backbone, Channel, DEFAULT_PREFIX, Error, Subjects};
use tidegate_testkit::deadline::{PATIENCE, until, until_some};
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::node::{self, Ear, TIMEOUT, publication, room};

/// Publishing fails, and does not take longer than promised (with some grace for a busy machine).
async fn assert_unavailable(node: &Nats) {
    let start = Instant::now();
    let published = node.publish(&room(), publication("lost")).await;
    assert!(
        matches!(published, Err(Error::Unavailable(_))),
        "{published:?}"
    );
    assert!(
        start.elapsed() < TIMEOUT * 5,
        "it took {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn subscriptions_survive_a_killed_server() {
    let mut server = NatsServer::start().await.unwrap();
    let (near, far) = (node::at(&server).await, node::at(&server).await);
    let mut ear = Ear::open(&far, &room()).await;
    for round in 0..3 {
        server.kill().unwrap();
        until("both nodes notice", || !near.is_ready() && !far.is_ready())
            .await
            .unwrap();
        assert_unavailable(&near).await;

        server.restart().await.unwrap();
        until("both nodes are back", || near.is_ready() && far.is_ready())
            .await
            .unwrap();
        // A server that answers a publish of the far node has read its subscriptions before.
        for (name, node) in [("far", &far), ("near", &near)] {
            let data = format!("{name} {round}");
            let publish = async || node.publish(&room(), publication(data.clone())).await.ok();
            until_some("the node publishes", publish).await.unwrap();
            ear.hear(&data).await;
        }
    }
}

#[tokio::test]
async fn publications_under_way_are_answered_when_the_server_dies() {
    let mut server = NatsServer::start().await.unwrap();
    let options = NatsOptions {
        timeout: PATIENCE * 2,
        ..node::options(&server)
    };
    let node = Nats::connect(options).await.unwrap();
    server.freeze().unwrap();
    let (room, start) = (room(), Instant::now());
    let publishing = async { node.publish(&room, publication("lost")).await };
    let dying = async { server.kill() };
    let (published, killed) = tokio::join!(publishing, dying);
    killed.unwrap();
    assert!(
        matches!(published, Err(Error::Unavailable(_))),
        "{published:?}"
    );
    assert!(
        start.elapsed() < PATIENCE,
        "the lost connection is noticed before the time-out"
    );
}

#[tokio::test]
async fn a_frozen_server_is_unavailable_within_the_timeout() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    let mut ear = Ear::open(&node, &room()).await;
    server.freeze().unwrap();
    assert_unavailable(&node).await;
    let other = Channel::parse("chat:other").unwrap();
    let subscribed = node.subscribe(&other, Arc::new(Deaf)).await;
    assert!(
        matches!(subscribed, Err(Error::Unavailable(_))),
        "{subscribed:?}"
    );

    server.thaw().unwrap();
    // Its fate was unknown; on this connection it arrives late.
    assert_eq!(ear.next().await, publication("lost"));
    assert_eq!(node.publish(&room(), publication("good")).await, Ok(None));
    assert_eq!(ear.next().await, publication("good"));
}

#[tokio::test]
async fn many_publishers_at_a_frozen_server_are_all_answered() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    server.freeze().unwrap();
    let start = Instant::now();
    let room = room();
    let publishers = (0..5000).map(|_| node.publish(&room, publication("lost")));
    let answers = futures_util::future::join_all(publishers).await;
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(Error::Unavailable(_))))
    );
    assert!(
        start.elapsed() < TIMEOUT * 15,
        "it took {:?}",
        start.elapsed()
    );
    server.thaw().unwrap();
    until_some("it publishes again", async || {
        node.publish(&room, publication("good")).await.ok()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn shutting_down_at_a_frozen_server_ends_within_the_timeout() {
    let server = NatsServer::start().await.unwrap();
    let node = node::at(&server).await;
    server.freeze().unwrap();
    let start = Instant::now();
    node.shutdown().await;
    assert!(
        start.elapsed() < TIMEOUT * 5,
        "it took {:?}",
        start.elapsed()
    );
    assert!(!node.is_ready());
}

/// Whatever comes and goes while the connection does: in the end who is subscribed hears, and who is not does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn channels_may_come_and_go_in_an_outage() {
    const CHANNELS: usize = 50;
    let mut server = NatsServer::start().await.unwrap();
    let node = Arc::new(node::at(&server).await);
    let outage_is_over = Arc::new(AtomicBool::new(false));
    let coming_and_going: Vec<_> = (0..CHANNELS)
        .map(|number| {
            let (node, outage_is_over) = (Arc::clone(&node), Arc::clone(&outage_is_over));
            tokio::spawn(come_and_go(node, number, outage_is_over))
        })
        .collect();
    for _ in 0..3 {
        server.kill().unwrap();
        until("the node notices", || !node.is_ready())
            .await
            .unwrap();
        server.restart().await.unwrap();
        until("the node is back", || node.is_ready()).await.unwrap();
    }
    outage_is_over.store(true, Ordering::Release);

    let stranger = node::stranger(&server).await;
    for task in coming_and_going {
        let (channel, mut ears) = task.await.unwrap();
        assert_eq!(node.publish(&channel, publication("good")).await, Ok(None));
        for ear in &mut ears {
            ear.hear("good").await;
        }
        let subject = Subjects::new(DEFAULT_PREFIX).unwrap().publication(&channel);
        drop(ears);
        assert_eq!(node.publish(&channel, publication("late")).await, Ok(None));
        let asked = stranger.request(subject, "anybody?".into()).await;
        assert_eq!(
            asked.unwrap_err().kind(),
            RequestErrorKind::NoResponders,
            "{channel} has subscriptions left"
        );
    }
}

/// Subscribes again and again to a channel of its own, and keeps none, one or two of the subscriptions.
async fn come_and_go(
    node: Arc<Nats>,
    number: usize,
    outage_is_over: Arc<AtomicBool>,
) -> (Channel, Vec<Ear>) {
    let channel = Channel::parse(&format!("chat:room.{number}")).unwrap();
    let mut ears = Vec::new();
    while !outage_is_over.load(Ordering::Acquire) {
        ears.extend(Ear::try_open(&node, &channel).await);
        ears.truncate(number % 3);
        tokio::task::yield_now().await;
    }
    (channel, ears)
}

/// A node that was told of one server learns of the others from it.
#[tokio::test]
async fn a_node_moves_to_a_server_that_it_was_not_told_of() {
    let mut cluster = NatsCluster::start().await.unwrap();
    let node = node::at(&cluster.servers[0]).await;
    let mut ear = Ear::open(&node, &room()).await;
    cluster.servers[0].kill().unwrap();
    until("the node notices", || node.counters().lost() == 1)
        .await
        .unwrap();
    until("the node is ready", || node.is_ready())
        .await
        .unwrap();
    assert_eq!(node.publish(&room(), publication("good")).await, Ok(None));
    assert_eq!(ear.next().await, publication("good"));
}

struct Deaf;

impl tidegate_backbone::Listener for Deaf {
    fn deliver(&self, _: tidegate_backbone::Publication) {}
}
